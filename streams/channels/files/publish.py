"""`touchstream publish FILE…`: files of events to Kafka, in bounded memory, with an account of every line."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import polars as pl

from touchstream.schemas.scales import Scales
from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import TIME_MS_MAX
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds
from touchstream.streams.channels.bulk import BulkDestination, LaneBatches
from touchstream.streams.channels.bulk_encoding import encode_frame
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.files.chunks import Chunk
from touchstream.streams.channels.files.compressed import STDIN, ByteSource, FileProblem
from touchstream.streams.channels.files.judged import Judge
from touchstream.streams.channels.files.oddities import NearActions, RepeatedIds
from touchstream.streams.channels.files.reader import format_of, read_chunks
from touchstream.streams.channels.files.refused_lines import RefusedLines
from touchstream.streams.channels.formats.mapping import FieldMapping
from touchstream.streams.channels.formats.message_mapping import MessageMapping
from touchstream.streams.channels.in_flight import DeliveryFailed

SLICE_EVENTS_MAX = 256  # between two looks at the clock, at Ctrl-C and at the rate
SLEEP_SECONDS_MAX = 0.1


@dataclass(frozen=True)
class PublishOptions:
    """Options of `publish`. `format` is ndjson, csv or parquet; None tells it by the file's name.

    refused_file: gets the refused lines; None: a new one in the working directory if standard input is read, else none.
    """

    format: str | None = None
    mapping: FieldMapping | MessageMapping | None = None
    events_per_second: float | None = None
    shift_to_now: bool = False
    refused_file: Path | None = None
    void_ids: VoidIds = DEFAULT_VOID_IDS
    scales: Scales | None = None


@dataclass(frozen=True)
class Progress:
    """Progress: bytes of all files as stored (`bytes_total` None if unknown), events sent, lines refused."""

    step: str
    bytes_done: int
    bytes_total: int | None
    sent: int
    refused: int


@dataclass(frozen=True)
class PublishSummary:
    """What became of the lines. `published` were acknowledged by Kafka; `failed` were sent and not acknowledged.

    `reasons` counts refusals by code; `examples` are a few of each, as `file:line: detail`. `problems` are what kept
    a file from being read to its end, or Kafka from taking events. Of those published, `repeated` had an event_id that
    stood before in this run, and count once; `conflicting` had one that stood before with another content, and don't
    count. `notes` are worth a look. `refused_file` has all lines that were refused, where they were kept. `skipped`
    counts messages that are no events, by why.
    """

    published: int
    refused: int
    failed: int
    reasons: dict[str, int]
    examples: dict[str, list[str]]
    problems: list[str]
    repeated: int
    conflicting: int
    notes: list[str]
    interrupted: bool
    seconds: float
    refused_file: str | None = None
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every line was read, and every event delivered or refused with a reason."""
        return not (self.problems or self.failed or self.interrupted)


def publish_files(
    paths: Sequence[str],
    destination: BulkDestination,
    options: PublishOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> PublishSummary:
    """Publish all events of files (`-`: standard input) in their order, so that a customer's order is kept.

    Refused lines are counted and stop nothing; a file that can't be read on is a problem in the summary, after what
    could be read was published. Ctrl-C stops after what is in flight; a second one at once.

    Raises, before anything is published: FileProblem if a file isn't there or the options don't fit it, TopicError if
    Kafka can't be reached or doesn't have the topic, RegistryUnavailable, SchemaRefused. Not for use in an event loop.
    """
    run = _Run([ByteSource(path) for path in paths], options or PublishOptions(), progress)
    return asyncio.run(run.summary(destination))


class _Run:
    """One call of `publish_files`."""

    def __init__(
        self,
        sources: Sequence[ByteSource],
        options: PublishOptions,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        _check(sources, options)
        self._sources = sources
        self._options = options
        self._progress = progress or (lambda _: None)
        self._step = "publishing"
        self._judge = Judge(self._options.void_ids, self._options.scales)
        self._refused = RefusedLines()
        self._problems: list[str] = []
        self._repeated = RepeatedIds()
        self._near = NearActions()
        self._notes: dict[str, None] = {}
        self._skipped = Counter[str]()
        self._sent = 0
        self._failed = 0
        self._stop = _Stop()

    async def summary(self, destination: BulkDestination) -> PublishSummary:
        """Do it all."""
        began = time.monotonic()
        url, topic = destination.schema_registry_url, destination.topic
        encoder = Encoder.registered(url, topic) if url else Encoder()
        async with AsyncExitStack() as stack:
            batches = await stack.enter_async_context(LaneBatches.to(destination))
            kept_in = self._options.refused_file
            if kept_in:
                stack.enter_context(self._refused.written_to(kept_in))
            elif any(source.path == STDIN for source in self._sources):
                kept_in = stack.enter_context(self._refused.kept_in(Path()))
            stack.enter_context(self._stop.on_interrupt())
            shift_ms = self._shift_ms() if self._options.shift_to_now else 0
            await self._publish(batches, encoder, shift_ms)
        return PublishSummary(
            published=batches.acknowledged,
            refused=self._refused.count,
            failed=self._failed,
            reasons=dict(self._refused.reasons),
            examples=self._refused.examples,
            problems=self._problems,
            repeated=self._repeated.same,
            conflicting=self._repeated.conflicting,
            notes=[*self._notes, *self._near.notes],
            skipped=dict(self._skipped),
            interrupted=self._stop.asked,
            seconds=time.monotonic() - began,
            refused_file=str(kept_in) if kept_in and self._refused.count else None,
        )

    async def _publish(self, batches: LaneBatches, encoder: Encoder, shift_ms: int) -> None:
        pace = _Pace(self._options.events_per_second, self._stop)
        try:
            for source, chunk in self._chunks():
                judged = self._judge.judged(chunk, now_ms(), shift_ms)
                events = judged.events
                self._refused.add(source.name, judged.refused)
                self._look_at(events, chunk)
                await self._send(batches, _keys(events), encode_frame(encoder, events), pace)
                if source.path == STDIN:
                    await batches.flush()  # nothing moves while it waits for more, which may be long
        except DeliveryFailed as error:
            self._not_delivered(error)
        try:
            await batches.flush()
        except DeliveryFailed as error:
            self._not_delivered(error)
        self._report()

    def _look_at(self, events: pl.DataFrame, chunk: Chunk) -> None:
        self._repeated.add(events)
        self._near.add(events)
        self._notes |= dict.fromkeys(chunk.notes)
        self._skipped += chunk.skipped

    async def _send(self, batches: LaneBatches, keys: list[bytes], values: list[bytes], pace: _Pace) -> None:
        for start in range(0, len(values), pace.slice_events):
            stop = min(start + pace.slice_events, len(values))
            if not await pace.wait_for(self._sent):
                return
            await batches.add(keys[start:stop], values[start:stop], now_ms())
            if pace.is_set:
                await batches.send_begun()
            self._sent += stop - start
            self._report()

    def _not_delivered(self, error: DeliveryFailed) -> None:
        self._failed += error.failed
        self._problems.append(str(error))

    def _chunks(self) -> Iterator[tuple[ByteSource, Chunk]]:
        """All chunks of all files until Ctrl-C; what keeps one from being read on is noted."""
        for source in self._sources:
            chunks = read_chunks(source, self._options.format, self._options.mapping)
            try:
                while not self._stop.asked:
                    chunk = None
                    with self._stop.at_once():
                        chunk = next(chunks, None)
                    if chunk is None:
                        break
                    yield source, chunk
                    self._report()
            except FileProblem as problem:
                self._problems.append(str(problem))

    def _shift_ms(self) -> int:
        """What makes the newest event of all files happen now: from a first pass over them."""
        self._step = "looking for the newest event"
        newest = [
            int(frame["occurred_at"].to_numpy().max())
            for _, chunk in self._chunks()
            if not (frame := self._judge.judged(chunk, TIME_MS_MAX).events).is_empty()
        ]
        self._problems.clear()  # the second pass meets them again
        self._step = "publishing"
        return now_ms() - max(newest) if newest else 0

    def _report(self) -> None:
        totals = [source.bytes_total for source in self._sources]
        self._progress(
            Progress(
                step=self._step,
                bytes_done=sum(source.bytes_done for source in self._sources),
                bytes_total=None if None in totals else sum(total or 0 for total in totals),
                sent=self._sent,
                refused=self._refused.count,
            )
        )


def _keys(events: pl.DataFrame) -> list[bytes]:
    return [key.encode() for key in events.select(pl.coalesce("customer_id", "anonymous_id")).to_series()]


def _check(sources: Sequence[ByteSource], options: PublishOptions) -> None:
    if options.events_per_second is not None and not 0 < options.events_per_second < float("inf"):
        raise FileProblem(f"--rate must be above 0, not {options.events_per_second:g}")
    if sum(source.path == STDIN for source in sources) > 1:
        raise FileProblem("standard input (-) is given twice")
    for source in sources:
        path = Path(source.path)
        if source.path != STDIN and not path.exists():
            raise FileProblem(f"{source.name}: no such file")
        if source.path != STDIN and path.is_dir():
            raise FileProblem(f"{source.name}: is a directory; name its files")
        if options.shift_to_now and source.bytes_total is None:
            raise FileProblem(f"{source.name}: --shift-to-now reads twice; save it to a file first")
        format_of(source, options.format)


class _Pace:
    """Keeps to a number of events a second, evenly."""

    def __init__(self, events_per_second: float | None, stop: _Stop) -> None:
        self._rate = events_per_second
        self._stop = stop
        self._began = time.monotonic()
        self.slice_events = SLICE_EVENTS_MAX
        if events_per_second is not None:
            self.slice_events = max(1, min(SLICE_EVENTS_MAX, int(events_per_second * SLEEP_SECONDS_MAX)))

    @property
    def is_set(self) -> bool:
        """Whether events come slowly on purpose."""
        return self._rate is not None

    async def wait_for(self, sent: int) -> bool:
        """Wait until the next event is due after `sent` others; False if it was stopped meanwhile."""
        while self._rate is not None and not self._stop.asked:
            early = self._began + sent / self._rate - time.monotonic()
            if early <= 0:
                break
            await asyncio.sleep(min(early, SLEEP_SECONDS_MAX))
        return not self._stop.asked


class _Stop:
    """Whether Ctrl-C was pressed. It must not interrupt a client between two of its locks, hence a flag."""

    def __init__(self) -> None:
        self.asked = False
        self._reading = False

    @contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """Ctrl-C asks to stop; a second one is a KeyboardInterrupt. In the main thread, which signals belong to."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """For reading, which may wait for input without end: Ctrl-C ends it, and has then asked to stop."""
        self._reading = True
        try:
            yield
        except _StopReadingError:
            pass
        finally:
            self._reading = False

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        if self._reading:
            self.asked, self._reading = True, False
            raise _StopReadingError
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class _StopReadingError(BaseException):
    """Ctrl-C while reading."""
