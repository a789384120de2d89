"""The command `audit`: who looked at which person, and who changed what people see of alerts."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from touchstream.schemas.alert_actions import Action
from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
from touchstream.sinks.clickhouse.customers.person_views import PersonView, PersonViews
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.cli.output import Json, errors_in_one_line, load_settings, out, print_json, print_table
from touchstream.streams.cli.time_arguments import point_in_time

_COLUMNS = ("at", "by", "door", "did", "about", "why")


def audit(
    start: Annotated[str, typer.Option("--from", help="Since then: ISO 8601 (UTC), epoch ms, -7d.")] = "-7d",
    end: Annotated[str, typer.Option("--to", help="Up to then.")] = "-0s",
    by: Annotated[str, typer.Option(help="Only what this person, or API key, did.")] = "",
    customer: Annotated[
        str, typer.Option(help="Only who looked at this person: a customer_id or an anonymous_id.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Who looked at which customer, on the page and at the gateway; who acted on alerts; who noted what.

    Example: touchstream audit --customer 4711 --from -90d
    """
    settings = load_settings()
    with errors_in_one_line():
        from_ms, to_ms = point_in_time(start), point_in_time(end)
        client = connect(settings.clickhouse_url)
        rows = [_seen(one) for one in PersonViews(client).between(from_ms, to_ms, by, customer)]
        if not customer:
            done = ActionTable(client, settings.topic).since(from_ms)
            rows += _acted(one for one in done if from_ms <= one.at_ms < to_ms and by in ("", one.by))
            noted = AnnotationTable(client).between(settings.topic, from_ms, to_ms)
            rows += [
                {"at": one.at.isoformat(), "by": one.source, "door": None, "did": "noted", "about": one.kind}
                | {"why": one.text}
                for one in noted
                if by in ("", one.source)
            ]
    rows.sort(key=lambda row: row["at"], reverse=True)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, _COLUMNS)
    else:
        out.print("nothing was done in this time")


def _seen(one: PersonView) -> dict[str, Any]:
    did = "looked at a person" if one.found else "asked for an unknown id"
    about = one.customer_id or one.anonymous_id or ("(erased)" if one.found else None)
    row = {"at": _text(one.at_ms), "by": one.onlooker.by, "door": one.onlooker.door, "did": did, "about": about}
    return row | {"why": None}


def _acted(actions: Iterable[Action]) -> list[dict[str, Any]]:
    return [
        {"at": _text(one.at_ms), "by": one.by, "door": None, "did": one.kind, "why": one.reason}
        | {
            "about": " ".join(
                [one.target.rule or "all rules", *(f"{key}={name}" for key, name in one.target.group_key)]
            )
        }
        for one in actions
    ]


def _text(at_ms: int) -> str:
    return instant(at_ms).isoformat()
