"""Dead letters to their topic: the record as it came, and headers that say where it came from and why it is here."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from touchstream.schemas.lane_row import LaneRow
from touchstream.streams.broker.topics import DEAD_LETTER_MESSAGE_BYTES_MAX
from touchstream.streams.measure.events import DeadLetter
from touchstream.streams.measure.lane import Lane, LaneRows
from touchstream.streams.measure.records import Headers
from touchstream.streams.measure.refused import REFUSED, REFUSED_DETAIL, TRUNCATED, bytes_before_cut, values
from touchstream.streams.process import metrics

log = structlog.get_logger(__name__)

Send = Callable[[str, bytes | None, bytes | None, Headers], Awaitable[Any]]
"""(topic, key, value, headers), returning when Kafka has acknowledged."""

REPLAY_OF: Final = "touchstream-replay-of"
"""Header of a dead letter that was published again: log_id/partition/offset where it was refused first."""
REPLAY_ATTEMPT: Final = "touchstream-replay-attempt"
_NOT_REPLAYED: Final = (REPLAY_OF, REPLAY_ATTEMPT, REFUSED, REFUSED_DETAIL)
ALIKE: Final = "touchstream-alike"
"""Header of a dead letter in the topic that stands for others with its reason and value: how many it stands for."""
_ALIKE_MAX: Final = 10
"""Most dead letters of one flush with the same reason and value that are sent one by one. 300,000 empty records take
400 kB in a compressed batch; sent one by one, their dead letters would take a hundred times that, and minutes."""
_RETRY_SECONDS: Final = 1.0
_RETRY_SECONDS_MAX: Final = 10.0
_BATCH_BYTES: Final = 61
"""The header of a batch: a message is sent as a batch of its own where it is large."""
_RECORD_BYTES: Final = 32
_HEADER_BYTES: Final = 10
"""Lengths, offsets and times of a record, and lengths of a header: varints, at their longest."""
_SENT_AT_ONCE_MAX: Final = 500
_EXCERPT_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Message:
    """A dead letter as sent to its topic. An excerpt has the beginning of key and value, and no record headers."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    own_headers: Headers
    """Without those of the record."""
    is_excerpt: bool = False

    @classmethod
    def of(cls, row: LaneRow, letter: DeadLetter) -> "Message":
        """The whole dead letter of a lane."""
        return cls(letter.key, letter.value, letter_headers(row, letter), _origin(row, letter))

    def standing_for(self, letters: int) -> "Message":
        """One dead letter for this many alike ones; without its key and headers, which the others may not have."""
        headers = [*self.own_headers, (ALIKE, str(letters).encode())]
        return Message(None, self.value, headers, headers)

    @property
    def bytes(self) -> int:
        """An upper bound of what it takes in a batch (Kafka's record format 2), uncompressed."""
        headers = sum(_HEADER_BYTES + len(name.encode()) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers + _RECORD_BYTES

    def excerpt(self) -> "Message":
        """An excerpt that fits any topic; the table keeps the whole."""
        key, value = (None if one is None else one[:_EXCERPT_BYTES] for one in (self.key, self.value))
        headers = list(self.own_headers)
        if not values(headers, TRUNCATED):  # it came as an excerpt
            headers.append((TRUNCATED, str(len(self.value or b"")).encode()))
        return Message(key, value, headers, self.own_headers, is_excerpt=True)


def _passes(error: Exception) -> bool:
    """Whether an error may be temporary, so that the same message should be retried."""
    return isinstance(error, KafkaError) and not isinstance(error, MessageSizeTooLargeError | RecordTooLargeError)


class DeadLetterTopic:
    """Writes dead letters to a topic and does not return before all are acknowledged."""

    def __init__(self, topic: str, send: Send, bytes_max: int = DEAD_LETTER_MESSAGE_BYTES_MAX) -> None:
        """bytes_max: of a message as the client sends it, uncompressed; a larger one is sent as an excerpt."""
        self._topic, self._send, self._bytes_max = topic, send, bytes_max - _BATCH_BYTES

    async def send(self, row: LaneRow, letters: Iterable[DeadLetter]) -> None:
        """Send one lane's dead letters; retries until Kafka acknowledges them, so that none is dropped.

        The last of many that are alike stands for the rest; the table has each.
        """
        waiting = _messages(row, letters)
        for start in range(0, len(waiting), _SENT_AT_ONCE_MAX):
            await asyncio.gather(*map(self._sent, waiting[start : start + _SENT_AT_ONCE_MAX]))

    async def _sent(self, message: Message) -> None:
        if message.bytes > self._bytes_max:
            message = message.excerpt()
        retry_seconds = _RETRY_SECONDS
        while True:
            try:
                # The client takes no message without both; what has neither goes with an empty value.
                value = b"" if message.key is None and message.value is None else message.value
                await self._send(self._topic, message.key, value, message.headers)
            except Exception as error:
                # Whatever it is: an error that got away from here would end the worker, and the next one by the same
                # record. An excerpt holds nothing that a client or a broker could stumble over.
                if not message.is_excerpt and not _passes(error):
                    message = message.excerpt()
                    continue
                log.warning(
                    "Kafka doesn't acknowledge a dead letter; retrying", topic=self._topic, error=repr(error)[:300]
                )
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(2 * retry_seconds, _RETRY_SECONDS_MAX)
            else:
                return


def _messages(row: LaneRow, letters: Iterable[DeadLetter]) -> list[Message]:
    seen: dict[tuple[str, bytes | None], int] = {}
    last: dict[tuple[str, bytes | None], DeadLetter] = {}
    messages = []
    for letter in letters:
        alike = letter.reason.value, letter.value
        seen[alike] = seen.get(alike, 0) + 1
        if seen[alike] <= _ALIKE_MAX:
            messages.append(Message.of(row, letter))
        else:
            last[alike] = letter
    return messages + [Message.of(row, letter).standing_for(seen[alike] - _ALIKE_MAX) for alike, letter in last.items()]


@dataclass(frozen=True, eq=False)
class Sending:
    """The rows that a lane has to write, how many they are with dead letters, and the sending of these."""

    lane: Lane
    rows: LaneRows
    size: int
    sent: "asyncio.Task[None]"


class PendingDeadLetters:
    """Rows that wait until their lane's dead letters are acknowledged; a lane whose topic refuses holds up no other."""

    def __init__(self, topic: DeadLetterTopic, patience_seconds: float) -> None:
        """patience_seconds: how long the rows of other lanes wait as well."""
        self._topic, self._patience_seconds = topic, patience_seconds
        self._held: dict[int, Sending] = {}
        metrics.LANES_HELD.set_function(lambda: len(self._held))

    @property
    def held(self) -> Set[int]:
        """Partitions whose rows wait: nothing more may be taken from their lanes."""
        return self._held.keys()

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return sum(one.size for one in list(self._held.values()))

    def send(self, lane: Lane, rows: LaneRows, size: int) -> Sending:
        """Begin to send a lane's dead letters."""
        return Sending(lane, rows, size, asyncio.create_task(self._topic.send(rows.row, rows.letters)))

    async def acknowledged(self, sending: Sequence[Sending]) -> list[Sending]:
        """Those whose dead letters are acknowledged, also of what was held before; the others are held."""
        held = self._held
        try:
            if sending:
                await asyncio.wait([one.sent for one in sending], timeout=self._patience_seconds)
        except asyncio.CancelledError:
            _cancel(sending)
            raise
        if held is not self._held:  # let go meanwhile
            _cancel(sending)
            return [one for one in sending if _is_sent(one)]
        held |= {one.rows.row.partition: one for one in sending}
        done = [one for one in held.values() if _is_sent(one)]
        for one in done:
            del held[one.rows.row.partition]
        return done

    async def wait(self) -> None:
        """Wait until a held lane may continue, at most as long as a flush waits."""
        if self._held:
            sent = [one.sent for one in self._held.values()]
            await asyncio.wait(sent, timeout=self._patience_seconds, return_when=asyncio.FIRST_COMPLETED)

    def let_go(self) -> None:
        """Give up what is held: it was never recorded as done, and the next owner repeats it."""
        held, self._held = self._held, {}
        _cancel(held.values())


def _is_sent(one: Sending) -> bool:
    if not one.sent.done() or one.sent.cancelled():
        return False
    one.sent.result()  # raises what no retry mends
    return True


def _cancel(sending: Iterable[Sending]) -> None:
    for one in sending:
        one.sent.cancel()


def letter_headers(row: LaneRow, letter: DeadLetter) -> Headers:
    """The record's own headers, then Kafka Connect's names for its origin, then our reason. No personal data."""
    origin = _origin(row, letter)
    # The record's own headers with these names are in the table; readers of the topic would take them for ours.
    # Nor do those of a refusal go on, which would make a refused record of whatever is made of the letter.
    ours = {TRUNCATED, ALIKE, REFUSED, REFUSED_DETAIL, *(name for name, _ in origin)}
    return [*((name, value) for name, value in letter.headers if name not in ours), *origin]


def _origin(row: LaneRow, letter: DeadLetter) -> Headers:
    origin = {
        "__connect.errors.topic": row.topic,
        "__connect.errors.partition": str(row.partition),
        "__connect.errors.offset": str(letter.log_offset),
        "touchstream-log-id": row.log_id,
        "touchstream-reason": letter.reason.value,
    }
    had = bytes_before_cut(letter.headers)
    cut = [] if had is None else [(TRUNCATED, had)]
    return [*((name, value.encode()) for name, value in origin.items()), *cut]


def replay_headers(headers: Iterable[tuple[bytes, bytes]], letter: str, attempt: int) -> list[tuple[str, bytes]]:
    """The record's own headers, and the dead letter's name, which it keeps if it is refused again.

    That a door had refused it is left out: now it is an event, which its lane judges.
    """
    own = [(name.decode("utf-8", "replace"), value) for name, value in headers]
    kept = [(name, value) for name, value in own if name not in _NOT_REPLAYED]
    return [*kept, (REPLAY_OF, letter.encode()), (REPLAY_ATTEMPT, str(attempt).encode())]
