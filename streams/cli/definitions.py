"""The commands `definitions list`, `definitions replay`, `definitions use`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas.touchpoint import TIME_MS_MIN
from touchstream.sinks.clickhouse.client import connect_directly, database_url, first_database
from touchstream.sinks.clickhouse.database import in_force
from touchstream.sinks.clickhouse.errors import code
from touchstream.sinks.clickhouse.lanes.definitions import KnownDefinitions, known_definitions
from touchstream.sinks.clickhouse.upkeep.editions import editions
from touchstream.streams.cli.output import (
    Json,
    err,
    errors_in_one_line,
    load_settings,
    print_json,
    print_table,
    progress_bar,
)
from touchstream.streams.cli.time_arguments import point_in_time
from touchstream.streams.upkeep.asked_edition import edition_of
from touchstream.streams.upkeep.editions import switch
from touchstream.streams.upkeep.rederivation import Plan, Restating

_BEGINNING = "the beginning"
_DROPPED = {60, 81}
"""UNKNOWN_TABLE, UNKNOWN_DATABASE."""


def list_definitions(as_json: Json = False) -> None:
    """Every version of the definitions, and which tables hold what was measured under it.

    Example: touchstream definitions list
    """
    settings = load_settings()
    with errors_in_one_line():
        rows = _listed(settings.clickhouse_url)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["version", "database", "from", "state"])


def replay_definitions(
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Events that occurred from this time on (ISO 8601, epoch ms, -7d; whole hours) count under the new"
            " definitions. Without it: goes on with a replay of them that was begun, else all that Kafka holds.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be done.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Don't switch to it: the version in force stays.")] = False,
    as_json: Json = False,
) -> None:
    """Derive everything anew under the definitions of the settings, beside what is in force; then switch to it.

    Reads Kafka's log again, into a database of its own, while workers go on. When it has caught up, commands and
    workers go on there; the old tables stay, and `metrics --definitions VERSION` asks them. After an interruption,
    call it again.

    Example: TOUCHSTREAM_JOURNEY_FILE=journey.yaml touchstream definitions replay --from 2026-11-01
    """
    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        restating = Restating(settings, point_in_time(start) if start else None)
        bar = progress.add_task("records", total=None)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        plan = restating.plan() if dry_run else restating.run(show)
        switched = not dry_run and not keep
        if switched:
            switch(settings, plan.database)
    if as_json:
        print_json(_plain(plan) | {"in_force": switched})
    else:
        for line in _said(plan, dry_run, switched):
            err.print(line, markup=False)


def use_definitions(
    version: Annotated[str, typer.Argument(help="First letters of the version, or its database (`definitions list`).")],
) -> None:
    """Put the tables of a version in force, also old ones: their lanes go on where they were left.

    Kafka has to hold the log from there on.

    Example: touchstream definitions use 3f9a2c
    """
    settings = load_settings()
    with errors_in_one_line():
        database = edition_of(settings, version)
        switch(settings, database)
    err.print(f"{database} is in force: workers follow within seconds", markup=False)


def _listed(clickhouse_url: str) -> list[dict[str, Any]]:
    """Each database's versions: what it was made for, then what the log switched to while it was in force."""
    first, base = connect_directly(clickhouse_url), first_database(clickhouse_url)
    now = in_force(first, base)
    recorded = _recorded(first)
    rows = [_row(one.version, base, _since(one), _state(base, now, True)) for one in recorded]
    for edition in editions(first):
        state = _state(edition.database, now, edition.filled)
        rows.append(_row(edition.version, edition.database, _instant(edition.from_ms), state))
        own = _recorded_in_edition(connect_directly(database_url(clickhouse_url, edition.database)))
        switches = [one for one in own if one not in recorded]  # the others were copied
        recorded = [*recorded, *switches]
        if switches and switches[0].version == edition.version:
            del switches[0]  # noted when the edition was begun
        rows += [_row(one.version, edition.database, _since(one), state) for one in switches]
    return rows


def _recorded(client: Client) -> list[KnownDefinitions]:
    """The versions that were in force, the oldest first."""
    return [one for one in known_definitions(client) if one.in_force_since is not None]


def _recorded_in_edition(client: Client) -> list[KnownDefinitions]:
    """The same; none if the database was dropped."""
    try:
        return _recorded(client)
    except ClickHouseError as error:
        if code(error) in _DROPPED:
            return []
        raise


def _row(version: str, database: str, since: str | None, state: str) -> dict[str, Any]:
    return {"version": version, "database": database, "from": since, "state": state}


def _since(known: KnownDefinitions) -> str | None:
    return None if known.in_force_since is None else f"{known.in_force_since.isoformat()} (recorded)"


def _plain(plan: Plan) -> dict[str, Any]:
    return {
        "version": plan.version,
        "database": plan.database,
        "source": plan.source,
        "from": _instant(plan.from_ms),
        "records": plan.records,
        "begun": plan.begun,
    }


def _said(plan: Plan, dry_run: bool, switched: bool) -> list[str]:
    what = "would be read" if dry_run else "were read"
    since = f"definitions {plan.version} from {_instant(plan.from_ms) or _BEGINNING} on, in {plan.database}"
    lines = [since, f"{plan.records:,} records of the log {what}; what occurred before is as {plan.source} has it"]
    if switched:
        lines.append(f"in force: workers follow within seconds; the old tables stay in {plan.source}")
    elif not dry_run:
        lines.append(f"not in force: `touchstream definitions use {plan.version}` switches to it")
    return lines


def _state(database: str, now: str, filled: bool) -> str:
    if database == now:
        return "in force"
    return "kept" if filled else "being filled"


def _instant(from_ms: int) -> str | None:
    return None if from_ms <= TIME_MS_MIN else datetime.fromtimestamp(from_ms / 1000, UTC).isoformat()
