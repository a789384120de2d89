"""The command `customer`."""

from typing import Annotated

import msgspec
import typer

from touchstream.sinks.clickhouse.customers.find import customer
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.page.customer_words import facts, sections, warnings
from touchstream.streams.cli.output import (
    Json,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
)


def ask_customer(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="A customer_id, or an anonymous_id.")],
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="ID is an anonymous_id, also if a customer has the same ID.")
    ] = False,
    as_json: Json = False,
) -> None:
    """All that is known of one person: stages, channels, scores, sentiment, value.

    Example: touchstream customer 4711
    """
    settings = load_settings()
    with errors_in_one_line():
        found = customer(connect(settings.clickhouse_url), wanted, anonymous, settings.topic)
    if found is None:
        kind = "anonymous id" if anonymous else "customer or anonymous id"
        fail(f"there is no {kind} {escaped(repr(wanted))}: no event with it has been measured")
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _show(found)


def _show(view: CustomerView) -> None:
    for name, value in facts(view):
        out.print(f"[bold]{name:<14}[/bold]{escaped(value)}", soft_wrap=True)
    for warning in warnings(view):
        out.print(f"[yellow]{escaped(warning)}[/yellow]", soft_wrap=True)
    for section in sections(view):
        out.print()
        rows = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
        print_table(rows, section.columns, section.title)
        if section.left_out:
            out.print(f"… and {section.left_out:,} more")
