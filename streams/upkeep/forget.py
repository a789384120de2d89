"""Forgetting a person: through the log, so that every lane and every replay knows it, then in the tables."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.sinks.clickhouse.errors import first_line
from touchstream.sinks.clickhouse.upkeep.erasure import came_back, erase
from touchstream.streams.broker.control_records import Control
from touchstream.streams.measure.controls import FORGET
from touchstream.streams.measure.erasures import HASHES_MAX, document

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 60.0


def announce(control: Control, hashes: Sequence[str]) -> list[int]:
    """Write the control records, which hold hashes, to every partition; their sequence numbers once Kafka has them."""
    erased_at = time.time_ns() // 1_000_000
    some = [hashes[start : start + HASHES_MAX] for start in range(0, len(hashes), HASHES_MAX)]
    return control.write(FORGET, [document(one, erased_at) for one in some])


async def erase_what_comes_back(client: Client, leads: Callable[[], bool]) -> None:
    """Every minute, while this worker leads: erase again what a replay or a delayed insert has brought back."""
    executor = ThreadPoolExecutor(1, "erase")
    loop = asyncio.get_running_loop()
    looked_at: float | None = None
    while True:
        if leads():
            since = 366 * 86_400 if looked_at is None else int(loop.time() - looked_at + 2 * LOOK_SECONDS)
            started = loop.time()
            try:
                if await loop.run_in_executor(executor, came_back, client, since):
                    for done in await loop.run_in_executor(executor, erase, client):
                        log.warning("erased again what came back of a person", table=done.table, rows=done.rows)
                looked_at = started
            except ClickHouseError as error:
                log.warning("not looked whether anything erased came back", error=first_line(error))
        await asyncio.sleep(LOOK_SECONDS)
