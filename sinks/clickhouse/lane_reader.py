"""What a lane's new owner reads from ClickHouse before it goes on (contract: `sinks.sink.LaneReader`)."""

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from sinks.clickhouse.query_texts import query_text
from sinks.clickhouse.rows import PANE_KEY, STAGE_PANES, TOUCHPOINTS, conform
from sinks.sink import LaneRow

EVENT_IDS_AT_ONCE: Final = 500_000
"""Rows of one answer: some 30 MB. An answer is read to its end before it is used, so that a broken one can't be."""
PARAMETER_BYTES_MAX: Final = 120_000
"""A ClickHouse server takes 128 KiB in one field of a form (`http_max_field_value_size`)."""
_KEY_TYPES: Final = {name: STAGE_PANES.field(name).type for name in PANE_KEY} | {"pane_start": pa.int64()}
_IDS_SCHEMA: Final = pa.schema([TOUCHPOINTS.field(name) for name in ("log_offset", "lane_clock", "event_id")])


class ClickHouseLanes:
    """Reads lanes, their panes and the ids of their events.

    sequential: on a cluster whose inserts have a quorum (`writer.Writing.quorum`), read only what the quorum has; one
    server answers with its own writes anyway. Errors of ClickHouse come as `clickhouse_connect`'s ClickHouseError.
    """

    def __init__(self, client: Client, sequential: bool = False, event_ids_at_once: int = EVENT_IDS_AT_ONCE) -> None:
        self._client = client
        self._event_ids_at_once = event_ids_at_once
        self._settings: dict[str, Any] = {"select_sequential_consistency": 1} if sequential else {}

    def lane_history(self, topic: str, partition: int) -> list[LaneRow]:
        """As `LaneReader.lane_history`."""
        parameters = {"topic": topic, "partitions": [partition]}
        found = self._client.query(query_text("lane_history"), parameters=parameters, settings=self._settings)
        return [LaneRow(**row) for row in found.named_results()]

    def newest_panes(self, log_id: str, partition: int, resolution_s: int, limit: int) -> pa.Table:
        """As `LaneReader.newest_panes`."""
        parameters = {"log_id": log_id, "partition": partition, "resolution_s": resolution_s, "rows_max": limit}
        return conform("stage_panes", self._arrow("newest_panes", parameters))

    def panes_by_key(self, log_id: str, partition: int, keys: pa.Table) -> pa.Table:
        """As `LaneReader.panes_by_key`, in as many requests as the bound on a parameter asks for."""
        found = [STAGE_PANES.empty_table()]
        for some in _in_bounds(keys):
            rows = self._arrow("panes_by_key", {"log_id": log_id, "partition": partition, "keys": some})
            found.append(conform("stage_panes", rows))
        return pa.concat_tables(found)

    def counted_event_ids(
        self, log_id: str, partition: int, below_offset: int, clock_from_ms: int
    ) -> Iterator[pa.Table]:
        """As `LaneReader.counted_event_ids`, `event_ids_at_once` to a table."""
        from_offset = 0
        while True:
            parameters = {
                "log_id": log_id, "partition": partition, "clock_from": clock_from_ms,
                "from_offset": from_offset, "below_offset": below_offset, "rows_max": self._event_ids_at_once,
            }  # fmt: skip
            found = self._arrow("counted_event_ids", parameters).cast(_IDS_SCHEMA)
            yield found
            if found.num_rows < self._event_ids_at_once:
                return
            from_offset = found["log_offset"][-1].as_py() + 1

    def _arrow(self, query: str, parameters: dict[str, Any]) -> pa.Table:
        return self._client.query_arrow(
            query_text(query), parameters=parameters, settings=self._settings, use_strings=True
        )


def _in_bounds(keys: pa.Table) -> Iterator[list[tuple[Any, ...]]]:
    """Keys as tuples, pane_start in milliseconds, in lists whose text stays within PARAMETER_BYTES_MAX."""
    # In the table's order, so that each request reads a stretch of the table of its own.
    ordered = keys.sort_by([(name, "ascending") for name in PANE_KEY])
    columns = [ordered[name].cast(_KEY_TYPES[name]).to_pylist() for name in PANE_KEY]
    some: list[tuple[Any, ...]] = []
    size = 0
    for key in zip(*columns, strict=True):
        # Twice the bytes of its names, as if each were to be escaped, and room for quotes and numbers.
        length = 60 + 2 * sum(len(name.encode()) for name in key[2:])
        if some and size + length > PARAMETER_BYTES_MAX:
            yield some
            some, size = [], 0
        some.append(key)
        size += length
    if some:
        yield some
