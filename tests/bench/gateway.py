"""How many events a second the gateway takes, in batches that Kafka acknowledges, and whether all of them count."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import httpx

from tests.bench.truth import require_equal
from tests.support.gateway_process import PATH
from tests.support.stack import running_stack
from touchstream.schemas import times

BATCH: Final = 100
BATCHES: Final = 1_000
CALLERS: Final = 8


@dataclass(frozen=True)
class Taken:
    """What was sent and accepted. seconds: from the first request to the last answer."""

    events: int
    seconds: float
    load_average: float

    def document(self) -> dict[str, Any]:
        """As `build/bench.json` has it."""
        rate = self.events / self.seconds
        return {"events": self.events, "events_per_second": rate, "batch": BATCH, "load_average": self.load_average}


def measure_gateway(directory: Path) -> Taken:
    """Start a stack, send all batches from several callers, and count them in the metrics. Raises WrongError."""
    with running_stack(directory, workers=1) as stack:
        load_average, started = os.getloadavg()[0], time.monotonic()
        with ThreadPoolExecutor(CALLERS) as callers:
            numbers = [range(caller, BATCHES, CALLERS) for caller in range(CALLERS)]
            accepted = sum(callers.map(_send, repeat(stack.addresses["gateway"]), numbers))
        seconds = time.monotonic() - started
        stack.command("wait", "--timeout", "120")
        require_equal("gateway", "accepted", accepted, BATCH * BATCHES)
        require_equal("gateway", "touches", stack.metrics("none")[()]["touches"], BATCH * BATCHES)
        return Taken(accepted, seconds, load_average)


def _send(url: str, numbers: Sequence[int]) -> int:
    """Each batch of these numbers, one after the other; how many events were accepted."""
    accepted = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in numbers:
            now_ms = times.now_ms()
            events = [
                {
                    "event_id": f"{number}-{place}",
                    "occurred_at": now_ms,
                    "customer_id": f"c{place}",
                    "channel": "web",
                    "touchpoint": "product",
                    "action": "view",
                    "duration_ms": place,
                }
                for place in range(BATCH)
            ]
            accepted += client.post(PATH, json=events).raise_for_status().json()["accepted"]
    return accepted
