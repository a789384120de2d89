"""The commands by which people say what they do about alerts: `alerts ack`, `silence`, `unsilence`, `silences`."""

from typing import Annotated, Any, Final

import typer
from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_actions import (
    ACK,
    SILENCE,
    SILENCE_DAYS_MAX,
    UNSILENCE,
    Action,
    AlertTarget,
    one_line,
)
from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import DIMENSIONS
from touchstream.schemas.times import instant, now_ms
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.namespaces import namespace_of
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.cli.output import (
    WRONG_USE,
    Json,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
)
from touchstream.streams.cli.time_arguments import length_ms, point_in_time

By = Annotated[str, typer.Option("--by", help="Who you are.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who come after.")]
RuleOption = Annotated[str | None, typer.Option("--rule", help="Alerts of this rule only.")]
GroupOption = Annotated[
    list[str] | None, typer.Option("--group", help="Alerts of groups with this name only, such as stage=support.")
]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", help="Alerts of this file of rules only; without it, of all.")
]

_ID_MIN: Final = 4
_DAY_MS: Final = 86_400_000
_COLUMNS: Final = ("id", "until", "rule", "group", "namespaces", "by", "reason", "since")


def ack(
    alert: Annotated[str, typer.Argument(help="Its id in touchstream alerts, or the beginning of it.")],
    by: By,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Acknowledge an alert that fires: it is not told again and not escalated, until it is over.

    Example: touchstream alerts ack 9a61 --by anna --reason "on it"
    """
    settings = load_settings()
    with errors_in_one_line():
        by, reason = _words("--by", by), _words("--reason", reason)
        client = connect(settings.clickhouse_url)
        found = _alert(client, settings.topic, alert)
        now = now_ms()
        known = ActionTable(client, settings.topic).actions(now).acknowledgement(found)
        target = AlertTarget((found.namespace,), found.rule, found.group.key)
        action = known or Action(ACK, found.id(settings.topic), target, now, by, reason, found.since_ms)
        if known is None:
            ActionTable(client, settings.topic).record(action)
    if as_json:
        print_json(_row(action))
    elif known is None:
        out.print(escaped(f"{found.rule} is acknowledged by {by}"))
    else:
        out.print(escaped(f"{found.rule} was acknowledged by {known.by} already: {known.reason}"))


def silence(
    by: By,
    reason: Reason,
    length: Annotated[str | None, typer.Option("--for", help="For how long: 30m, 2h, 7d; 90d at most.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Until this time: ISO 8601 (UTC), epoch ms.")] = None,
    rule: RuleOption = None,
    group: GroupOption = None,
    namespace: NamespaceOption = None,
    as_json: Json = False,
) -> None:
    """Tell people of no alert of a rule or group for a time; a second one for the same takes the place of the first.

    Alerts are judged and recorded all the same; of what fires when the silence ends people are told then.

    Example: touchstream alerts silence --rule csat_low --group stage=support --for 2h --by anna --reason "new shop"
    """
    settings = load_settings()
    with errors_in_one_line():
        by, reason, now = _words("--by", by), _words("--reason", reason), now_ms()
        if (length is None) == (until is None):
            fail("give either --for or --until", WRONG_USE)
        until_ms = now + length_ms(length) if length else point_in_time(until or "")
        if not now < until_ms <= now + SILENCE_DAYS_MAX * _DAY_MS:
            fail(f"a silence ends in the future, and within {SILENCE_DAYS_MAX} days", WRONG_USE)
        client = connect(settings.clickhouse_url)
        target = _target(client, settings.topic, rule, group, namespace)
        action = Action(SILENCE, target.id(settings.topic), target, now, by, reason, until_ms=until_ms)
        ActionTable(client, settings.topic).record(action)
    if as_json:
        print_json(_row(action))
    else:
        out.print(escaped(f"silence {action.id} lasts until {instant(until_ms):%Y-%m-%d %H:%M:%S} UTC"))


def unsilence(
    by: By,
    reason: Reason,
    silence_id: Annotated[str | None, typer.Argument(help="Its id; or say its --rule and --group.")] = None,
    rule: RuleOption = None,
    group: GroupOption = None,
    namespace: NamespaceOption = None,
    as_json: Json = False,
) -> None:
    """End a silence: of what still fires people are told.

    Example: touchstream alerts unsilence --rule csat_low --by anna --reason done
    """
    settings = load_settings()
    with errors_in_one_line():
        by, reason, now = _words("--by", by), _words("--reason", reason), now_ms()
        client = connect(settings.clickhouse_url)
        table = ActionTable(client, settings.topic)
        wanted = silence_id or _target(client, settings.topic, rule, group, namespace).id(settings.topic)
        found = [one for one in table.actions(now).silences(now) if one.id.startswith(wanted)]
        if len(found) != 1:
            fail(
                "there is no such silence: touchstream alerts silences lists them" if not found else "several begin so"
            )
        action = Action(UNSILENCE, found[0].id, found[0].target, now, by, reason)
        table.record(action)
    if as_json:
        print_json(_row(action))
    else:
        out.print(f"silence {action.id} has ended")


def silences(as_json: Json = False) -> None:
    """The silences that hold, the one that ends first, first.

    Example: touchstream alerts silences
    """
    settings = load_settings()
    with errors_in_one_line():
        now = now_ms()
        found = ActionTable(connect(settings.clickhouse_url), settings.topic).actions(now).silences(now)
    rows = [_row(one) for one in found]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, _COLUMNS)
    else:
        out.print("nothing is silenced")


def _alert(client: Client, topic: str, wanted: str) -> AlertRow:
    """The alert that fires whose id begins so. Ends the command where there is not one."""
    if len(wanted) < _ID_MIN:
        fail(f"write at least {_ID_MIN} characters of the id", WRONG_USE)
    known = [one for one in AlertTables(client, topic, None).alerts() if one.id(topic).startswith(wanted)]
    firing = [one for one in known if one.state == "firing"]
    if len(firing) == 1:
        return firing[0]
    if firing:
        fail(f"{len(firing)} alerts that fire begin so: write more of the id")
    fail("it doesn't fire: there is nothing to acknowledge" if known else "there is no such alert: touchstream alerts")
    raise AssertionError("fail ends the command")


def _target(
    client: Client, topic: str, rule: str | None, groups: list[str] | None, namespace: str | None
) -> AlertTarget:
    """What is silenced. Ends the command where nothing is named: it would be all alerts."""
    if not rule and not groups:
        fail("say which alerts: --rule NAME, --group stage=support, or both", WRONG_USE)
    names: dict[str, str] = {}
    for group in groups or ():
        dimension, equals, name = group.partition("=")
        if dimension not in DIMENSIONS or not equals or dimension in names:
            fail(f"--group {escaped(group)}: write one of {', '.join(DIMENSIONS)}, =, and a name", WRONG_USE)
        names[dimension] = name
    stored = (namespace_of(client, topic, namespace).stored,) if namespace else ()
    return AlertTarget(stored, rule or "", Group(*(names.get(one) for one in DIMENSIONS)).key)


def _words(option: str, text: str) -> str:
    """A text of one line. Ends the command where it is none."""
    try:
        return one_line(text)
    except ValueError as error:
        fail(f"{option} {error}", WRONG_USE)


def _row(one: Action) -> dict[str, Any]:
    """An action for a person or a program."""
    return {
        "kind": one.kind,
        "id": one.id,
        "rule": one.target.rule or None,
        "group": ", ".join(f"{dimension}={name}" for dimension, name in one.target.group_key) or None,
        "namespaces": [name or "(first)" for name in one.target.namespaces] or None,
        "by": one.by,
        "reason": one.reason,
        "since": instant(one.at_ms).isoformat(),
        "until": instant(one.until_ms).isoformat() if one.until_ms else None,
    }
