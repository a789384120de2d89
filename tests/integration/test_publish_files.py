from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.kafka.choice import own_broker
from touchstream.deploy.local.process import running
from touchstream.schemas.codec import WriterSchemas, decode_json
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import Touchpoint
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import ensure_topics, log_identity, topic_specs
from touchstream.streams.channels.bulk import BulkDestination
from touchstream.streams.channels.files.compressed import FileProblem
from touchstream.streams.channels.files.publish import Progress, PublishOptions, PublishSummary, publish_files
from touchstream.streams.channels.formats.mapping import FieldMapping
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

RETAIL = Path(__file__).parents[3] / "shared" / "data" / "online_retail_2009q4.ndjson.gz"
NOW_MS = now_ms()


@pytest.fixture
def destination(kafka_url: str, unique_name: str) -> BulkDestination:
    connection = KafkaConnection.from_url(kafka_url)
    ensure_topics(connection, topic_specs(Settings(topic=unique_name)))
    return BulkDestination(connection, unique_name)


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": str(number),
        "occurred_at": 1259653500000 + number,
        "customer_id": f"c{number % 7}",
        "channel": "web",
        "touchpoint": "t",
    } | fields


def ndjson(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def arrived(destination: BulkDestination) -> pl.DataFrame:
    """All events of the topic, lane by lane in the order of the log, with the columns `lane` and `key`."""
    consumer = KafkaConsumer(enable_auto_commit=False, **destination.connection.client_options())
    frames = []
    try:
        for lane, position in log_identity(destination.connection, destination.topic).items():
            consumer.assign([TopicPartition(destination.topic, lane)])
            consumer.seek(TopicPartition(destination.topic, lane), 0)
            values: list[bytes] = []
            keys: list[bytes] = []
            while len(values) < position.end_offset:
                for polled in consumer.poll(timeout_ms=1000).values():
                    values += [record.value for record in polled]
                    keys += [record.key for record in polled]
            frame, refused = decode_batch(values, WriterSchemas())
            assert refused == []
            frames.append(frame.with_columns(lane=pl.lit(lane), key=pl.Series(keys, dtype=pl.Binary)))
    finally:
        consumer.close()
    return pl.concat(frames)


def test_everything_in_a_file_is_published_in_the_order_of_each_customer(
    tmp_path: Path, destination: BulkDestination
) -> None:
    events = [event(number) for number in range(20_000)]
    summary = publish_files([written(tmp_path / "a.ndjson", ndjson(events))], destination)
    assert (summary.published, summary.refused, summary.failed, summary.complete) == (20_000, 0, 0, True)
    frame = arrived(destination)
    assert frame.height == 20_000
    for customer, lines in frame.group_by("customer_id", maintain_order=True):
        assert lines["event_id"].to_list() == [e["event_id"] for e in events if e["customer_id"] == customer[0]]
        assert lines["lane"].n_unique() == 1


def test_several_files_of_several_formats_are_published_in_their_order(
    tmp_path: Path, destination: BulkDestination
) -> None:
    one = {"customer_id": "c"}
    files = [
        written(tmp_path / "1.ndjson.gz", gzip.compress(ndjson([event(1, **one)]))),
        written(tmp_path / "2.csv", b"event_id,occurred_at,customer_id,channel,touchpoint\n2,1259653500000,c,web,t\n"),
        str(tmp_path / "3.parquet"),
        written(tmp_path / "4.ndjson", ndjson([event(4, **one)])),
    ]
    pl.DataFrame([event(3, **one)]).write_parquet(files[2])
    assert publish_files(files, destination).published == 4
    assert arrived(destination)["event_id"].to_list() == ["1", "2", "3", "4"]


def test_bad_lines_are_counted_shown_and_written_and_stop_nothing(tmp_path: Path, destination: BulkDestination) -> None:
    bad = [b"nonsense", b"\xff\xfe{}", json.dumps(event(1, nps=11)).encode(), b'{"event_id":"1"}', b"{}}"]
    bad += [json.dumps(event(1, customer_id=None)).encode(), json.dumps(event(1, nps="9")).encode()]
    bad += [json.dumps(event(1, occurred_at=NOW_MS + 3_600_000)).encode(), b'{"a":' * 100_000]
    bad += [json.dumps(event(1, attributes={"a": "x" * 1_048_576})).encode()]
    lines = [line for number, one in enumerate(bad) for line in (one, json.dumps(event(number)).encode())]
    refused_file = tmp_path / "refused.ndjson"
    path = written(tmp_path / "a.ndjson", b"\n".join(lines))
    summary = publish_files([path], destination, PublishOptions(refused_file=refused_file))
    assert (summary.published, summary.refused) == (len(bad), len(bad))
    assert summary.reasons == {
        "undecodable": 4,
        "out_of_scale": 1,
        "missing_field": 1,
        "no_customer": 1,
        "wrong_type": 1,
        "from_the_future": 1,
        "too_large": 1,
    }
    assert summary.complete
    assert summary.examples["out_of_scale"][0].startswith(f"{path}:5: nps is 11")
    assert len(summary.examples["undecodable"]) == 3
    records = [json.loads(line) for line in refused_file.read_bytes().splitlines()]
    assert [record["line"] for record in records] == [2 * number + 1 for number in range(len(bad))]
    contents = [
        record["text"].encode() if "text" in record else base64.b64decode(record["base64"]) for record in records
    ]
    assert contents == bad
    assert arrived(destination).height == len(bad)


def csv_of(events: list[dict[str, Any]]) -> bytes:
    return pl.DataFrame(events).write_csv().encode()


@pytest.mark.parametrize(("suffix", "content"), [("ndjson", ndjson), ("csv", csv_of)])
def test_the_events_of_a_cut_off_file_are_published_before_the_error(
    suffix: str, content: Callable[[list[dict[str, Any]]], bytes], tmp_path: Path, destination: BulkDestination
) -> None:
    whole = gzip.compress(content([event(number) for number in range(5000)]))
    files = [
        written(tmp_path / f"cut.{suffix}.gz", whole[: len(whole) // 2]),
        written(tmp_path / "next.ndjson", ndjson([event(9999)])),
    ]
    summary = publish_files(files, destination)
    assert not summary.complete
    (problem,) = summary.problems
    assert f"cut.{suffix}.gz: cut off" in problem
    assert 1000 < summary.published < 5000
    ids = set(arrived(destination)["event_id"])
    assert len(ids) == summary.published
    assert "9999" in ids  # the files after it don't suffer


def test_the_same_file_twice_gives_the_same_ids(tmp_path: Path, destination: BulkDestination) -> None:
    events = [{name: value for name, value in event(number % 3).items() if name != "event_id"} for number in range(9)]
    path = written(tmp_path / "a.ndjson", ndjson(events))
    for _ in range(2):
        assert publish_files([path], destination).published == 9
    ids = arrived(destination)["event_id"]
    assert ids.n_unique() == 9
    assert set(ids.value_counts()["count"]) == {2}


def test_foreign_columns_are_mapped(tmp_path: Path, destination: BulkDestination) -> None:
    path = written(tmp_path / "a.csv", b"Invoice;Customer;Price\n1;42;19,99\n2;43;abc\n")
    mapping = FieldMapping.model_validate(
        {
            "columns": {"event_id": "Invoice", "customer_id": "Customer", "revenue_minor": "Price"},
            "constants": {"channel": "web", "touchpoint": "checkout", "occurred_at": "2009-12-01", "currency": "EUR"},
            "prefixes": {"customer_id": "crm-"},
            "factors": {"revenue_minor": 100},
            "decimal": ",",
        }
    )
    summary = publish_files([path], destination, PublishOptions(mapping=mapping))
    assert (summary.published, summary.reasons) == (1, {"wrong_type": 1})
    assert f"{path}:3: " in summary.examples["wrong_type"][0]
    (one,) = arrived(destination).to_dicts()
    assert (one["customer_id"], one["key"], one["revenue_minor"]) == ("crm-42", b"crm-42", 1999)


def test_shifted_to_now_the_newest_happens_now_and_spacing_is_kept(
    tmp_path: Path, destination: BulkDestination
) -> None:
    files = [
        written(tmp_path / "a.ndjson", ndjson([event(0), event(1, occurred_at=4102444800000)])),  # the year 2100
        written(tmp_path / "b.ndjson", ndjson([event(2, occurred_at=4102444800000 - 60_000)]) + b"nonsense\n"),
    ]
    steps = set()
    before = now_ms()
    summary = publish_files(
        files, destination, PublishOptions(shift_to_now=True), progress=lambda at: steps.add(at.step)
    )
    assert (summary.published, summary.reasons) == (3, {"undecodable": 1})
    times = dict(arrived(destination).select("event_id", "occurred_at").iter_rows())
    assert before <= times["1"] <= now_ms()
    assert times["1"] - times["2"] == 60_000
    assert times["1"] - times["0"] == 4102444800000 - 1259653500000
    assert steps == {"looking for the newest event", "publishing"}


def test_an_absurd_time_is_refused_also_when_shifted(tmp_path: Path, destination: BulkDestination) -> None:
    lines = [event(0), event(1, occurred_at=2**63 - 1), event(2, occurred_at=-(2**63))]
    path = written(tmp_path / "a.ndjson", ndjson(lines))
    summary = publish_files([path], destination, PublishOptions(shift_to_now=True))
    assert (summary.published, summary.refused) == (1, 2)


def test_a_rate_is_kept(tmp_path: Path, destination: BulkDestination) -> None:
    path = written(tmp_path / "a.ndjson", ndjson([event(number) for number in range(50)]))
    summary = publish_files([path], destination, PublishOptions(events_per_second=100))
    assert summary.published == 50
    assert summary.seconds > 0.4


def test_progress_ends_with_everything(tmp_path: Path, destination: BulkDestination) -> None:
    files = [
        written(tmp_path / "a.ndjson.gz", gzip.compress(ndjson([event(number) for number in range(3000)]))),
        written(tmp_path / "b.csv", b"channel\n1\n2\n"),
    ]
    seen: list[Progress] = []
    publish_files(files, destination, progress=seen.append)
    total = sum(Path(file).stat().st_size for file in files)
    assert seen[-1] == Progress("publishing", bytes_done=total, bytes_total=total, sent=3000, refused=2)
    assert [at.bytes_done for at in seen] == sorted(at.bytes_done for at in seen)


def test_ctrl_c_stops_after_what_is_in_flight(tmp_path: Path, destination: BulkDestination) -> None:
    path = written(tmp_path / "a.ndjson", ndjson([event(number) for number in range(5000)]))
    pressed = False

    def press(at: Progress) -> None:
        nonlocal pressed
        if at.sent >= 10 and not pressed:
            pressed = True
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    summary = publish_files([path], destination, PublishOptions(events_per_second=1000), progress=press)
    assert signal.getsignal(signal.SIGINT) is before
    assert summary.interrupted
    assert not summary.complete
    assert 10 <= summary.published < 5000
    assert arrived(destination).height == summary.published


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, destination: BulkDestination) -> None:
    path = written(tmp_path / "a.ndjson", ndjson([event(number) for number in range(5000)]))

    def press(_: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        publish_files([path], destination, PublishOptions(events_per_second=1000), progress=press)


class Typist(threading.Thread):
    """Writes to the standard input of this process as its test goes on, and gives up after 30 seconds."""

    def __init__(self, destination: BulkDestination, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._destination = destination
        reading, self._writing = os.pipe()
        monkeypatch.setattr("sys.stdin", os.fdopen(reading, "r", encoding="utf-8"))

    def types(self, *events: dict[str, Any]) -> None:
        os.write(self._writing, ndjson(list(events)))

    def waits_for(self, published: int) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            positions = log_identity(self._destination.connection, self._destination.topic).values()
            if sum(at.end_offset for at in positions) == published:
                return
        os.close(self._writing)

    def ends(self) -> None:
        os.close(self._writing)


def test_typed_events_are_published_while_more_are_awaited(
    destination: BulkDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Typist):
        def run(self) -> None:
            for number in range(3):
                self.types(event(number))
                self.waits_for(number + 1)
            self.ends()

    typist = Slow(destination, monkeypatch)
    typist.start()
    summary = publish_files(["-"], destination)
    typist.join()
    assert (summary.published, summary.complete) == (3, True)


def test_ctrl_c_ends_the_wait_for_input(destination: BulkDestination, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaving(Typist):
        def run(self) -> None:
            self.types(event(1))
            self.waits_for(1)
            os.kill(os.getpid(), signal.SIGINT)

    typist = Leaving(destination, monkeypatch)
    typist.start()
    summary = publish_files(["-"], destination)
    typist.join()
    assert (summary.published, summary.interrupted) == (1, True)


def wrong(tmp_path: Path) -> dict[str, tuple[Callable[[BulkDestination], PublishSummary], str]]:
    good = written(tmp_path / "a.ndjson", ndjson([event(1)]))
    return {
        "missing": (lambda to: publish_files([good, "missing.ndjson"], to), "missing.ndjson: no such file"),
        "directory": (lambda to: publish_files([str(tmp_path)], to), "is a directory"),
        "twice": (lambda to: publish_files(["-", "-"], to), "given twice"),
        "rate": (lambda to: publish_files([good], to, PublishOptions(events_per_second=0)), "--rate"),
        "shift": (lambda to: publish_files(["-"], to, PublishOptions(shift_to_now=True)), "reads twice"),
        "format": (lambda to: publish_files([written(tmp_path / "a.doc", b"")], to), "--format"),
        "refused": (lambda to: publish_files([good], to, PublishOptions(refused_file=tmp_path)), "can't be written"),
    }


@pytest.mark.parametrize("case", ["missing", "directory", "twice", "rate", "shift", "format", "refused"])
def test_wrong_use_is_an_error_before_anything_is_published(
    case: str, tmp_path: Path, destination: BulkDestination
) -> None:
    call, expected = wrong(tmp_path)[case]
    with pytest.raises(FileProblem, match=expected) as caught:
        call(destination)
    assert "\n" not in str(caught.value)
    assert {at.end_offset for at in log_identity(destination.connection, destination.topic).values()} == {0}


def test_a_topic_that_is_missing_is_an_error(tmp_path: Path, destination: BulkDestination) -> None:
    path = written(tmp_path / "a.ndjson", ndjson([event(1)]))
    with pytest.raises(TopicError, match="touchstream init"):
        publish_files([path], BulkDestination(destination.connection, "missing"))


def test_a_kafka_that_goes_away_is_a_problem_with_counts(
    tmp_path: Path, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("touchstream.streams.channels.bulk.DELIVERY_SECONDS", 3)
    broker = own_broker(tmp_path)
    path = written(tmp_path / "a.ndjson", ndjson([event(number) for number in range(2000)]))
    with running(broker.child(), tmp_path) as child:
        destination = BulkDestination(KafkaConnection.from_url(broker.url), unique_name)
        ensure_topics(destination.connection, topic_specs(Settings(topic=unique_name)))

        def stop(at: Progress) -> None:
            if at.sent == 1000:
                child.kill()

        summary = publish_files([path], destination, PublishOptions(events_per_second=2000), progress=stop)
    assert not summary.complete
    assert summary.failed > 0
    assert "not delivered" in summary.problems[0]
    assert 0 < summary.published <= 1000


@pytest.mark.skipif(not RETAIL.exists(), reason=f"{RETAIL} is not there")
def test_real_retail_data_arrives_as_it_was_published(destination: BulkDestination) -> None:
    summary = publish_files([str(RETAIL)], destination)
    with gzip.open(RETAIL) as file:
        decoded = [decode_json(line) for line in file]
    expected = [one for one in decoded if isinstance(one, Touchpoint)]
    assert len(expected) == len(decoded) == summary.published
    frame = arrived(destination)
    by_key: dict[bytes, list[Touchpoint]] = {}
    for one in expected:
        by_key.setdefault(one.key, []).append(one)
    names = [name for name in Touchpoint.__struct_fields__ if name != "attributes"]
    for (key,), lines in frame.group_by("key", maintain_order=True):
        values = list(lines.select(names).iter_rows())
        assert values == [tuple(getattr(one, name) for name in names) for one in by_key.pop(key)]
    assert by_key == {}
