"""The demo for minutes with a second producer that means ill: what the page says meanwhile, and what it cost.

    python -m tests.kafka.hostile --minutes 10
    TEST_KAFKA=apache python -m tests.kafka.hostile --minutes 10

The second producer sends names without end (and such as `*`), records of all sizes, clocks that lie, forged control
records, what is no event, and on Apache Kafka transactions that it aborts. Exits with 1 unless the page was live at
each look after the first minute, no process was replaced, no forged record was obeyed, the panes agree with the raw
events, and the last complete minute on the page is that of the raw events.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
from kafka import KafkaProducer
from kafka.errors import KafkaError

from tests.kafka.choice import APACHE
from tests.support.stack import RunningStack, running_stack
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.process.connection import KafkaConnection

TOPIC: Final = "touchpoints"
LOOK_SECONDS: Final = 10.0
QUIET_SECONDS: Final = 60.0
"""Until the first look that counts: numbers and judgements have begun by then."""
PER_SECOND: Final = 250
_TICK_SECONDS: Final = 0.1
_STAGES: Final = ("discovery", "purchase", "use", "support")
_MARKUP: Final = (
    "*",
    "(other)",
    "__all__",
    "",
    " ",
    "<img src=x onerror=alert(1)>",
    "‮ltr",
    "🦆" * 60,
    "a\u0000b",
    "' OR 1=1",
)
_CLOCKS: Final = (0, -1, 2**53, 2**63 - 1, 253_402_300_799_999)


class Attack:
    """Records of every kind, so many a second, by a thread; what was sent by kind in `sent`."""

    def __init__(self, kafka_url: str, seed: int) -> None:
        options = KafkaConnection.from_url(kafka_url).client_options()
        self._producer: Any = KafkaProducer(**options, max_request_size=8 * 2**20, compression_type="gzip")
        self._transactions: Any = None
        if APACHE:
            self._transactions = KafkaProducer(**options, transactional_id="hostile")
            self._transactions.init_transactions()
        self._random, self._number = Random(seed), 0
        self.sent: Counter[str] = Counter()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attack", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Until all that was sent is in the log."""
        self._enough.set()
        self._thread.join()
        self._producer.flush()

    def _run(self) -> None:
        kinds: list[tuple[int, Callable[[], None]]] = [
            (200, self._name), (20, self._clock), (20, self._forged), (10, self._no_event), (1, self._huge),
        ]  # fmt: skip
        weights = [weight for weight, _ in kinds]
        while not self._enough.wait(_TICK_SECONDS):
            for _, send in self._random.choices(kinds, weights, k=int(PER_SECOND * _TICK_SECONDS)):
                try:
                    send()
                except KafkaError as error:  # refused by the client or the broker: the attack goes on
                    self.sent[f"refused: {type(error).__name__}"] += 1
            if self._transactions is not None:
                self._abort()

    def _event(self, **fields: Any) -> dict[str, Any]:
        self._number += 1
        customer = f"hostile-{self._number % 5_000}"
        event = {
            "event_id": f"hostile-{self._number}", "occurred_at": int(time.time() * 1000), "customer_id": customer,
            "channel": "web", "touchpoint": "checkout", "stage": self._random.choice(_STAGES),
        }  # fmt: skip
        return event | fields

    def _send(self, kind: str, value: bytes, **how: Any) -> None:
        how.setdefault("key", f"hostile-{self._number % 5_000}".encode())
        self._producer.send(TOPIC, value=value, **how)
        self.sent[kind] += 1

    def _name(self) -> None:
        dimension = self._random.choice(("channel", "stage", "segment", "touchpoint"))
        name = self._random.choice(_MARKUP) if self._number % 20 == 0 else f"name-{self._number}"
        self._send("names", json.dumps(self._event(**{dimension: name})).encode())

    def _clock(self) -> None:
        when = self._random.choice(_CLOCKS)
        if self._number % 2:
            self._send("clocks", json.dumps(self._event(occurred_at=when)).encode())
        else:
            self._send("clocks", json.dumps(self._event()).encode(), timestamp_ms=max(0, when))

    def _forged(self) -> None:
        kind = self._random.choice(("forget", "definitions", "keys", "stop"))
        value = json.dumps({"id_hashes": ["00" * 16], "erased_at": 10_413_791_999_999, "keys": []}).encode()
        headers = [("touchstream-control", kind.encode())]
        if self._number % 2:
            headers.append(("touchstream-signature", b"1 log 9999999999999 key AAAA"))
        self._send("forged controls", value, headers=headers, partition=self._random.randrange(4), key=None)

    def _no_event(self) -> None:
        value = self._random.choice((b"", b"\xff\xfe", b"[" * 100_000, b"{}", b'{"nps": NaN}', b"x" * 70_000))
        self._send("no events", value)

    def _huge(self) -> None:
        size = self._random.choice((10**6, 3 * 10**6, 6 * 10**6))
        self._send("huge", json.dumps(self._event(attributes={"text": "a" * size})).encode())

    def _abort(self) -> None:
        try:
            self._transactions.begin_transaction()
            self._transactions.send(TOPIC, json.dumps(self._event(nps=0)).encode(), key=b"aborted")
            self._transactions.flush()
            self._transactions.abort_transaction()
            self.sent["aborted"] += 1
        except KafkaError as error:
            self.sent[f"abort refused: {type(error).__name__}"] += 1


@dataclass
class Looks:
    """What was seen of the page and the processes. seconds: how long a page or a command took to answer."""

    states: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    page_seconds: list[float] = field(default_factory=list)
    command_seconds: list[float] = field(default_factory=list)

    def look(self, stack: RunningStack, elapsed: float) -> None:
        began = time.monotonic()
        text = httpx.get(f"{stack.addresses['page']}/?window=1m", timeout=30).text
        self.page_seconds.append(time.monotonic() - began)
        state = text.partition('data-state="')[2].partition('"')[0]
        self.states[state] += 1
        if state != "live":
            detail = text.partition('class="detail"')[2].partition(">")[2].partition("<")[0]
            self.troubles.append(f"{elapsed:.0f} s: the page is {state}: {detail}")
        for url in stack.addresses["workers_metrics"]:
            ready = url.replace("/metrics", "/readyz")
            answer = httpx.get(ready, timeout=30)
            if answer.status_code != httpx.codes.OK:
                self.troubles.append(f"{elapsed:.0f} s: {ready}: {answer.text[:200]}")

    def ask(self, stack: RunningStack) -> None:
        began = time.monotonic()
        stack.separate_command("metrics", "--window", "1h", "--json")
        self.command_seconds.append(time.monotonic() - began)


def attacked(stack: RunningStack, seconds: float, seed: int) -> tuple[Looks, Attack]:
    """So long an attack, with a look every ten seconds and a command every minute."""
    looks, attack = Looks(), Attack(stack.addresses["kafka"], seed)
    time.sleep(QUIET_SECONDS)
    attack.begin()
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        looks.look(stack, elapsed)
        if len(looks.page_seconds) % 6 == 0:
            looks.ask(stack)
        time.sleep(max(0.0, began + len(looks.page_seconds) * LOOK_SECONDS - time.monotonic()))
    attack.end()
    return looks, attack


def differences(stack: RunningStack) -> list[str]:
    """What is not as it should be in the tables, once all that stands in the log is measured."""
    found = []
    stack.separate_command("wait", "--timeout", "300")
    with connect(stack.addresses["clickhouse"]) as client:
        ((obeyed,),) = client.query("SELECT countIf(obeyed) FROM control_records FINAL").result_rows
        text = """
            SELECT toUnixTimestamp64Milli(tick), touches, nps_n, nps FROM stage_metrics FINAL
            WHERE window = '1m' AND journey = 'customer' AND stage IS NULL AND channel IS NULL AND segment IS NULL
                AND completeness = 1
            ORDER BY tick DESC LIMIT 3
        """
        live = client.query(text).result_rows
    if obeyed:
        found.append(f"{obeyed} control records were obeyed")
    if not live:
        found.append("there is no complete minute")
    for tick_ms, *figures in live:
        minute = ("--from", str(tick_ms - 60_000), "--to", str(tick_ms))
        answer = stack.separate_command("metrics", "--by", "journey", "--where", "journey=customer", "--json", *minute)
        measured = json.loads(answer)[0]
        exact = [measured[name] for name in ("touches", "nps_n", "nps")]
        # What came after its window was complete is late, and counts in exact metrics only.
        if not figures[0] <= exact[0] <= figures[0] + measured["late"] or (exact[0] == figures[0] and exact != figures):
            found.append(f"the minute up to {tick_ms}: live {figures}, exact {exact}, late {measured['late']}")
    reconciled = json.loads(stack.separate_command("reconcile", "--json"))
    print(f"reconcile: {json.dumps(reconciled)}")
    return found


def main(arguments: Sequence[str]) -> int:
    """1 unless the page stayed right and fresh."""
    parser = argparse.ArgumentParser(description="The demo with a second producer that means ill.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory), demo=True) as stack:
        pids = stack.addresses["worker_pids"]
        looks, attack = attacked(stack, chosen.minutes * 60, chosen.seed)
        troubles = [*looks.troubles, *differences(stack)]
        if stack.addresses["worker_pids"] != pids:
            troubles.append(f"workers were replaced: {pids} before, {stack.addresses['worker_pids']} after")
    print(f"sent: {dict(attack.sent)}")
    print(f"the page: {dict(looks.states)}, {seconds_of(looks.page_seconds)}")
    print(f"metrics --json: {seconds_of(looks.command_seconds)}; load average {os.getloadavg()[0]:.1f}")
    for trouble in troubles:
        print(trouble)
    return 1 if troubles else 0


def seconds_of(measured: Sequence[float]) -> str:
    """Their median and the longest."""
    return f"median {statistics.median(measured):.2f} s, longest {max(measured):.2f} s" if measured else "never asked"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
