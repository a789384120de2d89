"""The lanes that one worker owns: taking them over, feeding them, flushing them, letting them go.

All work on lanes runs in one thread, one piece at a time (`_measure`), and all inserts in another: the event loop stays
free for Kafka, and columns are decoded while earlier rows are being inserted. Lanes are loaded in threads of their own.

A flush first measures what little was read since the last one; then, in this order:

1. dead letters are acknowledged by their topic; a lane whose dead letters are not is held, and the others go on;
2. raw events, panes and dead letters are acknowledged by ClickHouse;
3. the lane rows are acknowledged by ClickHouse: from here on a restart resumes behind them;
4. the offsets are committed to Kafka, for lag tools only.

A lane that is held reads nothing, else it would hold ever more. Once its dead letters are acknowledged its rows are
written with the next flush, and it is read again from where it has measured.

Calls to a server that is slow or away are retried in place. What can't be retried any more, because the worker stops
or the lane moves, was never recorded as done, and the next owner repeats it from the lane row.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from touchstream.streams.measure.lane import Lane, LaneRows
from touchstream.streams.measure.records import Records
from touchstream.streams.process import metrics
from touchstream.streams.worker.buffer import Buffer
from touchstream.streams.worker.dead_letters import DeadLetterTopic, PendingDeadLetters, Sending

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

LOADED_AT_ONCE: Final = 4
"""Lanes that are taken over: each waits for ClickHouse and Kafka most of the time, and takes 30 MB for the ids of a
request."""


class Stopped(Exception):  # noqa: N818 - not an error: it was asked for
    """A retry is given up because the worker stops. The next owner of the lane repeats the work."""


class LaneStore(Protocol):
    """Loads lanes and writes rows. All of it blocks, retries in place, and raises Stopped once asked to stop."""

    def load(self, partition: int) -> Lane:
        """The lane of a partition as the tables have it."""

    def take(self, lane: Lane, records: Records) -> None:
        """Let the lane measure records."""

    def write(self, lanes: Sequence[LaneRows]) -> None:
        """Write the rows of lanes; returns when all are acknowledged."""

    def stop(self) -> None:
        """Stop retrying."""


class RecordSource(Protocol):
    """The source of records."""

    async def start_reading(self, positions: Mapping[int, int]) -> None:
        """Deliver these partitions from these offsets on."""

    async def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit the offsets up to which the tables are complete."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a worker's memory and of its flushes."""

    flush_seconds: float
    pending_rows_max: int = 400_000  # about 300 bytes each
    panes_max: int = 200_000  # of each lane, about 600 bytes each
    gathered_max: int = 4_000  # rows of a lane that wait for a flush to be measured; more are measured at once
    letters_seconds: float = 2.0  # timeout of a flush for dead letters; it then goes on without their lanes


class Lanes:
    """Every lane of this worker."""

    def __init__(
        self,
        store: LaneStore,
        letters: DeadLetterTopic,
        source: RecordSource,
        limits: Limits,
        fail: Callable[[Exception], None],
    ) -> None:
        """fail: ends the process; called with errors that no retry mends, after which the lanes can't be trusted."""
        self._store, self._source, self._limits, self._fail = store, source, limits, fail
        self._outbox = PendingDeadLetters(letters, limits.letters_seconds)
        self._lanes: dict[int, Lane] = {}
        self._gathered: dict[int, Buffer] = {}
        self.expected: frozenset[int] | None = None
        """Partitions that are ours, loaded or not; None before the first assignment."""
        self.flushed_at = self.measured_at = time.monotonic()
        self._taking_over: asyncio.Task[None] | None = None
        self._read_at: dict[int, float] = {}
        self._flushing = asyncio.Lock()
        self._stopping = False
        self._measure = ThreadPoolExecutor(1, "measure")
        self._insert = ThreadPoolExecutor(1, "insert")
        self._loading = ThreadPoolExecutor(LOADED_AT_ONCE, "load")
        metrics.PENDING_ROWS.set_function(lambda: self.pending_rows)
        metrics.LABELS.set_function(lambda: {one: lane.panes.labels for one, lane in dict(self._lanes).items()})

    @property
    def pending_rows(self) -> int:
        """Rows and records that wait for a flush, over all lanes."""
        gathered = sum(gathering.rows for gathering in list(self._gathered.values()))
        return gathered + self._outbox.rows + sum(lane.pending_rows for lane in list(self._lanes.values()))

    @property
    def unflushed(self) -> bool:
        """Whether anything has changed since the last flush, or one is on its way."""
        return (
            self._flushing.locked()
            or bool(self._outbox.held)
            or any(gathering.rows for gathering in list(self._gathered.values()))
            or any(lane.changed for lane in list(self._lanes.values()))
        )

    @property
    def next_offsets(self) -> Mapping[int, int]:
        """For each lane that is ours, the offset behind the last record that it has measured."""
        return {partition: lane.row.next_offset for partition, lane in dict(self._lanes).items()}

    @property
    def watermarks_ms(self) -> Mapping[int, int]:
        """For each lane that is ours, its watermark (milliseconds since 1970)."""
        lanes = dict(self._lanes)
        return {partition: lane.row.watermark(lane.definitions.lateness_ms) for partition, lane in lanes.items()}

    @property
    def last_read(self) -> Mapping[int, float]:
        """For each lane that is ours, when it last read something, or was taken over (monotonic seconds)."""
        return {partition: self._read_at[partition] for partition in self._lanes}

    def assigned(self, partitions: frozenset[int]) -> None:
        """Own exactly these partitions from now on: load several at once, and read each as soon as it is there."""
        if self._taking_over is not None:
            self._taking_over.cancel()
        self._own_nothing()
        self.expected = partitions
        self._taking_over = asyncio.create_task(self._take_over(partitions))

    async def revoked(self, patience_seconds: float) -> None:
        """Flush what there is, if the sink takes it in time, and own nothing. The rest is the next owner's."""
        if self._taking_over is not None:
            self._taking_over.cancel()
        try:
            await asyncio.wait_for(asyncio.shield(self.flush()), patience_seconds)
        except TimeoutError:
            log.warning("lanes let go before their last flush was acknowledged; their next owner repeats it")
        finally:
            self._own_nothing()

    async def take(self, partition: int, position: int, records: Records) -> None:
        """Measure, by the next flush, all that the log holds from `position` to the last record.

        Waits while too much is pending.
        """
        lane, gathering = self._lanes.get(partition), self._gathered.get(partition)
        if lane is None or gathering is None:
            return
        self._read_at[partition] = time.monotonic()
        if partition in self._outbox.held:
            return  # to be read again
        expected = max(lane.row.next_offset, gathering.end)
        if position > expected:
            # Fetched before the lane was loaded anew: between the two would be a hole.
            await self._source.start_reading({partition: expected})
            return
        if self.pending_rows > self._limits.pending_rows_max:
            await self._wait_for_room(partition)
        gathering.add(records)
        if gathering.rows >= self._limits.gathered_max:
            await self._measure_gathered(partition)

    def load_again(self, partition: int) -> None:
        """Go on from where the log begins now: Kafka has deleted what the lane was to read next."""
        if partition in self._lanes:
            self._taking_over = asyncio.create_task(self._take_over_again(partition, self._taking_over))

    async def flush(self) -> None:
        """Write everything that has changed, but of lanes that are held; returns when it is acknowledged."""
        async with self._flushing:
            for partition in list(self._lanes):
                await self._measure_gathered(partition)
            taken = await self._take_rows()
            started = time.monotonic()
            ready = await self._outbox.acknowledged(taken)
            if not ready:
                return
            rows = [one.rows for one in ready]
            await self._run(self._insert, lambda: self._store.write(rows))
            for one in ready:
                await self._run(self._measure, partial(one.lane.flushed, self._limits.panes_max))
            self.flushed_at = time.monotonic()
            metrics.FLUSH_SECONDS.observe(self.flushed_at - started)
            _count_written(rows)
            if self._stopping:
                return  # it outlived its patience: there is nothing left to commit with
            await self._source.commit({lane.row.partition: lane.row.next_offset for lane in rows})
            await self._read_again(one.rows.row.partition for one in ready if one not in taken)

    async def flush_forever(self) -> None:
        """A flush every `flush_seconds`, counted from start to start, until the store is stopped."""
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            try:
                await self.flush()
            except Stopped:
                return
            except Exception as error:
                self._own_nothing()
                self._fail(error)
                return
            await asyncio.sleep(max(0.0, self._limits.flush_seconds - (clock() - started)))

    async def stop(self, patience_seconds: float) -> None:
        """Flush what the sink takes in time, then give up whatever is being retried."""
        await self.revoked(patience_seconds)
        self._stopping = True
        self._store.stop()

    async def _take_rows(self) -> list[Sending]:
        """The rows that lanes have to write, with their dead letters being sent."""
        changed = [
            lane for partition, lane in self._lanes.items() if lane.changed and partition not in self._outbox.held
        ]
        sizes = [lane.pending_rows for lane in changed]
        rows = await self._run(self._measure, lambda: [lane.flush_rows() for lane in changed])
        return [self._outbox.send(*one) for one in zip(changed, rows, sizes, strict=True)]

    async def _read_again(self, partitions: Iterable[int]) -> None:
        """From where each lane has measured: what was read while it was held was left out."""
        positions = {one: self._lanes[one].row.next_offset for one in partitions if one in self._lanes}
        if positions:
            await self._source.start_reading(positions)

    async def _measure_gathered(self, partition: int) -> None:
        lane, gathering = self._lanes.get(partition), self._gathered.get(partition)
        # Nothing is awaited between taking the records and queueing them: a lane's records stay in their order.
        records = gathering.take() if gathering else None
        if lane is None or records is None:
            return
        metrics.BATCH_RECORDS.observe(len(records))
        with self._letting_go(partition):
            await self._run(self._measure, lambda: self._store.take(lane, records))
        if _count(lane):
            self.measured_at = time.monotonic()

    async def _wait_for_room(self, partition: int) -> None:
        started = time.monotonic()
        with self._letting_go(partition):
            while self.pending_rows > self._limits.pending_rows_max:
                await self.flush()
                await self._outbox.wait()
        metrics.BLOCKED_SECONDS.inc(time.monotonic() - started)

    @contextmanager
    def _letting_go(self, partition: int) -> Iterator[None]:
        """Let go of the lane where its work is given up, and of all of them, with the process, where it fails."""
        try:
            yield
        except Stopped:
            self._lanes.pop(partition, None)
            self._gathered.pop(partition, None)
        except Exception as error:
            # Faust would log it, call the event done and go on behind it.
            self._own_nothing()
            self._fail(error)

    def _own_nothing(self) -> None:
        self._outbox.let_go()
        self._lanes.clear()
        self._gathered.clear()
        metrics.LANES_OWNED.set(0)

    async def _take_over(self, partitions: frozenset[int]) -> None:
        try:
            await self._load(partitions)
        except Stopped:
            return
        except Exception as error:
            self._fail(error)

    async def _take_over_again(self, partition: int, before: "asyncio.Task[None] | None") -> None:
        try:
            if before is not None:
                await before
            # What it has measured belongs to the tables first: there is nothing to measure it from again.
            await self.flush()
            while partition in self._outbox.held:
                await self._outbox.wait()
                await self.flush()
            self._lanes.pop(partition, None)
            self._gathered.pop(partition, None)
            await self._load_lane(partition)
        except Stopped:
            return
        except Exception as error:
            self._fail(error)

    async def _load(self, partitions: frozenset[int]) -> None:
        # Behind what this worker was still inserting: those rows are part of what is read.
        await self._run(self._insert, _nothing)
        await asyncio.gather(*(self._load_lane(partition) for partition in sorted(partitions)))

    async def _load_lane(self, partition: int) -> None:
        lane = await self._run(self._loading, partial(self._store.load, partition))
        self._read_at[partition] = time.monotonic()
        self._lanes[partition], self._gathered[partition] = lane, Buffer()
        metrics.LANES_OWNED.set(len(self._lanes))
        metrics.TAKE_OVERS.inc()
        await self._source.start_reading({partition: lane.row.next_offset})
        log.info("lane taken over", partition=partition, log_id=lane.row.log_id, offset=lane.row.next_offset)

    @staticmethod
    async def _run(executor: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(executor, work)


def _count(lane: Lane) -> int:
    """Hand the lane's outcomes on to Prometheus; how many events there were."""
    late, conflicting = lane.outcomes.pop("late", 0), lane.outcomes.pop("conflicting", 0)
    judged = lane.outcomes.total()
    for outcome, events in lane.outcomes.items():
        metrics.EVENTS.labels(outcome).inc(events)
    metrics.LATE.inc(late)
    metrics.CONFLICTING.inc(conflicting)
    lane.outcomes.clear()
    return judged


def _count_written(rows: Sequence[LaneRows]) -> None:
    metrics.FLUSH_ROWS.observe(
        sum((0 if lane.touchpoints is None else lane.touchpoints.height) + lane.panes.num_rows for lane in rows)
    )
    for letter in (letter for lane in rows for letter in lane.letters):
        metrics.DEAD_LETTERS.labels(letter.reason.value).inc()


def _nothing() -> None:
    """A task that runs after everything the executor was given before."""
