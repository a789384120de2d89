"""Commands that ask: metrics, wait, dead-letters, settings, catalogue."""

from typing import Annotated, Any

import typer

from schemas.journey import DEFAULT_FILE, Journeys
from sinks.clickhouse.client import connect
from sinks.clickhouse.queries import DIMENSIONS, dead_letters, lanes, metrics
from streams.cli.output import (
    FAILED,
    WRONG_USE,
    answers,
    errors_in_one_line,
    fail,
    load_settings,
    people,
    print_json,
    print_table,
    progress_bar,
)
from streams.cli.times import point_in_time
from streams.topics import log_identity
from streams.waiting import Reached, wait_until_measured

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_SHOWN = (
    "touches", "customers", "success_rate", "nps", "nps_n", "csat", "csat_n", "ces", "ces_n",
    "duration_ms_p50", "duration_ms_p95", "purchases", "revenue_minor", "completeness",
)  # fmt: skip
"""What a table for people shows; --json gives every field."""


def ask_metrics(
    start: Annotated[
        str | None, typer.Option("--from", help="From this time on: ISO 8601 (UTC), epoch ms, -1h.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to before this time.")] = None,
    by: Annotated[str, typer.Option(help=f"Groups: any of {','.join(DIMENSIONS)}, or none for one total.")] = "stage",
    where: Annotated[
        list[str] | None, typer.Option(help="Only where: stage=purchase. May be given several times.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Exact metrics of event time in [from, to), all of it by default.

    Example: touchstream metrics --from -24h --by stage,channel --where segment=premium
    """
    settings = load_settings()
    groups = _groups(by)
    filters = _filters(where or [])
    with errors_in_one_line():
        from_ms, to_ms = (point_in_time(text) if text else None for text in (start, end))
        client = connect(settings.clickhouse_url)
        rows = metrics(client, from_ms, to_ms, by=groups, where=filters, topic=settings.topic)
    if as_json:
        print_json(rows)
    else:
        measured = [name for name in _SHOWN if any(row.get(name) is not None for row in rows)]
        print_table(rows, [*groups, *measured])


def wait(
    timeout: Annotated[float, typer.Option(help="Seconds until it gives up.")] = 60.0,
) -> None:
    """Wait until everything published so far has been measured and is in the tables; exit code 1 when time is over.

    Example: touchstream wait --timeout 120
    """
    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        ends = log_identity(settings.kafka_connection(), settings.topic)
        client = connect(settings.clickhouse_url)
        total = sum(position.end_offset - position.begin_offset for position in ends.values())
        bar = progress.add_task("measured", total=total)

        def reached() -> dict[int, Reached]:
            return {row.partition: Reached(row.log_id, row.next_offset) for row in lanes(client, settings.topic)}

        behind = wait_until_measured(
            ends, reached, timeout, lambda left: progress.update(bar, completed=max(0, total - left))
        )
    if behind:
        events = sum(lane.end_offset - lane.next_offset for lane in behind)
        fail(
            f"{events} events in {len(behind)} partitions are not measured after {timeout:g} s;"
            " is a worker running? Its log says what it waits for"
        )


def list_dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 100,
    reason: Annotated[str | None, typer.Option(help="Only with this reason, such as out_of_scale.")] = None,
    as_json: Json = False,
) -> None:
    """Events that could not be used, and why.

    Example: touchstream dead-letters list --reason out_of_scale
    """
    settings = load_settings()
    with errors_in_one_line():
        letters = dead_letters(connect(settings.clickhouse_url), limit, reason)
    rows = [
        {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.log_offset,
            "reason": letter.reason,
            "detail": letter.detail,
            "key": _text(letter.key),
            "value": _text(letter.value),
        }
        for letter in letters
    ]
    if as_json:
        print_json(rows)
    else:
        shown = [row | {"value": str(row["value"] or "")[:80]} for row in rows]
        print_table(shown, ["partition", "offset", "reason", "detail", "value"])


def show_settings(as_json: Json = False) -> None:
    """What is in force and where it came from; secrets are hidden.

    Example: TOUCHSTREAM_FLUSH_SECONDS=1 touchstream settings
    """
    settings = load_settings()
    rows = [
        {"name": line.name, "value": line.value, "from": line.origin, "description": line.description}
        for line in settings.sources()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "value", "from", "description"])


def check_catalogue(as_json: Json = False) -> None:
    """Errors and gaps in the journey: exit code 1 when there is an error.

    Example: TOUCHSTREAM_JOURNEY_FILE=journey.yaml touchstream catalogue check
    """
    settings = load_settings()
    with errors_in_one_line():
        findings = Journeys.load(settings.journey_file or DEFAULT_FILE).check()
    rows: list[dict[str, Any]] = [
        {"severity": str(finding.severity), "where": finding.where, "message": finding.message} for finding in findings
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ["severity", "where", "message"])
    else:
        answers.print("the catalogue has no errors and no gaps")
    if any(row["severity"] == "error" for row in rows):
        people.print("the catalogue has errors")
        raise typer.Exit(FAILED)


def _groups(by: str) -> list[str]:
    names = [name.strip() for name in by.split(",") if name.strip()]
    if names == ["none"]:
        return []
    unknown = [name for name in names if name not in DIMENSIONS]
    if unknown or not names:
        fail(f"--by {by}: take any of {','.join(DIMENSIONS)}, or none", WRONG_USE)
    return names


def _filters(pairs: list[str]) -> dict[str, str]:
    filters = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in DIMENSIONS:
            fail(f"--where {pair}: write it as {'|'.join(DIMENSIONS)}=value", WRONG_USE)
        filters[name] = value
    return filters


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "backslashreplace")
