"""Forgetting a person: through the log, so that every lane and every replay knows it, then in the tables."""

import time
from collections.abc import Sequence
from typing import Final

import structlog
from clickhouse_connect.driver.client import Client

from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.upkeep.erasure import came_back, erase
from touchstream.streams.broker.control_records import Control
from touchstream.streams.measure.controls import FORGET
from touchstream.streams.measure.erasures import HASHES_MAX, document
from touchstream.streams.worker.leader import Duty

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 60.0
_FIRST_LOOK_SECONDS: Final = 366 * 86_400


def announce(control: Control, hashes: Sequence[str]) -> list[int]:
    """Write the control records, which hold hashes, to every partition; their sequence numbers once Kafka has them."""
    erased_at = now_ms()
    some = [hashes[start : start + HASHES_MAX] for start in range(0, len(hashes), HASHES_MAX)]
    return control.write(FORGET, [document(one, erased_at) for one in some])


class EraseAgain:
    """Erases again what a replay or a delayed insert has brought back of a person. Blocking; made for one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._looked_at: float | None = None

    def step(self) -> None:
        """Look at what was inserted since the last look; in the first one at a year."""
        started = time.monotonic()
        since = _FIRST_LOOK_SECONDS if self._looked_at is None else int(started - self._looked_at + 2 * LOOK_SECONDS)
        if came_back(self._client, since):
            for done in erase(self._client):
                log.warning(
                    "erased rows of a person again that a replay had brought back", table=done.table, rows=done.rows
                )
        self._looked_at = started


def erase_again_duty(client: Client) -> Duty:
    """Look every minute."""
    failure = "not looked whether anything erased came back"
    return Duty("erase", EraseAgain(client).step, lambda _: LOOK_SECONDS, failure)
