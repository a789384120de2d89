"""The command `simulate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.registry import RegistryUnavailable, SchemaRefused
from touchstream.streams.channels.bulk import BulkDestination
from touchstream.streams.channels.simulate.publication import SimulateOptions, publish_simulation
from touchstream.streams.channels.simulate.runner import SimulationSummary
from touchstream.streams.channels.simulate.scenario import (
    DEFAULT_FILE,
    EVENTS_PER_SECOND_MAX,
    EVENTS_PER_SECOND_MIN,
    SEED_MAX,
    Scenario,
    load_scenario,
)
from touchstream.streams.cli.output import (
    FAILED,
    WRONG_USE,
    Json,
    err,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    print_json,
)
from touchstream.streams.process.logs import configure_logs

Rate = Annotated[
    float | None,
    typer.Option(min=EVENTS_PER_SECOND_MIN, max=EVENTS_PER_SECOND_MAX, help="Events per second; else the scenario's."),
]
Seed = Annotated[
    int | None, typer.Option(min=0, max=SEED_MAX, help="Seed of the random numbers; another one gives other customers.")
]


def simulate(
    scenario: Annotated[Path | None, typer.Option(help="Scenario file (YAML); else that of the demo.")] = None,
    rate: Rate = None,
    seed: Seed = None,
    seconds: Annotated[float, typer.Option("--for", help="Seconds after which it ends by itself; 0: never.")] = 0,
    fast: Annotated[bool, typer.Option("--fast", help="Publish the last --for seconds at once.")] = False,
    as_json: Json = False,
) -> None:
    """Publish simulated customers, labelled as such, to Kafka until Ctrl-C.

    Example: touchstream simulate --rate 50 --for 600
    """
    settings = load_settings()
    try:
        options = SimulateOptions(seconds, fast)
        chosen = _scenario(scenario or DEFAULT_FILE, rate, seed)
    except (ValueError, OSError) as error:
        fail(escaped(_lines(error)), WRONG_USE)
    configure_logs(settings.log_format)
    with errors_in_one_line(), _line() as line:
        task = line.add_task("publishing simulated events", total=None)
        try:
            summary = publish_simulation(
                BulkDestination.of(settings), chosen, options, lambda events: line.update(task, completed=events)
            )
        except (RegistryUnavailable, SchemaRefused) as error:
            fail(escaped(str(error)))
    if as_json:
        print_json(asdict(summary))
    else:
        _print(summary)
    if summary.unacknowledged:
        raise typer.Exit(FAILED)


def _scenario(path: Path, rate: float | None, seed: int | None) -> Scenario:
    given: dict[str, Any] = {"rate": rate, "seed": seed}
    return load_scenario(path).model_copy(update={name: value for name, value in given.items() if value is not None})


def _lines(error: Exception) -> str:
    """All findings of a scenario file, one after the other."""
    findings = error.findings if isinstance(error, DefinitionError) else (error,)
    return "; ".join(map(str, findings))


def _print(summary: SimulationSummary) -> None:
    seconds = max(summary.seconds, 1e-9)
    err.print(
        f"published {summary.published:,} simulated events in {summary.seconds:.1f} s"
        f" ({summary.published / seconds:,.0f} a second), refused {summary.refused:,}"
    )
    for stage, events in summary.by_stage.items():
        err.print(f"  {escaped(stage)}: {events:,}")
    err.print(
        f"among them {summary.duplicates:,} sent twice, {summary.late:,} late,"
        f" {summary.out_of_scale:,} out of scale, which become dead letters"
    )
    if summary.left_out_seconds:
        err.print(f"left out: {summary.left_out_seconds:.0f} s, in which Kafka was away or the machine slept")
    if summary.unacknowledged:
        err.print(f"not acknowledged by Kafka: {summary.unacknowledged:,}")


def _line() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}: {task.completed:,.0f}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
