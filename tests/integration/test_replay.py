"""Dead letters published again: as they were, once, and only what would be accepted."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner

from tests.support.clickhouse_rows import Row, dead_letter, lane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas.definitions import read_source
from touchstream.schemas.journey import DEFAULT_FILE
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.lanes.definitions import record_definitions
from touchstream.sinks.clickhouse.upkeep.dead_letters import STARTED, dead_letters, note_replays, open_letters
from touchstream.streams.broker.topics import ensure_topics, log_identity, topic_specs
from touchstream.streams.cli.main import app
from touchstream.streams.measure.definitions import document
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep import dead_letter_replay as module
from touchstream.streams.upkeep.dead_letter_replay import LetterSelection, Replay, ReplayError, ReplaySummary

pytestmark = pytest.mark.stack

PARTITIONS = 3
NOW_MS = 1_790_000_100_000

DEFINITIONS = document(
    read_source(DEFAULT_FILE.read_text(), "journey").content,
    lateness_seconds=60,
    duplicate_horizon_seconds=60,
    pane_retention_days=0,
)


@dataclass
class Letters:
    """A topic and tables in which events were refused."""

    client: Client
    settings: Settings

    def insert(self, name: str, *rows: Row) -> None:
        self.client.insert_arrow(name, table(name, rows))

    def refused(self, offset: int, **changes: Any) -> Row:
        row = dead_letter(offset, topic=self.settings.topic, reason="unknown_schema", detail="", value=event(offset))
        return (
            row | {"partition": offset % PARTITIONS, "headers": [{"name": b"trace", "value": b"%d" % offset}]} | changes
        )

    def replay(self, selection: LetterSelection | None = None, patience: float = 1.0) -> ReplaySummary:
        return Replay(self.settings).run(selection or LetterSelection(), 10_000, patience, lambda *_: None)

    def rehearsed(self, selection: LetterSelection | None = None) -> ReplaySummary:
        return Replay(self.settings).rehearse(selection or LetterSelection(), lambda *_: None)

    def in_log(self) -> list[Any]:
        """All records of the topic."""
        ends = log_identity(self.settings.kafka_connection(), self.settings.topic)
        consumer = KafkaConsumer(**self.settings.kafka_connection().client_options(), group_id=None)
        found: list[Any] = []
        try:
            places = [TopicPartition(self.settings.topic, partition) for partition in ends]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            deadline = time.monotonic() + 180
            while len(found) < sum(end.end_offset for end in ends.values()) and time.monotonic() < deadline:
                found += [record for records in consumer.poll(200).values() for record in records]
        finally:
            consumer.close()
        return found

    def open(self) -> list[tuple[str, int]]:
        return [(one.letter, one.attempt) for one in open_letters(self.client, self.settings.topic, None, -(2**62), 99)]

    def measured_to_the_end(self) -> None:
        ends = log_identity(self.settings.kafka_connection(), self.settings.topic)
        self.insert("lanes", *(
            lane(topic=self.settings.topic, partition=partition, log_id=end.log_id, next_offset=end.end_offset,
                 definitions=DEFINITIONS["version"])
            for partition, end in ends.items()
        ))  # fmt: skip


def event(number: int, **changes: Any) -> bytes:
    plain = {"event_id": f"e{number}", "occurred_at": 1_790_000_000_000 + number, "customer_id": "ann"}
    return json.dumps(plain | {"channel": "web", "touchpoint": "product", "nps": number % 11} | changes).encode()


@pytest.fixture
def letters(clickhouse_url: str, kafka_url: str, unique_name: str) -> Iterator[Letters]:
    with migrated_database(clickhouse_url) as client:
        url = database_url(clickhouse_url, str(client.database))
        settings = Settings(kafka_url=kafka_url, clickhouse_url=url, topic=unique_name, partitions=PARTITIONS)
        ensure_topics(settings.kafka_connection(), topic_specs(settings)[:1])
        record_definitions(client, DEFINITIONS["version"], msgspec.json.encode(DEFINITIONS).decode(), in_force=True)
        yield Letters(client, settings)


def test_a_letter_comes_as_it_was_to_where_it_was_and_says_which_it_is(letters: Letters) -> None:
    letters.insert("dead_letters", *(letters.refused(offset) for offset in range(7)))
    assert letters.replay().published == 7
    found = {record.value: record for record in letters.in_log()}
    assert found.keys() == {event(offset) for offset in range(7)}
    one = found[event(5)]
    assert (one.key, one.partition) == (b"ann", 5 % PARTITIONS)
    assert dict(one.headers) == {
        "trace": b"5", "touchstream-replay-of": b"log/2/5", "touchstream-replay-attempt": b"1",
    }  # fmt: skip
    assert one.timestamp > 1_790_000_000_000


def test_run_again_it_sends_nothing_again(letters: Letters) -> None:
    letters.insert("dead_letters", *(letters.refused(offset) for offset in range(7)))
    letters.replay(LetterSelection(limit=3))
    assert [len(letters.open()), letters.replay().published, letters.replay().published] == [4, 4, 0]
    assert len(letters.in_log()) == 7


@pytest.mark.parametrize(
    "never",
    [
        {"value": None, "key": None, "detail": "erased"},
        {"value": b"x", "detail": "erased"},
        {"reason": "rejected"},
        {"headers": [{"name": b"touchstream-control", "value": b"definitions"}]},
        {"topic": "another"},
    ],
    ids=["erased", "erased in part", "counted by panes", "a control record", "of another topic"],
)
def test_letters_that_must_not_come_back_never_do(letters: Letters, never: Row) -> None:
    letters.insert("dead_letters", letters.refused(1, **never))
    assert (letters.replay().letters, letters.rehearsed().letters, letters.in_log()) == (0, 0, [])


def test_an_erased_letter_that_was_refused_twice_never_comes_back_by_its_other_row(letters: Letters) -> None:
    again = [{"name": b"touchstream-replay-of", "value": b"log/1/1"}]
    letters.insert("dead_letters", letters.refused(1, value=None, detail="erased"), letters.refused(9, headers=again))
    assert letters.replay().letters == 0


def test_letters_that_would_be_refused_again_are_left_as_they_are(letters: Letters) -> None:
    letters.insert("dead_letters", letters.refused(1, value=event(1, nps=12)), letters.refused(2, value=b"\x00\x01"))
    found = letters.replay()
    assert (found.published, sorted(found.verdicts)) == (0, ["out_of_scale", "undecodable"])
    assert len(letters.open()) == 2


def test_an_event_that_was_counted_meanwhile_is_not_sent_however_long_ago_that_was(letters: Letters) -> None:
    letters.insert("dead_letters", letters.refused(1), letters.refused(2))
    letters.insert(
        "touchpoints", touchpoint(77, event_id="e1", lane_clock=0), touchpoint(78, event_id="e2", log_id="x")
    )
    letters.insert("lanes", lane(topic=letters.settings.topic, definitions=DEFINITIONS["version"]))
    found = letters.replay()
    assert (found.published, found.verdicts) == (1, {"counted": 1, "accepted": 1})
    assert letters.open() == []


def test_a_letter_that_was_refused_again_is_the_same_letter(letters: Letters) -> None:
    letters.insert("dead_letters", letters.refused(1))
    letters.replay()
    (sent,) = letters.in_log()
    headers = [{"name": name.encode(), "value": value} for name, value in sent.headers]
    letters.insert("dead_letters", letters.refused(50, headers=headers, reason="too_old", value=event(1)))
    assert letters.open() == [("log/1/1", 2)]
    assert letters.replay().published == 1
    attempts = sorted(dict(record.headers)["touchstream-replay-attempt"] for record in letters.in_log())
    assert attempts == [b"1", b"2"]
    assert letters.open() == []


def test_a_record_that_only_says_that_it_is_another_letter_neither_opens_nor_hides_it(letters: Letters) -> None:
    letters.insert("dead_letters", letters.refused(1), letters.refused(2))
    assert letters.replay(LetterSelection(limit=1)).published == 1

    def says(letter: bytes, attempt: bytes, *more: tuple[bytes, bytes]) -> Row:
        said = [(b"touchstream-replay-of", letter), (b"touchstream-replay-attempt", attempt), *more]
        return {"headers": [{"name": name, "value": value} for name, value in said]}

    same, other = {"value": event(1)}, {"value": event(70)}
    control = (b"touchstream-control", b"forget")
    letters.insert(
        "dead_letters",
        letters.refused(50, **says(b"log/1/1", b"9") | same), letters.refused(51, **says(b"log/1/1", b"1") | other),
        letters.refused(52, **says(b"log/1/1", b"1", control) | same), letters.refused(53, **says(b"log/1/1", b"-1")),
        letters.refused(54, **says(b"log/2/2", b"1") | {"value": None}), letters.refused(55, **says(b"", b"1")),
        letters.refused(56, **says(b"log/2/2", b"4294967295") | {"detail": "erased"}),
    )  # fmt: skip
    places = {f"log/{offset % PARTITIONS}/{offset}" for offset in (50, 51, 53, 55)}
    assert dict(letters.open()) == {"log/2/2": 1} | dict.fromkeys(places, 1)
    listed = dead_letters(letters.client)
    assert [one.log_offset for one in listed if one.replayed_at_ms] == [1]


def test_after_an_interruption_it_waits_until_the_lanes_have_measured_what_was_sent(letters: Letters) -> None:
    letters.insert("dead_letters", letters.refused(1), letters.refused(2))
    replay, interrupted = Replay(letters.settings), []

    def note(*arguments: Any) -> None:
        if arguments[2] == STARTED:
            note_replays(*arguments)
        else:
            interrupted.append(arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "note_replays", note)
        replay.run(LetterSelection(limit=1), 100, 1, lambda *_: None)
    assert len(interrupted) == len(letters.in_log()) == 1
    with pytest.raises(ReplayError, match="start a worker"):
        letters.replay(patience=0.2)
    letters.measured_to_the_end()
    log_id = log_identity(letters.settings.kafka_connection(), letters.settings.topic)[1].log_id
    letters.insert("touchpoints", touchpoint(0, partition=1, event_id="e1", log_id=log_id))
    found = letters.replay()
    assert found.verdicts == {"counted": 1, "accepted": 1}
    assert len(letters.in_log()) == 2


def test_letters_that_may_have_counted_before_raw_events_were_deleted_are_left_alone(letters: Letters) -> None:
    letters.insert("dead_letters", letters.refused(1))
    (one,) = open_letters(letters.client, letters.settings.topic, None, 0, 1)
    note_replays(letters.client, [one], STARTED, 0, 1_700_000_000_000)
    letters.client.command(
        "ALTER TABLE schema_migrations UPDATE applied_at = applied_at - INTERVAL 60 DAY WHERE true",
        settings={"mutations_sync": 2},
    )
    letters.measured_to_the_end()
    found = letters.replay()
    assert (found.published, found.verdicts) == (0, {"unknown": 1})


def test_a_dry_run_says_which_metrics_would_change_and_changes_nothing(letters: Letters) -> None:
    purchase = event(4, action="purchase", revenue_minor=5, currency="EUR", nps=None)
    letters.insert(
        "dead_letters",
        letters.refused(1),
        letters.refused(2, value=event(1)),
        letters.refused(3, value=event(3, nps=99)),
        letters.refused(4, value=purchase, reason="too_old"),
    )
    found = letters.rehearsed()
    assert found.verdicts == {"accepted": 2, "duplicate": 1, "out_of_scale": 1}
    changes = {place[2]: {name: n for name, n in change.items() if n} for place, change in found.changes.items()}
    assert changes == {
        "unknown_schema": {"touches": 1, "nps": 1},
        "too_old": {"touches": 1, "purchases": 1, "revenue_minor": 1},
    }
    assert (len(letters.open()), letters.in_log()) == (4, [])


def test_letters_of_a_gateway_come_back_as_events_that_it_would_have_taken_and_excerpts_never(
    letters: Letters,
) -> None:
    def refused(offset: int, value: bytes, *more: tuple[bytes, bytes], reason: str = "unknown_schema") -> Row:
        said = [(b"touchstream-refused", b"too_old"), (b"touchstream-refused-detail", b"why"), *more]
        headers = [{"name": name, "value": content} for name, content in said]
        return letters.refused(offset, value=value, headers=headers, reason=reason, record_at=NOW_MS)

    claims = event(1, sent_by="another", received_at=5)
    letters.insert(
        "dead_letters",
        refused(1, claims, (b"touchstream-sent-by", b"shop")), refused(2, event(2, sent_by="another")),
        refused(3, event(3), (b"touchstream-truncated", b"99")), refused(4, event(4), reason="not_allowed"),
    )  # fmt: skip
    assert letters.replay().verdicts == {"accepted": 2, "unknown_schema": 1}
    shops, nobodys = sorted(letters.in_log(), key=lambda record: str(json.loads(record.value)["event_id"]))
    assert json.loads(shops.value) == json.loads(claims) | {"sent_by": "shop", "received_at": NOW_MS}
    assert json.loads(nobodys.value)["sent_by"] is None
    assert dict(shops.headers).keys() == {"touchstream-sent-by", "touchstream-replay-of", "touchstream-replay-attempt"}
    assert letters.replay(LetterSelection("not_allowed")).published == 1


def test_reason_and_time_choose(letters: Letters) -> None:
    rows = [letters.refused(offset, reason="ab"[offset % 2], record_at=offset * 1_000) for offset in range(6)]
    letters.insert("dead_letters", *rows)
    assert letters.rehearsed(LetterSelection("b", 2_000)).letters == 2
    assert letters.rehearsed(LetterSelection("'; DROP TABLE lanes")).letters == 0


def test_the_command_rehearses_and_replays_and_the_list_says_so(
    letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kafka_url", "clickhouse_url", "topic"):
        monkeypatch.setenv(f"TOUCHSTREAM_{name.upper()}", str(getattr(letters.settings, name)))
    letters.insert("dead_letters", *(letters.refused(offset) for offset in range(3)))

    def command(*arguments: str) -> Any:
        done = CliRunner().invoke(app, ["dead-letters", *arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert command("replay", "--dry-run")["verdicts"] == {"accepted": 3}
    assert {letter["replayed_at"] for letter in command("list")} == {None}
    assert command("replay", "--since", "1700000000000")["published"] == 3
    assert None not in {letter["replayed_at"] for letter in command("list")}
    table_ = CliRunner().invoke(app, ["dead-letters", "replay", "--dry-run"])
    assert (table_.exit_code, "0 dead letters" in table_.output) == (0, True)
