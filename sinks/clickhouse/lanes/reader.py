"""Reads the state of a lane from ClickHouse for its new owner."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.external import ExternalData

from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.sinks.clickhouse.rows import (
    AMENDMENTS,
    EVENT_IDS,
    PANE_KEY,
    RAW_EVENTS,
    STAGE_PANES,
    VERSIONS,
    arrow_stream,
    conform,
)
from touchstream.sinks.clickhouse.sql import query_text

EVENT_IDS_AT_ONCE: Final = 250_000
"""Rows of one answer: some 30 MB. An answer is read to its end before it is used, so that a broken one can't be."""
KEYS_AT_ONCE: Final = 10_000
"""A tenth of a second's work, and at most 50 MB where every name is as long as it may be."""
NAMES_AT_ONCE: Final = 200
"""Ids in one request, in whose address they stand: 200 KB where each is as long as it may be."""
_KEY_SCHEMA: Final = pa.schema([STAGE_PANES.field(name) for name in PANE_KEY])
_KEY_STRUCTURE: Final = ", ".join(
    f"{name} {'UInt32' if name == 'resolution_s' else 'DateTime64(3)' if name == 'pane_start' else 'String'}"
    for name in PANE_KEY
)


class ClickHouseLanes:
    """Reads lanes, their panes and the ids of their events.

    sequential: on a cluster whose inserts have a quorum (`writer.Writing.quorum`), read only what the quorum has; one
    server answers with its own writes anyway. Errors of ClickHouse come as `clickhouse_connect`'s ClickHouseError.
    """

    def __init__(self, client: Client, sequential: bool = False, event_ids_at_once: int = EVENT_IDS_AT_ONCE) -> None:
        self._client = client
        self._event_ids_at_once = event_ids_at_once
        self._settings: dict[str, Any] = {"select_sequential_consistency": 1} if sequential else {}

    def lane_history(self, topic: str, partition: int) -> list[WrittenLaneRow]:
        """The lane row of every log that the partition has had, the oldest generation first."""
        parameters = {"topic": topic, "partitions": [partition]}
        found = self._client.query(query_text("lane_history"), parameters=parameters, settings=self._settings)
        return [WrittenLaneRow(**row) for row in found.named_results()]

    def newest_panes(self, log_id: str, partition: int, resolution_s: int, limit: int) -> pa.Table:
        """The lane's pane rows of one resolution with the latest `pane_start`, at most `limit`, latest first."""
        parameters = {"log_id": log_id, "partition": partition, "resolution_s": resolution_s, "rows_max": limit}
        return conform("stage_panes", self._arrow("newest_panes", parameters))

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        """The lane's pane rows for `keys` (columns of `rows.PANE_KEY`); keys without a row are simply missing.

        The keys go along as a table, `KEYS_AT_ONCE` to a request.
        """
        # In the table's order, so that each request reads a stretch of the table of its own.
        ordered = keys.select(PANE_KEY).cast(_KEY_SCHEMA).sort_by([(name, "ascending") for name in PANE_KEY])
        found = [STAGE_PANES.empty_table()]
        for first in range(0, ordered.num_rows, KEYS_AT_ONCE):
            sent = ExternalData(
                file_name="pane_keys",
                fmt="ArrowStream",
                structure=_KEY_STRUCTURE,
                data=arrow_stream(ordered.slice(first, KEYS_AT_ONCE)),
            )
            rows = self._arrow("panes_by_key", {"log_id": log_id, "partition": partition}, sent)
            found.append(conform("stage_panes", rows))
        return pa.concat_tables(found)

    def counted_event_ids(
        self, log_id: str, partition: int, offsets: tuple[int, int], clock_from_ms: int
    ) -> Iterator[pa.Table]:
        """Counted events by offset, in bounded tables: where, when by the lane's clock, which event, and what it said.

        Includes events whose row ClickHouse rejected: the log decides what counts as seen. offsets: from the first,
        below the second. Tables have at most `event_ids_at_once` rows.
        """
        from_offset, below_offset = offsets
        lane = {"log_id": log_id, "partition": partition, "clock_from": clock_from_ms, "below_offset": below_offset}
        refused = self._arrow("refused_event_ids", lane | {"from_offset": from_offset}).cast(EVENT_IDS)
        while True:
            parameters = lane | {"from_offset": from_offset, "rows_max": self._event_ids_at_once}
            found = self._arrow("counted_event_ids", parameters).cast(EVENT_IDS)
            last = found.num_rows < self._event_ids_at_once
            below = below_offset if last else found["log_offset"][-1].as_py() + 1
            yield _by_offset(found, refused, from_offset, below)
            if last:
                return
            from_offset = below

    def raw_events(self, log_id: str, partition: int, from_offset: int) -> pa.Table:
        """The lane's rows of `touchpoints` from an offset on, by offset: columns of `rows.RAW_EVENTS`."""
        lane = {"log_id": log_id, "partition": partition, "from_offset": from_offset}
        return self._arrow("raw_events", lane).cast(RAW_EVENTS)

    def raw_events_at(self, log_id: str, partition: int, offsets: Sequence[int]) -> pa.Table:
        """The lane's rows of `touchpoints` at these offsets, by offset: columns of `rows.RAW_EVENTS`."""
        lane = {"log_id": log_id, "partition": partition, "offsets": list(offsets)}
        return self._arrow("raw_events_at", lane).cast(RAW_EVENTS)

    def versions(
        self, log_id: str, partition: int, event_ids: Sequence[str], below_offset: int, since_ms: int
    ) -> pa.Table:
        """The lane's counted events below an offset that have one of the ids as event_id or amend it, by offset.

        since_ms: not those that were counted at an earlier lane clock. Columns of `rows.VERSIONS`.
        """
        lane = {"log_id": log_id, "partition": partition, "below_offset": below_offset, "clock_from": since_ms}
        found = [VERSIONS.empty_table()]
        for first in range(0, len(event_ids), NAMES_AT_ONCE):
            names = {"event_ids": list(event_ids[first : first + NAMES_AT_ONCE])}
            found.append(self._arrow("versions", lane | names).cast(VERSIONS))
        return pa.concat_tables(found)

    def amendments(self, log_id: str, partition: int, below_offset: int, since_ms: int) -> pa.Table:
        """The lane's counted events below an offset that amend an answer, by offset: columns of `rows.AMENDMENTS`."""
        lane = {"log_id": log_id, "partition": partition, "below_offset": below_offset, "clock_from": since_ms}
        return self._arrow("amendments", lane).cast(AMENDMENTS)

    def _arrow(self, query: str, parameters: dict[str, Any], sent: ExternalData | None = None) -> pa.Table:
        return self._client.query_arrow(
            query_text(query), parameters=parameters, settings=self._settings, use_strings=True, external_data=sent
        )


def _by_offset(ids: pa.Table, refused: pa.Table, from_offset: int, below_offset: int) -> pa.Table:
    """Both together, of an offset range."""
    at = refused["log_offset"]
    among = refused.filter(pc.and_(pc.greater_equal(at, from_offset), pc.less(at, below_offset)))
    return pa.concat_tables([ids, among]).sort_by("log_offset") if among.num_rows else ids
