"""What the gateway refuses, all the way: the answer, the dead letters, back once after a mend, and forgotten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.gateway_process import PATH
from tests.support.stack import RunningStack, running_stack
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.upkeep.dead_letters import StoredDeadLetter, dead_letters
from touchstream.streams.channels.gateway.key_lines import key_line, new_key
from touchstream.streams.channels.judged import Bounds

pytestmark = pytest.mark.stack

PER_MINUTE = 20
EVENT: dict[str, Any] = {
    "occurred_at": now_ms(), "customer_id": "ann-4711", "channel": "web", "touchpoint": "t",
}  # fmt: skip
CALLS = """
format: 2
name: calls
events:
  - name: call
    fields: {occurred_at: at, customer_id: who, channel: {constant: web}, touchpoint: {constant: call}}
"""


@dataclass(frozen=True)
class Stand:
    """The whole stack, whose gateway asks for keys."""

    stack: RunningStack
    keys: dict[str, str]

    def post(self, body: bytes, sender: str, path: str = PATH) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[sender]}"}
        return httpx.post(f"{self.stack.addresses['gateway']}{path}", content=body, headers=headers, timeout=60)

    def letters(self, sender: str) -> dict[bytes, StoredDeadLetter]:
        """Those of a sender, once all of the log is measured, by the beginning of their value."""
        self.stack.command("wait", "--timeout", "120")
        by = (b"touchstream-sent-by", sender.encode())
        return {(one.value or b"")[:60]: one for one in dead_letters(self.client, 1_000) if by in one.headers}

    def replay(self, *arguments: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.stack.command("dead-letters", "replay", "--json", *arguments))
        return said

    def in_force(self, **settings: str) -> None:
        """Switch the definitions through the log."""
        environment = self.stack.environment | {f"TOUCHSTREAM_{name}": value for name, value in settings.items()}
        subprocess.run(
            [sys.executable, "-m", "touchstream.streams.cli", "init"], env=environment, check=True, capture_output=True
        )

    @property
    def client(self) -> Client:
        return connect(self.stack.addresses["clickhouse"])

    def tables_with(self, word: str) -> list[str]:
        """The tables that hold a text, in any column."""
        tables = self.client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
        count = "SELECT countIf(position(toString(tuple(*)), {word:String}) > 0) FROM {table:Identifier}"
        parameters = [{"word": word, "table": name} for (name,) in tables]
        return [one["table"] for one in parameters if self.client.query(count, one).result_rows[0][0]]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    directory: Path = tmp_path_factory.mktemp("letters")
    keys = {name: new_key() for name in ("shop", "flood", "till")}
    file = directory / "keys"
    bounds = Bounds(channels=frozenset({"web"}))
    file.write_text("".join(key_line(name, key, bounds=bounds) + "\n" for name, key in keys.items()))
    (directory / "calls.yaml").write_text(CALLS)
    (directory / "sources.yaml").write_text("sources: {till: {mapping: calls.yaml}}\n")
    set_here = {
        "GATEWAY_KEYS_FILE": str(file), "GATEWAY_LETTERS_PER_MINUTE": str(PER_MINUTE),
        "GATEWAY_SOURCES_FILE": str(directory / "sources.yaml"),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in set_here.items():
            patch.setitem(os.environ, f"TOUCHSTREAM_{name}", value)
        with running_stack(directory, workers=1) as stack:
            yield Stand(stack, keys)


def text(number: int, **fields: Any) -> bytes:
    return json.dumps({"event_id": f"e{number}"} | EVENT | fields).encode()


def test_a_batch_of_one_good_and_many_bad_ones_and_a_body_that_is_none(stand: Stand) -> None:
    guest = text(2, customer_id="guest", sent_by="somebody else", received_at=5)
    bad = {
        text(1, nps=11): ("out_of_scale", b"ann-4711"),
        guest: ("no_customer", b"guest"),
        text(3, channel="store"): ("not_allowed", b"ann-4711"),
        b'{"event_id" 4}': ("undecodable", None),
        b'"text"': ("wrong_type", None),
        text(5, attributes={"a": "x" * 2**20}): ("too_large", b"ann-4711"),
    }
    answer = stand.post(b"[" + b",".join([text(0), *bad]) + b"]", "shop").json()
    assert [one["reason"] for one in answer["refused"]] == [reason for reason, _ in bad.values()]
    assert answer["accepted"] == 1
    assert stand.post(b"hello {", "shop").status_code == 400

    letters = stand.letters("shop")
    assert letters.pop(b"hello {").reason == "undecodable"
    for (value, (reason, key)), said in zip(bad.items(), answer["refused"], strict=True):
        one = letters.pop(value[:60])
        assert (one.reason, one.detail, one.key) == (reason, said["detail"], key)
        assert one.value == (value[:65_536] if reason == "too_large" else value)
        assert stand.keys["shop"].encode() not in b"".join(part for pair in one.headers for part in pair)
    assert letters == {}
    assert stand.stack.metrics("none")[()]["touches"] == 1

    assert stand.replay("--dry-run")["verdicts"] == {
        "no_customer": 1, "out_of_scale": 1, "too_large": 1, "undecodable": 3,
    }  # fmt: skip
    assert stand.replay("--dry-run", "--reason", "not_allowed")["verdicts"] == {"accepted": 1}
    stand.in_force(VOID_IDS="undefined")
    assert [stand.replay()["published"], stand.replay()["published"]] == [1, 0]
    stand.stack.command("wait", "--timeout", "120")
    found = stand.client.query(
        "SELECT sent_by, toUnixTimestamp64Milli(received_at) FROM touchpoints WHERE event_id = 'e2'"
    )
    ((sent_by, received_at),) = found.result_rows
    assert (sent_by, received_at >= EVENT["occurred_at"]) == ("shop", True)
    assert stand.stack.metrics("none")[()]["touches"] == 2

    assert stand.tables_with("ann-4711")
    stand.stack.command("forget", "ann-4711", "--yes")
    assert stand.tables_with("ann-4711") == []


def test_a_webhook_that_was_refused_counts_once_after_a_mend(stand: Stand) -> None:
    call = json.dumps({"at": EVENT["occurred_at"], "who": "guest"}).encode()
    for _ in range(2):
        (refused,) = stand.post(call, "till", "/v1/in/till").json()["refused"]
        assert refused["reason"] == "no_customer"
    (letter,) = stand.letters("till").values()
    stand.in_force(VOID_IDS="undefined")
    assert stand.replay("--reason", "no_customer")["published"] == 2  # both copies: they have one id
    stand.stack.command("wait", "--timeout", "120")
    found = stand.client.query("SELECT sent_by, event_id FROM touchpoints FINAL WHERE touchpoint = 'call'").result_rows
    assert found == [("till", json.loads(letter.value or b"")["event_id"])]


def test_a_flood_fills_its_senders_minute_and_is_counted_beyond_it(stand: Stand) -> None:
    flood = b"[" + b",".join(text(number, nps=11) for number in range(1_000)) + b"]"
    assert len(stand.post(flood, "flood").json()["refused"]) == 1_000
    assert len(stand.letters("flood")) == PER_MINUTE
    metrics = httpx.get(f"{stand.stack.addresses['gateway']}/metrics").text
    assert f'touchstream_gateway_refused_not_kept_total{{reason="out_of_scale"}} {1_000 - PER_MINUTE}.0' in metrics
