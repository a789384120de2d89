"""The commands of `alerts`."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from touchstream.schemas.alert_state import AlertRow
from touchstream.schemas.alerts import Rules
from touchstream.sinks.clickhouse.alerts.rounds import Round, newest_round
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.page.figures import duration, instant
from touchstream.streams.cli.output import (
    WRONG_USE,
    Json,
    err,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
    progress_bar,
)
from touchstream.streams.cli.time_arguments import point_in_time
from touchstream.streams.watch.judge import FIRING, OK, PENDING, RESOLVED
from touchstream.streams.watch.rehearsal import Rehearsal, RehearsalError
from touchstream.streams.watch.service import checked, known

_ORDER = (FIRING, PENDING, RESOLVED, OK)
_COLUMNS = (
    "state", "since", "rule", "severity", "stage", "channel", "segment", "value", "low", "high", "n", "baseline",
    "verdict", "condition", "tick",
)  # fmt: skip


def alerts(
    context: typer.Context,
    firing: Annotated[bool, typer.Option("--firing", help="Only those that are firing.")] = False,
    as_json: Json = False,
) -> None:
    """The state of alerts: each rule in each group that it looks at.

    Example: touchstream alerts --firing
    """
    if context.invoked_subcommand is not None:
        return
    settings = load_settings()
    with errors_in_one_line():
        client = connect(settings.clickhouse_url)
        found = AlertTables(client, settings.topic).alerts(states=[FIRING] if firing else [])
        round_ = newest_round(client, settings.topic)
    found.sort(key=lambda alert: _ORDER.index(alert.state))
    _show(found, settings.topic, as_json, "no alert is firing" if firing else "no rule has been judged yet")
    _say_how_far(round_)


def _say_how_far(round_: Round | None) -> None:
    """Print up to when alerts were judged: without recent judgement, no firing alert means little."""
    if round_ is None:
        err.print("no watch has ever judged this topic: start touchstream watch")
        return
    if round_.judged_to_ms:
        err.print(f"judged up to {instant(round_.judged_to_ms, round_.now_ms)}")
    if round_.is_silent:
        err.print(f"watch was last heard of {duration(round_.silent_ms)} ago: what got worse since then is not said")


def rehearse(
    rules: Annotated[Path, typer.Argument(help="A file such as alerts.yaml.")],
    start: Annotated[str, typer.Option("--from", help="From this time on: ISO 8601 (UTC), epoch ms, -1h.")],
    end: Annotated[str | None, typer.Option("--to", help="Up to this time; now by default.")] = None,
    as_known_now: Annotated[
        bool, typer.Option("--as-known-now", help="Compute each window anew, late events included.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Alerts that rules would have raised over the windows that ended in an interval, as they were recorded.

    Example: touchstream alerts test alerts.yaml --from -24h
    """
    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        from_ms, to_ms = point_in_time(start), point_in_time(end or "-0s")
        about, wanted = known(settings), Rules.load(rules)
        checked(wanted, about)
        tables = AlertTables(connect(settings.clickhouse_url), settings.topic)
        try:
            rehearsal = Rehearsal(tables, wanted, about.catalogue, from_ms, to_ms, as_known_now=as_known_now)
        except RehearsalError as error:
            fail(escaped(str(error)), WRONG_USE)
        bar = progress.add_task("judged", total=rehearsal.ticks)
        changes = rehearsal.changes(lambda judged: progress.advance(bar, judged))
    _show(changes, settings.topic, as_json, f"nothing would have changed in {rehearsal.ticks:,} windows")


def _show(alerts: list[AlertRow], topic: str, as_json: bool, nothing: str) -> None:
    rows: list[dict[str, Any]] = []
    for alert in alerts:
        row = msgspec.to_builtins(Notification.of(alert, topic))
        del row["key"]  # of a change, not of how it stands
        rows.append(row)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, _COLUMNS)
    else:
        out.print(nothing)
