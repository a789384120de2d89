"""The command `transitions`."""

from typing import Annotated

import typer

from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.journeys import transitions
from touchstream.streams.cli.output import Json, errors_in_one_line, load_settings, out, print_json, print_table
from touchstream.streams.cli.time_arguments import point_in_time

_COLUMNS = ("journey", "from_stage", "to_stage", "transitions", "customers", "dwell_ms_p50", "dwell_ms_p95")


def ask_transitions(
    start: Annotated[
        str | None, typer.Option("--from", help="From this time on: ISO 8601 (UTC), epoch ms, -1h.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to before this time.")] = None,
    journey: Annotated[list[str] | None, typer.Option(help="Only this journey. May be given several times.")] = None,
    as_json: Json = False,
) -> None:
    """The moves from stage to stage in [from, to), all of them by default, the most frequent first.

    Example: touchstream transitions --from -7d --journey customer
    """
    settings = load_settings()
    with errors_in_one_line():
        from_ms, to_ms = (point_in_time(text) if text else None for text in (start, end))
        found = transitions(connect(settings.clickhouse_url), from_ms, to_ms, journey or ())
    if as_json:
        print_json(found)
    elif found:
        print_table(found, _COLUMNS)
    else:
        out.print("no customer moved from stage to stage")
