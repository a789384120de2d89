"""The command `publish`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from touchstream.schemas.registry import RegistryUnavailable, SchemaRefused
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.channels.bulk import BulkDestination
from touchstream.streams.channels.files.compressed import FileProblem
from touchstream.streams.channels.files.publish import Progress as Publishing
from touchstream.streams.channels.files.publish import PublishOptions, PublishSummary, publish_files
from touchstream.streams.channels.formats.mapping import MappingError
from touchstream.streams.channels.formats.message_mapping import mapping_of
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


def publish(
    files: Annotated[list[str], typer.Argument(help="NDJSON, CSV or Parquet, also .gz .zst .xz; - is standard input.")],
    mapping: Annotated[
        str | None,
        typer.Option("--map", help="MAPPING.yaml, or the name of a shipped mapping (`touchstream mapping list`)."),
    ] = None,
    file_format: Annotated[str | None, typer.Option("--format", help="ndjson, csv or parquet; else by name.")] = None,
    rate: Annotated[float | None, typer.Option(help="Most events per second.")] = None,
    shift_to_now: Annotated[bool, typer.Option(help="Move all times so that the newest event is now.")] = False,
    refused: Annotated[
        Path | None,
        typer.Option(
            help="Write refused lines and reasons here, as NDJSON; those of standard input are else kept in a new file"
            " refused-TIME-PID.ndjson in the working directory."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish files of events to Kafka. Bad lines stop nothing: they are counted and shown with their reasons.

    Exit code 1: a line was refused, or something was not read or not taken.

    Example: touchstream publish orders.csv.gz --map orders.yaml --rate 1000
    """
    settings = load_settings()
    with errors_in_one_line(), _bar() as bar:
        task = bar.add_task("publishing", total=None)

        def show(progress: Publishing) -> None:
            bar.update(task, description=progress.step, completed=progress.bytes_done, total=progress.bytes_total)

        try:
            options = PublishOptions(
                file_format,
                mapping_of(mapping) if mapping else None,
                rate,
                shift_to_now,
                refused,
                VoidIds.of(settings.void_words),
                settings.scales(),
            )
            summary = publish_files(files, BulkDestination.of(settings), options, show)
        except (FileProblem, MappingError) as error:
            fail(escaped(str(error)), WRONG_USE)
        except (RegistryUnavailable, SchemaRefused) as error:
            fail(escaped(str(error)))
    if as_json:
        print_json(asdict(summary))
    else:
        _print(summary)
    if summary.refused or not summary.complete:
        raise typer.Exit(FAILED)


def _print(summary: PublishSummary) -> None:
    seconds = max(summary.seconds, 1e-9)
    rate = f"{summary.published / seconds:,.0f} a second"
    err.print(
        f"published {summary.published:,} events in {summary.seconds:.1f} s ({rate}), refused {summary.refused:,}"
    )
    for reason, count in sorted(summary.reasons.items()):
        err.print(f"  {reason}: {count:,}")
        for example in summary.examples.get(reason, []):
            err.print(f"    {escaped(example)}", soft_wrap=True)
    if summary.refused:
        kept = "--refused FILE" if summary.refused_file is None else escaped(summary.refused_file)
        err.print(f"  all of them, with their lines: {kept}", soft_wrap=True)
    for why, count in sorted(summary.skipped.items()):
        err.print(f"  no event, because {escaped(why)}: {count:,}")
    _print_oddities(summary)
    if summary.failed:
        err.print(f"  not acknowledged by Kafka: {summary.failed:,}; publish the file again, nothing counts twice")
    for problem in summary.problems:
        err.print(f"[red]error:[/red] {escaped(problem)}", soft_wrap=True)
    if summary.interrupted:
        err.print("interrupted: the rest of the files was not read")


def _print_oddities(summary: PublishSummary) -> None:
    if summary.repeated:
        err.print(f"  of them {summary.repeated:,} repeat an event_id with the same content: they count once")
    if summary.conflicting:
        err.print(
            f"[yellow]conflicting:[/yellow] {summary.conflicting:,} repeat the event_id of another event of the same"
            " customer: only the first counts; give each event an id of its own",
            soft_wrap=True,
        )
    for note in summary.notes:
        err.print(f"[yellow]note:[/yellow] {escaped(note)}", soft_wrap=True)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
