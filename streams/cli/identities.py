"""The command `identities show`."""

from dataclasses import asdict
from typing import Annotated

import typer

from touchstream.sinks.clickhouse.customers.claims import identity_claims
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.cli.output import (
    Json,
    err,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    print_json,
    print_table,
)

_COLUMNS = ("anonymous_id", "customer_id", "counts", "claimed_at", "times", "event_id", "partition", "log_offset")


def show(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A customer_id, or an anonymous_id.")],
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="ID is an anonymous_id, also if a customer has the same ID.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Who claims a customer's anonymous ids, since when, by which event, and which claim counts.

    Example: touchstream identities show 4711
    """
    settings = load_settings()
    with errors_in_one_line():
        claims, total = identity_claims(connect(settings.clickhouse_url), wanted, anonymous=anonymous)
    if not claims:
        fail(f"{escaped(repr(wanted))} was never identified: no event with the action identify has it")
    rows = [asdict(claim) for claim in claims]
    if as_json:
        print_json(rows)
    else:
        print_table([row | {"counts": "yes" if row["counts"] else "no"} for row in rows], _COLUMNS)
    if total > len(rows):
        err.print(f"{total - len(rows):,} more are left out")
