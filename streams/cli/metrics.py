"""The command `metrics`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client

from touchstream.schemas.metrics import shipped
from touchstream.schemas.times import now_ms
from touchstream.schemas.windows import BY_NAME, Window
from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS
from touchstream.sinks.clickhouse.metrics.journeys import portfolio
from touchstream.streams.cli.output import (
    JSON_ROWS_MAX,
    TABLE_ROWS_MAX,
    WRONG_USE,
    Json,
    errors_in_one_line,
    fail,
    load_settings,
    print_json,
    print_table,
    within_limit,
)
from touchstream.streams.cli.selection import filters as selected
from touchstream.streams.cli.time_arguments import point_in_time
from touchstream.streams.upkeep.asked_edition import connect_to

_BOUNDS = f"Unless given, a table has {TABLE_ROWS_MAX:,}, and JSON of more than {JSON_ROWS_MAX:,} is refused."

_SHOWN = (
    "touches", "customers", "success_rate", "nps", "nps_n", "csat", "csat_n", "ces", "ces_n",
    "duration_ms_p50", "duration_ms_p95", "purchases", "revenue_minor", "entered", "conversion", "dwell_ms_p50",
    "churn_rate", "completeness",
)  # fmt: skip
"""What a table for people shows, and what is on the page besides; --json gives every field."""


def ask_metrics(
    start: Annotated[
        str | None, typer.Option("--from", help="From this time on: ISO 8601 (UTC), epoch ms, -1h.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to before this time.")] = None,
    by: Annotated[str, typer.Option(help=f"Groups: any of {','.join(DIMENSIONS)}, or none for one total.")] = "stage",
    where: Annotated[
        list[str] | None, typer.Option(help="Only where: stage=purchase. Once for each dimension.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help=f"Instead of --from and --to, a rolling window now: {', '.join(BY_NAME)}.")
    ] = None,
    definitions: Annotated[
        str | None, typer.Option(help="Ask the tables of this version (`touchstream definitions list`).")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help=f"Limit of rows, those with most touches; 0 for all. {_BOUNDS}"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Exact metrics of event time in [from, to), all of it by default; with --window, of that rolling window now.

    Example: touchstream metrics --from -24h --by stage,channel --where segment=premium
    """
    settings = load_settings()
    groups = _groups(by)
    filters = selected(where or [])
    rolling = _window(window, start, end)
    with errors_in_one_line():
        from_ms, to_ms = (point_in_time(text) if text else None for text in (start, end))
        client = connect_to(settings, definitions)
        if rolling is not None:
            rows = _rolling(client, rolling, groups, filters, settings.topic)
        else:
            rows = portfolio(client, from_ms, to_ms, by=groups, where=filters, topic=settings.topic)
    rows = within_limit(rows, limit, as_json)
    if as_json:
        print_json(rows)
    else:
        asked = [metric for metric in shipped().metrics.values() if metric.instrument is not None]
        shown = dict.fromkeys((*_SHOWN, *shipped().page, *(name for one in asked for name in (one.name, one.n or ""))))
        known = {name for name in shown if any(row.get(name) is not None for row in rows)}
        # A survey without answers has n 0 and no value: leave out both.
        measured = [name for name in shown if name in known and name.removesuffix("_n") in known]
        print_table(rows, [*groups, *measured], most=len(rows))


def _window(name: str | None, start: str | None, end: str | None) -> Window | None:
    if name is None:
        return None
    if name not in BY_NAME:
        fail(f"--window {name}: take one of {', '.join(BY_NAME)}", WRONG_USE)
    if start or end:
        fail("--window is an interval of its own: leave out --from and --to", WRONG_USE)
    return BY_NAME[name]


def _rolling(
    client: Client, window: Window, groups: list[str], filters: dict[str, str], topic: str
) -> list[dict[str, Any]]:
    """The live window as the rolling rows have it, measured now: so it can have any groups, and is never old.

    `tick` is the window's end, in ISO 8601, UTC.
    """
    tick_ms = window.live_tick(now_ms())
    tick = datetime.fromtimestamp(tick_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    measured = portfolio(client, tick_ms - window.length_ms, tick_ms, by=groups, where=filters, topic=topic)
    return [{name: row[name] for name in groups} | {"window": window.name, "tick": tick} | row for row in measured]


def _groups(by: str) -> list[str]:
    names = [name.strip() for name in by.split(",") if name.strip()]
    if names == ["none"]:
        return []
    unknown = [name for name in names if name not in DIMENSIONS]
    if unknown or not names:
        fail(f"--by {by}: take any of {','.join(DIMENSIONS)}, or none", WRONG_USE)
    return names
