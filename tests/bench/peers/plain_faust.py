"""What one would write first with Faust: an agent that is handed one event at a time, and a timer that writes."""

import asyncio
import os

import faust
from faust.types import StreamT

from tests.bench.peers.panes import FLUSH_SECONDS, Panes, write
from tests.bench.peers.peer import Stopwatch, job
from touchstream.sinks.clickhouse.database import connect


def main() -> None:
    """Measure until all events have been, and their panes are in the table."""
    work = job()
    client = connect(work.clickhouse_url)
    panes = Panes()
    stopwatch: Stopwatch | None = None
    app = faust.App(
        work.name,
        broker=f"kafka://{work.kafka}",
        broker_session_timeout=6.0,  # the local broker lets the first join wait half of this
        broker_heartbeat_interval=2.0,
        value_serializer="raw",
        store="memory://",
        datadir=work.directory,
        topic_disable_leader=True,
        web_enabled=False,
    )

    @app.agent(app.topic(work.topic, value_type=bytes))
    async def measure(values: StreamT[bytes]) -> None:
        nonlocal stopwatch
        async for value in values:
            stopwatch = stopwatch or Stopwatch()
            panes.add(value)

    @app.timer(FLUSH_SECONDS)  # type: ignore[untyped-decorator]
    async def flush() -> None:
        complete = panes.events == work.events
        await asyncio.to_thread(write, client, panes.changed_rows())
        if complete and stopwatch is not None:
            stopwatch.report(panes.events)
            os._exit(0)  # leaving the group would take some more seconds, which nobody counts

    faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
