"""The command `alerts incidents`: alerts that belong together."""

from typing import Annotated

import msgspec
import typer

from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.cli.output import Json, errors_in_one_line, escaped, load_settings, out, print_json
from touchstream.streams.cli.time_arguments import point_in_time


def incidents(
    start: Annotated[str, typer.Option("--from", help="Those that changed since then: ISO 8601 (UTC), -24h.")] = "-24h",
    as_json: Json = False,
) -> None:
    """Incidents, the newest first: alerts that belong together, where their change comes from, what was noted.

    Example: touchstream alerts incidents --from -7d
    """
    settings = load_settings()
    with errors_in_one_line():
        tables = AlertTables(connect(settings.clickhouse_url), settings.topic, None)
        found = tables.incidents(point_in_time(start))
    if as_json:
        print_json([msgspec.to_builtins(one) for one in found])
        return
    for one in found:
        out.print(escaped(f"{one.opened:%Y-%m-%d %H:%M} UTC {one.text}"), soft_wrap=True)
    if not found:
        out.print("no alerts were an incident")
