"""The commands of `alerts`."""

from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from touchstream.schemas.alert_actions import Action, Actions
from touchstream.schemas.alert_state import AlertRow
from touchstream.schemas.alerts import DIMENSIONS
from touchstream.schemas.times import instant as to_instant
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.namespaces import namespace_of, shown_namespace
from touchstream.sinks.clickhouse.alerts.rounds import Round, newest_round
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.notify.notification import Handled, Notification
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

_ORDER = (FIRING, PENDING, RESOLVED, OK)
_COLUMNS = (
    "alert", "state", "since", "rule", "severity", "stage", "channel", "segment", "value", "low", "high", "n",
    "baseline", "verdict", "condition", "tick",
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
        found = AlertTables(client, settings.topic, None).alerts(states=[FIRING] if firing else [])
        round_, namespace = newest_round(client, settings.topic), shown_namespace(client, settings.topic)
        now = now_ms()
        actions = ActionTable(client, settings.topic).actions(now)
    found.sort(key=lambda alert: _ORDER.index(alert.state))
    rows = [_row(alert, settings.topic, namespace) | handled(alert, actions, now) for alert in found]
    _show(rows, as_json, "no alert is firing" if firing else "no rule has been judged yet")
    for one in [] if as_json else actions.silences(now):
        whom = ", ".join([one.target.rule or "all rules", *(f"{name} {value}" for name, value in one.target.group_key)])
        err.print(escaped(f"silence {one.id} of {whom}, {Handled.by_action(one)}"), soft_wrap=True)
    _say_how_far(round_)


def _say_how_far(round_: Round | None) -> None:
    """Print up to when alerts were judged: without recent judgement, no firing alert means little."""
    if round_ is None:
        err.print("no watch has ever judged this topic: start touchstream watch")
        return
    if round_.judged_to_ms:
        err.print(f"judged up to {instant(round_.judged_to_ms, round_.now_ms)}")
    if round_.is_silent:
        whose = f"watch of {round_.namespace}" if round_.namespace else "watch"
        err.print(f"{whose} was last heard of {duration(round_.silent_ms)} ago: what got worse since then is not said")


def history(
    start: Annotated[str, typer.Option("--from", help="Since then: ISO 8601 (UTC), epoch ms, -24h.")] = "-24h",
    rule: Annotated[str | None, typer.Option("--rule", help="Of this rule only.")] = None,
    as_json: Json = False,
) -> None:
    """Every change of alerts, the newest first: what fired, and how it ended.

    Example: touchstream alerts history --from -7d --rule csat_low
    """
    settings = load_settings()
    with errors_in_one_line():
        from_ms = point_in_time(start)
        client = connect(settings.clickhouse_url)
        changes = AlertTables(client, settings.topic, None).changes(from_ms)
        namespace = shown_namespace(client, settings.topic)
        done = ActionTable(client, settings.topic).since(from_ms)
    found = [change for change in changes if rule in (None, change.rule)]
    rows = [_row(change, settings.topic, namespace) for change in found]
    acted = [
        _action_row(one)
        for one in reversed(done)
        if one.at_ms >= from_ms and one.target.rule in ("", rule or one.target.rule)
    ]
    _show([*acted, *rows], as_json, "no alert has changed")


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
    # Here, for `touchstream alerts` is asked often, and needs neither NumPy nor Kafka.
    from touchstream.schemas.alerts import Rules
    from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
    from touchstream.sinks.clickhouse.alerts.buckets import BucketTables
    from touchstream.streams.watch.evidence.buckets import BUCKET_MS
    from touchstream.streams.watch.evidence_rehearsal import EvidenceRehearsal
    from touchstream.streams.watch.evidence_watch import HISTORY
    from touchstream.streams.watch.rehearsal import Rehearsal, RehearsalError
    from touchstream.streams.watch.service import checked, known

    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        from_ms, to_ms = point_in_time(start), point_in_time(end or "-0s")
        about, wanted = known(settings), Rules.load(rules)
        checked(wanted, about)
        client = connect(settings.clickhouse_url)
        stored = namespace_of(client, settings.topic, wanted.namespace).stored
        tables = AlertTables(client, settings.topic, stored)
        try:
            rehearsal = Rehearsal(tables, wanted, about.catalogue, from_ms, to_ms, as_known_now=as_known_now)
        except RehearsalError as error:
            fail(escaped(str(error)), WRONG_USE)
        to_ms = min(to_ms, min((lane.watermark_ms for lane in lanes(client, settings.topic)), default=0))
        buckets = BucketTables(client, settings.topic, stored)
        noted = AnnotationTable(client).between(settings.topic, from_ms - HISTORY * BUCKET_MS, to_ms)
        evidence = EvidenceRehearsal(
            buckets, wanted, about.catalogue, from_ms, to_ms, as_known_now=as_known_now, noted=noted
        )
        total = rehearsal.ticks + evidence.buckets
        bar = progress.add_task("judged", total=total)
        found = [one.changes(lambda judged: progress.advance(bar, judged)) for one in (rehearsal, evidence)]
    changes = sorted(chain(*found), key=lambda change: (change.tick_ms, change.rule, change.group.key))
    rows = [_row(change, settings.topic, wanted.namespace) for change in changes]
    _show(rows, as_json, f"nothing would have changed in {total:,} windows and buckets")


def handled(alert: AlertRow, actions: Actions, now_ms: int) -> dict[str, Any]:
    """Who acknowledged an alert, and who silenced it until when; nulls without."""
    ack, silence = actions.acknowledgement(alert), actions.silence(alert, now_ms)
    found = {"acknowledged": ack, "silenced": silence}
    return {name: msgspec.to_builtins(Handled.by_action(one)) if one else None for name, one in found.items()}


def _row(alert: AlertRow, topic: str, namespace: str) -> dict[str, Any]:
    """An alert or a change of one; namespace: the name of the first one."""
    row: dict[str, Any] = msgspec.to_builtins(Notification.of(alert, topic, namespace=namespace))
    for name in ("key", "occasion", "runbook", "acknowledged", "silenced", "late_by_seconds"):  # of what is sent
        del row[name]
    return row | {"is_first": not alert.namespace}


def _action_row(one: Action) -> dict[str, Any]:
    """What a person did, in the columns of changes."""
    names = dict(one.target.group_key)
    return {
        "alert": one.id,
        "state": {"ack": "acknowledged", "silence": "silenced", "unsilence": "unsilenced"}[one.kind],
        "since": to_instant(one.at_ms).isoformat(),
        "tick": to_instant(one.at_ms).isoformat(),
        "rule": one.target.rule or None,
        **{dimension: names.get(dimension) for dimension in DIMENSIONS},
        "by": one.by,
        "reason": one.reason,
        "until": to_instant(one.until_ms).isoformat() if one.until_ms else None,
    }


def _show(rows: list[dict[str, Any]], as_json: bool, nothing: str) -> None:
    """Print alerts, changes and what people did; the namespace where there are several."""
    several = not all(row.pop("is_first", True) for row in rows)
    if as_json:
        print_json(rows)
    elif rows:
        for row in rows:
            row["handled"] = _in_words(row)
        handled_ = ("handled",) if any(row["handled"] for row in rows) else ()
        print_table(rows, (*(("namespace",) if several else ()), *_COLUMNS, *handled_))
    else:
        out.print(nothing)


def _in_words(row: dict[str, Any]) -> str:
    """What people did about an alert, in a cell."""
    if "by" in row:
        return f"by {row['by']}: {row['reason']}"
    found = {name: row.get(name) for name in ("acknowledged", "silenced")}
    return "; ".join(f"{name} by {one['by']}: {one['reason']}" for name, one in found.items() if one)
