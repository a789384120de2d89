"""The command `forget`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from touchstream.sinks.clickhouse.customers.person import erasure_key, person_of
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.upkeep.erasure import erase, erase_letters, mentions
from touchstream.streams.broker.control_records import Control
from touchstream.streams.broker.progress import reached, wait_until_measured
from touchstream.streams.broker.topics import log_identity, retentions
from touchstream.streams.cli.output import (
    Json,
    err,
    errors_in_one_line,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
)
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.forget import announce


def forget(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The customer_id.")],
    anonymous: Annotated[bool, typer.Option("--anonymous", help="ID is an anonymous_id.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the workers.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Erase a person: in every table, in dead letters, and in what a replay of Kafka would bring back. Sums stay.

    Example: touchstream forget C-4711 --yes
    """
    settings = load_settings()
    with errors_in_one_line():
        client = connect(settings.clickhouse_url)
        control = Control.of(settings, client)
        person = person_of(client, identifier, anonymous=anonymous)
        if not yes:
            err.print("These ids are one person:", *map(repr, person.ids), markup=False)
            typer.confirm("Erase all of it? There is no way back.", abort=True, err=True)
        sequences = announce(control, person.hashes(erasure_key(client)))
        ends = log_identity(settings.kafka_connection(), settings.topic)
        if wait_until_measured(ends, lambda: reached(lanes(client, settings.topic)), timeout, lambda _: None):
            fail(
                f"the request is logged, but workers have not reached it after {timeout:g} s; nothing is erased yet:"
                " start a worker, and call this again"
            )
        if refused := control.refused(sequences):
            fail(f"nothing is erased, because workers refused the control record ({refused}): call this again")
        letters = erase_letters(client, person.ids)
        rows: list[dict[str, Any]] = [
            {"where": done.table, "rows": done.rows + letters * (done.table == "dead_letters"), "kept": done.kept}
            for done in erase(client)
        ]
        rows += _in_kafka(settings)
        left = [asdict(mention) for mention in mentions(client, person.ids)]
    if as_json:
        print_json({"ids": list(person.ids), "erased": rows, "mentioned": left})
        return
    print_table(rows, ["where", "rows", "kept"], title=f"Erased: {len(person.ids)} ids of one person")
    out.print("Sums (stage_panes, stage_metrics) hold no ids and stay.")
    if left:
        title = "Not erased: rows of others, and names, that mention one of these ids"
        print_table(left, ["table", "column", "rows"], title=title)
        out.print("Look at them: docs/journeys.md, Forgetting a person, says how, and how to take them out.")


def _in_kafka(settings: Settings) -> list[dict[str, Any]]:
    """How long Kafka keeps its copies, which no client can remove from a log."""
    topics = (settings.topic, settings.dead_letter_topic)
    kept = retentions(settings.kafka_connection(), topics)
    return [{"where": f"Kafka: {name}", "rows": None, "kept": _until(kept[name])} for name in topics]


def _until(retention_ms: int | None) -> str:
    if retention_ms is None:
        return "its records until the broker drops them; a replay is erased again"
    if retention_ms < 0:
        return "its records FOR EVER: delete them with kafka-delete-records; a replay is erased again"
    return f"its records for {retention_ms / 86_400_000:.1f} days more at most; a replay is erased again"
