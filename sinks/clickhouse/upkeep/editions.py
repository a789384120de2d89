"""Editions: the tables of one version of the definitions, each in a database of its own (docs/decisions/0012).

The database that CLICKHOUSE_URL names is the first edition. It holds the list of the others, and says which is in
force: which one workers write and everybody asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.sql import query_text

_NOT_YET: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HISTORY: Final = {
    "stage_panes": "edition_history_panes",
    "touchpoints": "edition_history_events",
    "journey_touches": "edition_history_events",
    "identities": "edition_history_events",
    "superseded": "all_rows",
    "dead_letters": "edition_history_dead_letters",
    "lanes": "edition_other_logs",
    "erasures": "all_rows",
    "control_records": "edition_history_dead_letters",
    "control_keys": "all_rows",
    "erasure_keys": "all_rows",
    "definitions": "all_rows",
    "journey_stages": "all_rows",
}
"""Condition by table on the rows that an edition begins with. All other rows are derived from the log."""
_GOES_ON: Final = (
    "alerts", "alert_actions", "alert_changes", "alert_deliveries", "alert_namespaces", "alerts_judged",
    "alert_buckets", "alert_snapshots", "clv_parameters", "dead_letter_replays", "stage_metrics", "journey_metrics",
    "series", "control_keys", "erasure_keys", "annotations",
    "person_views",
)  # fmt: skip
"""Tables that can't be derived from the log: they are copied when another edition comes into force."""
_COPYING: Final = {"max_partitions_per_insert_block": 0}


@dataclass(frozen=True)
class Span:
    """What an edition reads again of one lane: from `from_offset` on. History is of events below `to_offset`."""

    log_id: str
    partition: int
    from_offset: int
    to_offset: int


@dataclass(frozen=True)
class Edition:
    """The tables of a version of the definitions.

    from_ms: event time since which events count under it; what occurred before is history, as it was measured then.
    filled: whether the replay has once caught up.
    """

    database: str
    version: str
    from_ms: int
    spans: tuple[Span, ...]
    begun_at: datetime
    filled: bool


def editions(client: Client) -> list[Edition]:
    """Every edition that this database, the first one, knows; the oldest first."""
    rows = client.query(
        "SELECT database, version, from_ms, spans, begun_at, filled_at FROM editions FINAL ORDER BY begun_at, database"
    ).result_rows
    return [
        Edition(database, version, from_ms, tuple(Span(**span) for span in spans), begun_at, filled_at.timestamp() > 0)
        for database, version, from_ms, spans, begun_at, filled_at in rows
    ]


def note_edition(client: Client, edition: Edition) -> None:
    """Make an edition known to the first one; again, once it is filled."""
    row: dict[str, Any] = vars(edition) | {
        "spans": [tuple(vars(span).values()) for span in edition.spans],
        "filled_at": datetime.now(UTC) if edition.filled else _NOT_YET,
    }
    del row["filled"]
    client.insert("editions", [list(row.values())], column_names=list(row))


def put_in_force(client: Client, database: str) -> None:
    """From now on this database is written and asked. client: of the first edition."""
    client.insert("editions_in_force", [[datetime.now(UTC), database]], column_names=["since", "database"])


def copy_history(client: Client, source: str, from_ms: int, spans: Sequence[Span]) -> bool:
    """Copy to this database what `source` holds from before an edition's time; idempotent.

    False where `source` has gone on with it meanwhile, beyond the spans: look where its lanes are, and copy again.
    """
    parameters: dict[str, Any] = {
        "source": source,
        "from_ms": from_ms,
        "logs": [span.log_id for span in spans],
        "partitions": [span.partition for span in spans],
        "begins": [span.from_offset for span in spans],
        "ends": [span.to_offset for span in spans],
    }
    for table, condition in _HISTORY.items():
        _copy(client, table, condition, parameters)
    # The feed made touches of erased persons' events, which belong to no person.
    client.command(
        "ALTER TABLE journey_touches DELETE WHERE customer_id = '' AND anonymous_id = ''",
        settings={"mutations_sync": 2},
    )
    return not client.query(query_text("edition_beyond_history"), parameters).result_rows[0][0]


def copy_what_goes_on(client: Client, source: str) -> None:
    """Bring to this database what does not follow from the log, and what was erased in `source` of dead letters."""
    for table in _GOES_ON:
        _copy(client, table, "all_rows", {"source": source})
    _copy(client, "dead_letters", "edition_erased_dead_letters", {"source": source})


def seen_below(client: Client, log_id: str, partition: int, offset: int) -> tuple[int, int] | None:
    """The lane clock, and the highest time of a counted event, below an offset (ms); None where nothing was."""
    parameters = {"log_id": log_id, "partition": partition, "below": offset}
    rows = client.query(query_text("edition_clock"), parameters).result_rows
    return (int(rows[0][0]), int(rows[0][1])) if rows else None


def _copy(client: Client, table: str, condition: str, parameters: Mapping[str, Any]) -> None:
    text = query_text("edition_copy", condition=condition)
    client.command(text, parameters={**parameters, "table": table}, settings=_COPYING)
