"""Faust's Kafka transport, made for batches: one Faust event holds all records of a partition that a poll brought.

A plain Faust agent spends some 200 µs of its event loop on each record; here that price is paid once for thousands.
Faust keeps what it is good at: the consumer group, rebalancing, the life of the worker. Two decisions are ours:

- where to read from: the lane rows say it, not Kafka's commit. After a rebalance partitions stay silent until
  `start_reading`;
- what to commit: the offsets of lane rows that are in the tables (`commit_lanes`), never what Faust believes acked: it
  acks an event even if its agent raised, and counts the offsets that a batch jumps over as acked.

URL scheme: `touchstream://host:port`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import aiokafka
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaError
from faust.transport import drivers
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from touchstream.schemas.times import now_ms
from touchstream.streams.broker.topic_first import TopicFirstProducer
from touchstream.streams.measure.records import Records
from touchstream.streams.process import metrics

# A fetch that waits at the broker for one partition holds up the others of the same broker: keep the wait short.
_FETCH_WAIT_MS_MAX = 50
_POLL_SECONDS = 0.5
_NO_TIME = -1  # as `Records` has it
_NOTHING_TO_READ_SECONDS = 0.05
_ANSWER_SECONDS = 2.0  # for Kafka to say that it is there
_LOOKS_AT_A_HOLE = 10  # a round trip each


@dataclass(frozen=True)
class Poll:
    """Every record of a partition's log from `position` to the last of `records`.

    deleted: Kafka has deleted what stood at `position`; the records are those behind it.
    """

    tp: TP
    position: int
    records: Records
    deleted: bool = False


class LanesApp(Protocol):
    """What the transport asks of the Faust app that uses it."""

    def lanes_assigned(self, tps: frozenset[TP]) -> None:
        """These partitions are ours from now on, and silent until `start_reading`. Must return at once."""


class WithoutHoles:
    """The batches of a fetch up to the first hole between two of them; a hole is passed once it was seen often enough.

    In Kafka only compaction of whole batches leaves one, for transactions' ends and what was aborted are batches, too.
    The local broker may show a batch before the one below it, while two producers write to a partition.
    """

    _seen: ClassVar[dict[Any, tuple[int, int, int]]] = {}
    """The last hole of each partition: its first offset, the one behind it, and how often it was seen."""

    def __init__(self, partition: Any, batches: Any, fetch_offset: int) -> None:
        self._partition, self._batches, self._expected = partition, batches, fetch_offset
        self._next: Any = None

    def has_next(self) -> bool:
        """Whether there is another batch, and no hole before it."""
        if self._next is None and self._batches.has_next():
            self._next = self._batches.next_batch()
        return self._next is not None and not self._is_behind_a_hole(self._next.base_offset)

    def next_batch(self) -> Any:
        """As aiokafka's MemoryRecords, after `has_next`."""
        batch, self._next = self._next, None
        self._expected = max(self._expected, batch.next_offset)
        return batch

    def _is_behind_a_hole(self, base_offset: int) -> bool:
        if base_offset <= self._expected:
            return False
        first, behind, looks = self._seen.get(self._partition, (-1, -1, 0))
        looks = looks + 1 if (first, behind) == (self._expected, base_offset) else 1
        self._seen[self._partition] = self._expected, base_offset, looks
        return looks <= _LOOKS_AT_A_HOLE


class ParsedRecords(fetcher.PartitionRecords):  # type: ignore[misc] # aiokafka is not typed
    """Hands records on as aiokafka's compiled parser made them, with offset, timestamp, key, value and headers.

    Its ConsumerRecord around each of them would cost a fifth of reading.
    """

    def __init__(self, tp: Any, records: Any, aborted: Any, fetch_offset: int, *others: Any) -> None:
        super().__init__(tp, WithoutHoles(tp, records, fetch_offset), aborted, fetch_offset, *others)

    def _consumer_record(self, _: Any, record: Any) -> Any:
        return record


# aiokafka's fetcher makes what stands here: whoever else reads with it in this process gets such records, too.
fetcher.PartitionRecords = ParsedRecords


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Fetches whole polls. Positions and seeks live in this thread, so that a poll's position is always true."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._positions: dict[TP, int] = {}
        self.log_ends: dict[TP, int] = {}
        """The end of each partition that is read, as of the last fetch: the offset behind its last readable record."""

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS_MAX  # noqa: SLF001 - Faust fixes 1,500 ms and has no setting
        # A transaction that was aborted never happened. Faust sets this only for transactions of its own.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        return consumer

    async def fetch(self) -> list[Poll]:
        """What has arrived for the partitions that are read; waits up to half a second for something."""
        return cast(list[Poll], await self.call_thread(self._fetch))

    async def start_reading(self, positions: Mapping[TP, int]) -> None:
        """Read these partitions from these offsets on."""
        await self.call_thread(self._start_reading, positions)

    async def stop_reading(self) -> None:
        """Read nothing until `start_reading`."""
        await self.call_thread(self._stop_reading)

    async def kafka_answers(self) -> bool:
        """Whether Kafka answers a metadata request within two seconds."""
        return bool(await self.call_thread(self._metadata_updated))

    async def commit_lanes(self, offsets: Mapping[TP, int]) -> None:
        """Tell Kafka, for lag tools, up to where the tables are complete. Fails quietly: no worker resumes from it."""
        await self.call_thread(self._commit_lanes, offsets)

    async def _fetch(self) -> list[Poll]:
        if not self._positions:
            await asyncio.sleep(_NOTHING_TO_READ_SECONDS)
            return []
        fetched = await self._fetch_records(self._ensure_consumer(), set(self._positions), timeout=_POLL_SECONDS)
        self._note_log_ends()
        polls = []
        for partition, records in fetched.items():
            tp = TP(partition.topic, partition.partition)
            position = self._positions.get(tp)
            if position is None:
                continue
            taken = Records.of(records, now_ms())
            deleted = records[0].offset > position and await self._deleted(partition, position)
            if self._positions.get(tp) != position:
                continue  # it was moved, or moved away, while Kafka was asked
            if deleted:
                del self._positions[tp]  # until its lane has been loaded again
            else:
                self._positions[tp] = records[-1].offset + 1
                metrics.SKIPPED_OFFSETS.inc(max(0, self._positions[tp] - position - len(records)))
            polls.append(Poll(tp, position, taken, deleted))
        return polls

    async def _deleted(self, partition: Any, position: int) -> bool:
        """Whether the log begins behind a position. Else a gap is the end of a transaction, or was compacted."""
        try:
            asked = self._ensure_consumer().beginning_offsets([partition])
            begins = await asyncio.wait_for(asked, _ANSWER_SECONDS)
        except (KafkaError, TimeoutError):
            return True  # not known: whoever loads the lane again asks until Kafka answers
        return bool(begins[partition] > position)

    async def _start_reading(self, positions: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, offset in positions.items():
            if tp in self.assignment():
                consumer.seek(tp, offset)
                self._positions[tp] = offset

    async def _stop_reading(self) -> None:
        self._positions.clear()
        self.log_ends.clear()

    async def _metadata_updated(self) -> bool:
        # Ends in this thread: it runs two calls at a time, and one that hangs would hold up the reading.
        client = self._ensure_consumer()._client  # noqa: SLF001 - nothing public asks Kafka for so little
        try:
            return bool(await asyncio.wait_for(client.force_metadata_update(), _ANSWER_SECONDS))
        except TimeoutError:
            return False

    def _note_log_ends(self) -> None:
        consumer, assigned = self._ensure_consumer(), self.assignment()
        for tp in self._positions:
            if tp not in assigned:
                continue
            place = driver.ensure_aiokafka_TP(tp)
            end, stable = consumer.highwater(place), consumer.last_stable_offset(place)
            if end is not None:
                # A broker without transactions has no stable end.
                self.log_ends[tp] = end if stable is None or stable < 0 else min(end, stable)

    async def _commit_lanes(self, offsets: Mapping[TP, int]) -> None:
        assigned = self.assignment()
        ours = {driver.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in assigned}
        try:
            if ours:
                await self._ensure_consumer().commit(ours)
        except KafkaError as error:
            self.log.info("Offsets not committed, lag tools will lag: %r", error)


class BatchConsumer(driver.Consumer):
    """Hands polls to the agents, one Faust event each."""

    _thread: BatchConsumerThread

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def start_reading(self, positions: Mapping[TP, int]) -> None:
        """Read these partitions from these offsets on."""
        await self._thread.start_reading(positions)

    async def kafka_answers(self) -> bool:
        """Whether Kafka answers now, within two seconds."""
        return await self._thread.kafka_answers()

    @property
    def log_ends(self) -> Mapping[TP, int]:
        """Where the logs that are read end, as of the last fetch."""
        return dict(self._thread.log_ends)

    async def commit_lanes(self, offsets: Mapping[TP, int]) -> None:
        """Tell Kafka up to where the tables are complete."""
        await self._thread.commit_lanes(offsets)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Faust calls this once a rebalance is through: be silent until the lanes say where to read."""
        await self._thread.stop_reading()
        cast(LanesApp, self.app).lanes_assigned(frozenset(self.assignment()))
        return {}

    async def _drain_messages(self, fetcher: Any) -> None:
        """Poll and hand on until the fetcher is stopped; waits where a stream's buffer is full."""
        try:
            await self._hand_on(fetcher)
        except asyncio.CancelledError:
            # Amid a rebalance Faust takes it for a fetcher to be started again, and a worker asked to stop would crash.
            if not fetcher.should_stop:
                raise

    async def _hand_on(self, fetcher: Any) -> None:
        while not (self.should_stop or fetcher.should_stop):
            if not self.flow_active:
                await self.wait(cast(Any, self.can_resume_flow))
            for poll in await self._thread.fetch():
                # During a rebalance the rest of a fetch is dropped: its lane is loaded anew and reads it again.
                if self.flow_active:
                    await self.wait_first(self.callback(self._message(poll)), self.suspend_flow.wait())
            await asyncio.sleep(0)

    def _message(self, poll: Poll) -> ConsumerMessage:
        last = int(poll.records.offsets[-1])
        # Faust types the value as bytes and the times as never missing; it hands all of them on untouched.
        message: Any = ConsumerMessage
        return cast(
            ConsumerMessage,
            message(
                poll.tp.topic, poll.tp.partition, last, None, None, [], None, poll, None, 0, 0, poll.tp,
                generation_id=self.app.consumer_generation_id,
            ),
        )  # fmt: skip

    def ack(self, message: Any) -> bool:
        """Faust's acks decide nothing here."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's watch for stuck commits: it would look at commits that we do not make."""


class FaustProducer(driver.Producer):
    """Writes heartbeats and dead letters, and none of them to a topic that is about to be made anew."""

    @property
    def _producer_type(self) -> type[TopicFirstProducer]:
        return TopicFirstProducer


class Transport(driver.Transport):
    """`touchstream://`: Kafka through aiokafka, in batches."""

    Consumer = BatchConsumer
    Producer = FaustProducer
    driver_version = f"touchstream, {driver.Transport.driver_version}"


_NOT_PUBLIC: Mapping[type, tuple[str, ...]] = {
    driver.AIOKafkaConsumerThread: ("_create_worker_consumer", "_ensure_consumer", "_fetch_records", "call_thread"),
    driver.Consumer: ("_new_consumer_thread", "_drain_messages", "seek_to_committed", "ack"),
    driver.Producer: ("_producer_type",),
    ParsedRecords.__base__: ("_consumer_record",),
}
"""What is overridden or called here and may change with any version of Faust and aiokafka."""


class LibraryError(ValueError):
    """An installed library isn't one of the versions that this was made for."""


def check_libraries(parts: Mapping[type, tuple[str, ...]] = _NOT_PUBLIC) -> None:
    """Raises LibraryError where an installed Faust or aiokafka lacks a part that this transport overrides or calls.

    Without this a method that was renamed would simply not be called any more.
    """
    for owner, names in parts.items():
        if missing := [name for name in names if not hasattr(owner, name)]:
            library = owner.__module__.partition(".")[0]
            raise LibraryError(
                f"the installed {library} has no {', '.join(missing)} in {owner.__qualname__}: "
                "install the versions of requirements.lock"
            )


drivers.TRANSPORTS.aliases["touchstream"] = "touchstream.streams.worker.transport:Transport"
