"""What one would write with Quix Streams: a sink that is handed a batch at each checkpoint.

The values stay bytes on their way through the data frame, so that the batch is decoded and added up in columns: by the
framework's own windows each event would be a Python object, go through another topic, and be written to RocksDB.
"""

import os
from typing import Any

import clickhouse_connect
from quixstreams import Application
from quixstreams.sinks import BaseSink

from tests.bench.peers.peer import Job, Stopwatch, job
from tests.bench.peers.quix_streams.columns import ColumnPanes

_CHECKPOINT_SECONDS = 0.5


class PaneSink(BaseSink):  # type: ignore[misc]
    """Gathers values; at each checkpoint they are measured, and the panes that changed are inserted."""

    def __init__(self, work: Job) -> None:
        super().__init__()
        self._work, self._panes = work, ColumnPanes()
        self._values: list[bytes] = []
        self._stopwatch: Stopwatch | None = None

    def setup(self) -> None:
        """Connect, before the first event."""
        self._client = clickhouse_connect.get_client(dsn=self._work.clickhouse_url)

    def add(self, value: bytes, *_others: Any, **_named: Any) -> None:
        """Gather one value."""
        if self._stopwatch is None:
            self._stopwatch = Stopwatch()
        self._values.append(value)

    def flush(self) -> None:
        """One insert; returns when it is acknowledged. Ends the process after the last one."""
        values, self._values = self._values, []
        if values:
            self._client.insert("panes", self._panes.add(values))
        if self._panes.events == self._work.events and self._stopwatch is not None:
            self._stopwatch.report(self._panes.events)
            os._exit(0)  # leaving the group would take some more seconds, which nobody counts


def main() -> None:
    """Measure until all events have been, and their panes are in the table."""
    work = job()
    app = Application(
        broker_address=work.kafka,
        consumer_group=work.name,
        auto_offset_reset="earliest",
        commit_interval=_CHECKPOINT_SECONDS,
        state_dir=work.directory,
        auto_create_topics=False,
        use_changelog_topics=False,
        loglevel="WARNING",
        consumer_extra_config={
            # The local broker lets the first join wait half of the session's time, and looks for new data only
            # every half of the fetch's.
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 2000,
            "fetch.wait.max.ms": 50,
        },
    )
    app.dataframe(app.topic(work.topic, value_deserializer="bytes")).sink(PaneSink(work))
    app.run()


if __name__ == "__main__":
    main()
