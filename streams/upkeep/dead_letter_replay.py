"""Dead letters published again after a mend, so that none is lost and none counts twice (docs/decisions/0011).

A dead letter keeps its key, its value and its headers, so that its event keeps its event_id, and goes to the partition
that it came from, so that the lane that would know it as a duplicate sees it. Only what would be accepted now is sent.
The steps have this order, and after a crash between any two of them the next run goes on:

1. what was interrupted before is waited for, until the lanes have measured all of the log;
2. dead letters whose event has been counted, by an interrupted run or because its channel sent it again, are noted as
   done;
3. the others are noted as started, sent, and noted as published once Kafka has acknowledged them.

What was sent twice all the same, by two runs at one time, is a duplicate within the horizon.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from kafka import KafkaProducer
from kafka.errors import KafkaError

from touchstream.schemas import times
from touchstream.schemas.codec import Undecodable, WriterSchemas, name_twice, parse_json
from touchstream.schemas.registry import HttpSchemaRegistry
from touchstream.schemas.touchpoint import SCALES
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.upkeep.dead_letters import (
    COUNTED,
    PUBLISHED,
    STARTED,
    OpenLetter,
    StoredDeadLetter,
    counted,
    letters_at,
    note_replays,
    open_letters,
)
from touchstream.sinks.clickhouse.upkeep.reconcile import raw_inserted_since
from touchstream.streams.broker.progress import reached, wait_until_measured
from touchstream.streams.broker.topics import EVENT_MESSAGE_BYTES_MAX, log_identity, partition_count
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.measure.definitions import Definitions
from touchstream.streams.measure.events import Clocks, decode, measured
from touchstream.streams.measure.identity import identities
from touchstream.streams.measure.records import Records
from touchstream.streams.measure.refused import REFUSED, SENT_BY, bytes_before_cut, values
from touchstream.streams.process.settings import Settings
from touchstream.streams.worker.dead_letters import replay_headers

LETTERS_MAX: Final = 100_000
"""Most dead letters of one run: their names and places are held in memory, 300 bytes each."""
AT_ONCE_LETTERS: Final = 2_000
AT_ONCE_BYTES: Final = 32 * 2**20
"""Bounds of one batch of dead letters, which is held in memory, judged and looked up together."""
IN_FLIGHT: Final = 500
"""Dead letters that are noted as started, sent and acknowledged together."""
_ACKNOWLEDGED_SECONDS: Final = 30
_SLEEP_SECONDS: Final = 0.1

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
ALREADY_COUNTED: Final = "counted"
UNKNOWN: Final = "unknown"
ANSWERS: Final = tuple(SCALES)
"""Fields of an event that change metrics beyond its being a touch."""


class ReplayError(RuntimeError):
    """Dead letters can't be published again now; the message says what to do."""


@dataclass(frozen=True)
class LetterSelection:
    """Selects dead letters: of a reason, or all but `not_allowed` (None); since (ms since 1970); the `limit` oldest."""

    reason: str | None = None
    since_ms: int = -(2**62)
    limit: int = LETTERS_MAX


@dataclass(frozen=True)
class JudgedLetter:
    """The verdict that a lane would reach on a dead letter now.

    verdict: ACCEPTED; DUPLICATE, of another of these dead letters; ALREADY_COUNTED; UNKNOWN, where it may have been
    counted before raw events were deleted; or the reason of another refusal. event: with journey, stage and ANSWERS.
    """

    letter: OpenLetter
    content: StoredDeadLetter
    verdict: str
    event: Mapping[str, Any] | None


@dataclass
class ReplaySummary:
    """The outcome of a replay or a dry run: dead letters by verdict; `changes` by (journey, stage, reason)."""

    letters: int = 0
    published: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    changes: dict[tuple[str, str, str], Counter[str]] = field(default_factory=dict)

    def add(self, judged: JudgedLetter) -> None:
        """Count one dead letter; one that would be accepted also by what it changes."""
        self.letters += 1
        self.verdicts[judged.verdict] += 1
        if judged.verdict != ACCEPTED or judged.event is None:
            return
        place = (judged.event["journey"], judged.event["stage"], judged.letter.reason)
        change = self.changes.setdefault(place, Counter())
        change["touches"] += 1
        change.update(name for name in ANSWERS if judged.event[name] is not None)
        change["purchases"] += judged.event["action"] == "purchase"


Progress = Callable[[int, int], None]
"""Called with the number of dead letters that are done, and of all."""


class Replay:
    """Publishes the open dead letters of the settings' topic. Blocking."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client = connect(settings.clickhouse_url)
        registry = HttpSchemaRegistry(settings.schema_registry_url) if settings.schema_registry_url else None
        self._writers = WriterSchemas(registry)

    def rehearse(self, selection: LetterSelection, progress: Progress) -> ReplaySummary:
        """What would be accepted now, and what it would change; nothing is written."""
        summary = ReplaySummary()
        letters = self._open(selection)
        for judged in self._judged(letters):
            for one in judged:
                summary.add(one)
            progress(summary.letters, len(letters))
        return summary

    def run(
        self, selection: LetterSelection, events_per_second: float, patience_seconds: float, progress: Progress
    ) -> ReplaySummary:
        """Publish what would be accepted. Raises ReplayError; calling it again goes on where it stopped."""
        summary = ReplaySummary()
        letters = self._open(selection)
        if any(one.unacknowledged for one in letters):
            self._wait_for_lanes(patience_seconds)
            letters = self._open(selection)
        connection = self._settings.kafka_connection()
        partitions = partition_count(connection, self._settings.topic)
        producer = KafkaProducer(**connection.client_options(), acks="all", max_request_size=EVENT_MESSAGE_BYTES_MAX)
        try:
            pace = _Pace(events_per_second)
            for judged in self._judged(letters):
                self._note([one for one in judged if one.verdict == ALREADY_COUNTED], COUNTED)
                to_send = [one for one in judged if one.verdict in (ACCEPTED, DUPLICATE)]
                for start in range(0, len(to_send), pace.at_once):
                    some = to_send[start : start + pace.at_once]
                    pace.wait_for(summary.published)
                    self._publish(producer, some, partitions)
                    summary.published += len(some)
                    progress(summary.letters + start + len(some), len(letters))
                for one in judged:
                    summary.add(one)
                progress(summary.letters, len(letters))
        finally:
            producer.close(_ACKNOWLEDGED_SECONDS)
        return summary

    def _open(self, selection: LetterSelection) -> list[OpenLetter]:
        limit = min(selection.limit, LETTERS_MAX)
        return open_letters(self._client, self._settings.topic, selection.reason, selection.since_ms, limit)

    def _wait_for_lanes(self, patience_seconds: float) -> None:
        ends = log_identity(self._settings.kafka_connection(), self._settings.topic)
        measured = partial(lanes, self._client, self._settings.topic)
        if wait_until_measured(ends, lambda: reached(measured()), patience_seconds, lambda _: None):
            raise ReplayError(
                "a replay was interrupted before, and the workers have not yet measured what it may have sent"
                f" after {patience_seconds:g} s: start a worker, and call this again"
            )

    def _judged(self, letters: Sequence[OpenLetter]) -> Iterator[list[JudgedLetter]]:
        """All dead letters with a lane's verdict now, a bounded number at a time."""
        raw_since, seen = raw_inserted_since(self._client), set[bytes]()
        for some in _bounded(letters):
            contents = letters_at(self._client, some)
            found = [(one, contents[one.letter]) for one in some if one.letter in contents]
            judged = self._judge([(letter, _as_taken(content)) for letter, content in found])
            ids = {one.event["event_id"] for one in judged if one.event is not None}
            known = set(_identities(counted(self._client, self._settings.topic, ids))) if ids else set()
            yield [_in_view_of(one, known, seen, raw_since) for one in judged]

    def _judge(self, letters: Sequence[tuple[OpenLetter, StoredDeadLetter]]) -> list[JudgedLetter]:
        """Verdicts by the definitions of each dead letter's lane, as if it were recorded now."""
        rows = {row.partition: row for row in lanes(self._client, self._settings.topic)}
        known = known_definitions(self._client)
        if not known:
            raise ReplayError("no definitions are in force: run `touchstream init`")
        found = []
        for partition in sorted({one.partition for one, _ in letters}):
            version = rows[partition].definitions if partition in rows else known[-1].version
            definitions = Definitions.parse({one.version: one.content for one in known}[version])
            of_lane = [pair for pair in letters if pair[0].partition == partition]
            clock = max(_now_ms(), rows[partition].lane_clock_ms if partition in rows else 0)
            found += _judge(of_lane, definitions, clock, self._writers)
        return found

    def _note(self, judged: Sequence[JudgedLetter], outcome: str, started_ms: int | None = None) -> None:
        now_ms = _now_ms()
        if judged:
            letters = [one.letter for one in judged]
            note_replays(self._client, letters, outcome, now_ms, now_ms if started_ms is None else started_ms)

    def _publish(self, producer: Any, judged: Sequence[JudgedLetter], partitions: int) -> None:
        started_ms = _now_ms()
        self._note(judged, STARTED, started_ms)
        try:
            sent = [
                producer.send(
                    self._settings.topic,
                    key=one.content.key,
                    value=one.content.value,
                    headers=replay_headers(one.content.headers, one.letter.letter, max(1, one.letter.attempt)),
                    partition=_partition(one.content, partitions),
                    timestamp_ms=_now_ms(),
                )
                for one in judged
            ]
            for one in sent:
                one.get(timeout=_ACKNOWLEDGED_SECONDS)
        except KafkaError as error:
            raise ReplayError(f"Kafka did not take a letter: {error}; call this again, nothing counts twice") from error
        self._note(judged, PUBLISHED, started_ms)


def _judge(
    letters: Sequence[tuple[OpenLetter, StoredDeadLetter]],
    definitions: Definitions,
    now_ms: int,
    writers: WriterSchemas,
) -> list[JudgedLetter]:
    """Letters of one lane."""
    records = Records(
        offsets=np.arange(len(letters), dtype=np.int64),
        timestamps_ms=np.full(len(letters), now_ms, np.int64),
        keys=[content.key for _, content in letters],
        values=[content.value for _, content in letters],
        headers=[()] * len(letters),
    )
    frame, refused = decode(records, Clocks.of(records, now_ms), writers, definitions)
    verdicts = {one.log_offset: one.reason.value for one in refused}
    cut = {at: letter.reason for at, (letter, content) in enumerate(letters) if _is_cut(content)}
    verdicts |= cut
    events = _events(frame, definitions) if frame.height else {}
    events = {at: event for at, event in events.items() if at not in cut}
    return [
        JudgedLetter(letter, content, verdicts.get(at, ACCEPTED), events.get(at))
        for at, (letter, content) in enumerate(letters)
    ]


def _events(frame: pl.DataFrame, definitions: Definitions) -> dict[int, dict[str, Any]]:
    journeys = definitions.journeys
    events = measured(frame, definitions.lateness_ms)
    events = events.with_columns(identity=identities(events))
    resolved = journeys.resolve(journeys.with_attributes(events))
    rows = resolved.select("log_offset", "event_id", "identity", "journey", "stage", "action", *ANSWERS).to_dicts()
    return {row["log_offset"]: row for row in rows}


def _as_taken(content: StoredDeadLetter) -> StoredDeadLetter:
    """A dead letter as it is published; one that the gateway refused has the gateway's headers, not its sender's."""
    headers = _texts(content.headers)
    if not values(headers, REFUSED) or content.value is None:
        return content
    try:
        fields = parse_json(content.value)
    except Undecodable:
        return content
    if not isinstance(fields, dict) or name_twice(content.value):
        return content
    by = next((one.decode(errors="replace") for one in values(headers, SENT_BY)), None)
    return replace(content, value=msgspec.json.encode(fields | {"received_at": content.record_at_ms, "sent_by": by}))


def _is_cut(content: StoredDeadLetter) -> bool:
    """Whether it holds the beginning of what was refused: an event by chance at most."""
    return bytes_before_cut(_texts(content.headers)) is not None


def _texts(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, bytes]]:
    return [(name.decode(errors="replace"), value) for name, value in headers]


def _in_view_of(judged: JudgedLetter, known: set[bytes], seen: set[bytes], raw_since_ms: int) -> JudgedLetter:
    """The verdict once it is known which events have been counted, and which came before among these dead letters."""
    if judged.event is None:
        return judged
    identity, verdict = judged.event["identity"], judged.verdict
    if identity in known:
        verdict = ALREADY_COUNTED
    elif judged.letter.unacknowledged and judged.letter.started_at_ms < raw_since_ms:
        verdict = UNKNOWN
    elif identity in seen:
        verdict = DUPLICATE
    seen.add(identity)
    return JudgedLetter(judged.letter, judged.content, verdict, judged.event)


def _identities(events: pa.Table) -> pl.Series:
    return identities(pl.DataFrame(pl.from_arrow(events)))


def _bounded(letters: Sequence[OpenLetter]) -> Iterator[list[OpenLetter]]:
    some: list[OpenLetter] = []
    size = 0
    for one in letters:
        if some and (len(some) == AT_ONCE_LETTERS or size + one.bytes > AT_ONCE_BYTES):
            yield some
            some, size = [], 0
        some.append(one)
        size += one.bytes
    if some:
        yield some


def _partition(content: StoredDeadLetter, partitions: int) -> int:
    """The partition that the dead letter came from; in a topic with fewer partitions, that of its key."""
    return content.partition if content.partition < partitions else lane_of(content.key or b"", partitions)


def _now_ms() -> int:
    return times.now_ms()


class _Pace:
    """Keeps to a number of events a second."""

    def __init__(self, events_per_second: float) -> None:
        self._rate, self._began = events_per_second, time.monotonic()
        self.at_once = max(1, min(IN_FLIGHT, int(events_per_second * _SLEEP_SECONDS)))

    def wait_for(self, sent: int) -> None:
        """Wait until the next event is due after `sent` others."""
        time.sleep(max(0.0, self._began + sent / self._rate - time.monotonic()))
