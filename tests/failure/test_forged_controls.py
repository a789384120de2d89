"""Who may produce to the topic, but holds no key, steers nothing: what is forged is a dead letter that says why."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kafka import KafkaProducer

from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.sinks.clickhouse.customers.person import CUSTOMER, id_hash
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions
from touchstream.streams.broker.control_key import read_key
from touchstream.streams.broker.log_reader import log_reader
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.measure.controls import Position, signed_headers
from touchstream.streams.measure.records import Headers
from touchstream.streams.process.connection import KafkaConnection

pytestmark = [pytest.mark.stack, pytest.mark.long]

TOPIC, KIND, SIGNATURE = "touchpoints", "touchstream-control", "touchstream-signature"
FOR_EVER = 10_413_791_999_999
PEOPLE = 40


@dataclass(frozen=True)
class Forged:
    """A control record that may have no effect. why: words of its dead letter."""

    why: str
    value: bytes
    headers: Headers
    partition: int = 0


@dataclass
class Attacked:
    """A stack, its topic, and somebody who writes to it."""

    stack: RunningStack
    connection: KafkaConnection
    producer: Any
    client: Client
    private: Ed25519PrivateKey

    @property
    def log_id(self) -> str:
        return log_identity(self.connection, TOPIC)[0].log_id

    def events(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            event = {
                "event_id": f"e{number}", "occurred_at": int(time.time() * 1000), "customer_id": f"c{number % PEOPLE}",
                "channel": "web", "touchpoint": "checkout", "nps": number % 11,
            }  # fmt: skip
            self.producer.send(TOPIC, key=f"c{number % PEOPLE}".encode(), value=json.dumps(event).encode())

    def send(self, forged: Forged) -> None:
        self.producer.send(TOPIC, value=forged.value, headers=list(forged.headers), partition=forged.partition)

    def measured(self) -> None:
        self.producer.flush()
        self.stack.command("wait", "--timeout", "300")

    def signed(self, kind: str, value: bytes, place: Position, private: Ed25519PrivateKey | None = None) -> Headers:
        return signed_headers(private or self.private, kind, place, value)

    def written(self) -> list[Forged]:
        """The signed records in the log, as they stand there."""
        found, ends = [], log_identity(self.connection, TOPIC)
        with log_reader(self.connection, TOPIC) as reader:
            reader.seek(dict.fromkeys(ends, 0))
            for polled, _ in reader.until({partition: at.end_offset for partition, at in ends.items()}):
                for partition, records in polled.items():
                    for value, headers in zip(records.values, records.headers, strict=True):
                        if SIGNATURE in dict(headers):
                            found.append(Forged("not above", value or b"", headers, partition))
        return found

    def facts(self) -> tuple[Any, ...]:
        """What no forged record may change."""
        figures = self.stack.metrics("none")[()]
        texts = (
            "SELECT count(), uniq(id_hash) FROM erasures FINAL",
            "SELECT count() FROM definitions FINAL",
            "SELECT groupUniqArray((definitions, control_keys)) FROM lanes FINAL",
        )
        asked = [self.client.query(text).result_rows for text in texts]
        return *(figures[name] for name in ("touches", "customers", "nps", "nps_n")), asked

    def letters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self.stack.command("dead-letters", "list", "--limit", "10000", "--json")
        )
        return found


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with running_stack(tmp_path_factory.mktemp("attacked"), workers=1) as stack:
        connection = KafkaConnection.from_url(stack.addresses["kafka"])
        producer = KafkaProducer(**connection.client_options(), max_request_size=8 * 2**20)
        client = connect(stack.addresses["clickhouse"])
        private = read_key(Path(stack.environment["TOUCHSTREAM_DATA_DIR"]) / "control.key")
        yield Attacked(stack, connection, producer, client, private)
        producer.close()


def unsigned(attacked: Attacked) -> Iterator[Forged]:
    (known,) = {one.content: one for one in known_definitions(attacked.client)}.values()
    document = json.loads(known.content)
    everybody = [id_hash(CUSTOMER, f"c{number}", None) for number in range(PEOPLE)]
    forget = json.dumps({"id_hashes": everybody, "erased_at": FOR_EVER}).encode()
    deep = b'{"version":"x","journey":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
    values = {
        "forget": [forget, b"", b"[]", b"\xff", b"x" * 2**20],
        "keys": [json.dumps({"keys": [{"public": "00" * 32, "until": 0}]}).encode()],
        "definitions": [
            deep, b"{}", b"\xff\xfe",
            *(json.dumps(document | said).encode() for said in (
                {"lateness_seconds": 1e308}, {"lateness_seconds": -1}, {"pane_retention_days": 10**30},
                {"version": "unknown"}, {"journey": {"format": 1, "journeys": [{"id": "j", "stages": [{"id": "s"}]}]}},
                {"duplicate_horizon_seconds": -5}, {"duplicate_ids_max": -1}, {"more": 1},
            )),
        ],
    }  # fmt: skip
    for kind, several in values.items():
        for value in several:
            yield Forged("not signed", value, [(KIND, kind.encode())])
    yield Forged("no such control record", b"", [(KIND, b"stop")])
    yield Forged("no such control record", b"swallowed", [(KIND, b"heartbeat")])
    yield Forged("several kinds", forget, [(KIND, b"heartbeat"), (KIND, b"forget")])
    yield Forged("several kinds", b"", [(KIND, b"forget"), (KIND, b"heartbeat")])
    yield Forged("several kinds", b"", [(KIND, b"")])


def wrongly_signed(attacked: Attacked) -> Iterator[Forged]:
    log_id, sequence = attacked.log_id, int(time.time() * 1000) + 3_600_000
    value = json.dumps({"id_hashes": [id_hash(CUSTOMER, "c1", None)], "erased_at": int(time.time() * 1000)}).encode()
    place = Position(log_id, 0, sequence)
    right = dict(attacked.signed("forget", value, place))[SIGNATURE]
    stranger = Ed25519PrivateKey.generate()

    def of(why: str, signature: bytes, value: bytes = value, *more: tuple[str, bytes]) -> Forged:
        return Forged(why, value, [(KIND, b"forget"), (SIGNATURE, signature), *more])

    yield of("the signature is not", right, value + b" ")
    yield of("the signature is not", right.replace(str(sequence).encode(), str(sequence + 1).encode()))
    yield Forged("the signature is not", value, [(KIND, b"keys"), (SIGNATURE, right)])
    yield Forged("not for 1", value, [(KIND, b"forget"), (SIGNATURE, right)], partition=1)
    yield of("another log", dict(attacked.signed("forget", value, replace(place, log_id="another")))[SIGNATURE])
    yield of("for partition 7", dict(attacked.signed("forget", value, replace(place, partition=7)))[SIGNATURE])
    yield of("none of this lane", dict(attacked.signed("forget", value, place, stranger))[SIGNATURE])
    words = right.split(b" ")
    for changed in (
        b"", b" ", b"\xff" * 40, right[:-5], right + b"A", right + b" " + right, b"x" * 100_000, b"*" * 86,
        b" ".join([*words[:4], b"!" * 86]), b" ".join([*words[:2], b"-1", *words[3:]]),
        b" ".join([*words[:2], b"9223372036854775808", *words[3:]]), b" ".join([*words[:2], b"1e3", *words[3:]]),
    ):  # fmt: skip
        yield of("can't be read", changed)
    yield of("can't be read", right, value, (SIGNATURE, right))
    largest = b" ".join([*words[:2], str(2**63 - 1).encode(), *words[3:]])
    yield of("the signature is not", largest)
    yield of("not above", b" ".join([*words[:2], b"1", *words[3:]]))


def out_of_bounds(attacked: Attacked) -> Iterator[Forged]:
    """Signed by the key itself."""
    place = Position(attacked.log_id, 0, int(time.time() * 1000) + 1_800_000)
    of_documents = [one for one in unsigned(attacked) if dict(one.headers)[KIND] == b"definitions"]
    for one in of_documents:
        yield replace(one, why="not a definitions", headers=attacked.signed("definitions", one.value, place))
    ids, now = [id_hash(CUSTOMER, "c1", None)], int(time.time() * 1000)
    for said in (
        {"id_hashes": ids, "erased_at": FOR_EVER}, {"id_hashes": ids, "erased_at": now + 3_600_000},
        {"id_hashes": ["c1"], "erased_at": now}, {"id_hashes": [], "erased_at": now}, {"id_hashes": ids},
        {"id_hashes": ids, "erased_at": -(10**17)}, {"id_hashes": ids * 10_001, "erased_at": now},
        {"id_hashes": ids, "erased_at": now, "more": 1},
    ):  # fmt: skip
        value = json.dumps(said).encode()
        yield Forged("not an erasure", value, attacked.signed("forget", value, place))
    for value in (b"{}", b'{"keys": []}', b'{"keys": [{"public": "00", "until": 0}]}', b"[" * 200_000):
        why = "no key would" if value == b'{"keys": []}' else "not a document of keys"
        yield Forged(why, value, attacked.signed("keys", value, place))


KINDS_OF_FORGERY: tuple[Callable[[Attacked], Iterator[Forged]], ...] = (unsigned, wrongly_signed, out_of_bounds)


def test_a_forged_control_record_has_no_effect_and_its_dead_letter_says_why(attacked: Attacked) -> None:
    attacked.stack.command("forget", "nobody-of-this-name", "--yes")
    genuine = attacked.written()
    forged = [one for kind in KINDS_OF_FORGERY for one in kind(attacked)]
    attacked.events(0, 100)
    attacked.measured()
    before, pids = attacked.facts(), attacked.stack.addresses["worker_pids"]
    assert before[:2] == (100, PEOPLE)
    everything = [*forged, *genuine]
    for number, one in enumerate(everything):
        attacked.send(one)
        attacked.events(100 + number, 1)
    attacked.measured()
    after = attacked.facts()
    assert (after[0], after[1], after[4]) == (100 + len(everything), PEOPLE, before[4])
    assert attacked.stack.addresses["worker_pids"] == pids
    letters = attacked.letters()
    assert {letter["reason"] for letter in letters} == {"control_refused"}
    for why, times in Counter(one.why for one in everything).items():
        assert sum(why in letter["detail"] for letter in letters) >= times, why
    assert len(letters) == len(everything)
    audit = "SELECT countIf(obeyed), countIf(NOT obeyed AND what != '') FROM control_records FINAL"
    assert attacked.client.query(audit).result_rows == [(len(genuine), len(everything))]


def test_a_retired_key_and_a_copy_steer_nothing_for_a_new_owner_either(attacked: Attacked) -> None:
    data = Path(attacked.stack.environment["TOUCHSTREAM_DATA_DIR"])
    attacked.stack.command("control-key", "rotate", str(data / "second.key"))
    refused = attacked.stack.start("forget", "c1", "--yes")
    _, said = refused.communicate(timeout=300)
    assert (refused.returncode, "TOUCHSTREAM_CONTROL_KEY_FILE" in said, "BEGIN" in said) == (1, True, False)
    attacked.measured()
    before = attacked.facts()
    value = json.dumps({"id_hashes": [id_hash(CUSTOMER, "c1", None)], "erased_at": int(time.time() * 1000)}).encode()
    place = Position(attacked.log_id, 0, int(time.time() * 1000))
    attacked.stack.kill_a_worker(0)
    attacked.send(Forged("", value, attacked.signed("forget", value, place)))
    for one in attacked.written():
        attacked.send(one)
    attacked.measured()
    assert attacked.facts() == before
    (data / "control.key").unlink()
    (data / "second.key").rename(data / "control.key")
    attacked.stack.command("forget", "c1", "--yes")
    after = attacked.facts()
    assert (after[0], after[1]) == (before[0], before[1] - 1)
    eventually(lambda: attacked.client.query("SELECT uniq(control_keys) FROM lanes FINAL").result_rows == [(1,)])
