"""Forgetting a person: through the log, so that every lane and every replay knows it, then in the tables."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka import KafkaProducer

from sinks.clickhouse.erasure import came_back, erase
from sinks.clickhouse.errors import first_line
from streams.connection import KafkaConnection
from streams.measure.erasures import FORGET, document
from streams.measure.records import CONTROL_HEADER
from streams.topics import log_identity

log = structlog.get_logger(__name__)

_ACKNOWLEDGED_SECONDS: Final = 30
LOOK_SECONDS: Final = 60.0


def announce(connection: KafkaConnection, topic: str, hashes: Sequence[str]) -> None:
    """Write the control record, which holds hashes, to every partition; returns when Kafka has acknowledged it."""
    erased_at = time.time_ns() // 1_000_000
    producer = KafkaProducer(**connection.client_options(), acks="all")
    try:
        sent = [
            producer.send(
                topic,
                value=document(hashes, erased_at),
                partition=partition,
                timestamp_ms=erased_at,
                headers=[(CONTROL_HEADER, FORGET)],
            )
            for partition in log_identity(connection, topic)
        ]
        for one in sent:
            one.get(timeout=_ACKNOWLEDGED_SECONDS)
    finally:
        producer.close()


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
