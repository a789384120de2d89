"""Dead letters to their topic: the record as it came, and headers that say where it came from and why it is here."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from streams import metrics
from streams.measure.events import DeadLetter
from streams.measure.lane import Lane, LaneRow, LaneRows
from streams.measure.records import Headers

log = structlog.get_logger(__name__)

Send = Callable[[str, bytes | None, bytes | None, Headers], Awaitable[Any]]
"""(topic, key, value, headers), returning when Kafka has acknowledged."""

REPLAY_OF: Final = "touchstream-replay-of"
"""Header of a letter that was published again: log_id/partition/offset where it was refused first."""
REPLAY_ATTEMPT: Final = "touchstream-replay-attempt"
_RETRY_SECONDS: Final = 1.0
_SENT_AT_ONCE_MAX: Final = 500
_EXCERPT_BYTES: Final = 64 * 1024


class LetterTopic:
    """Writes dead letters to a topic and does not return before all are acknowledged."""

    def __init__(self, topic: str, send: Send) -> None:
        self._topic, self._send = topic, send

    async def send(self, row: LaneRow, letters: Iterable[DeadLetter]) -> None:
        """Send one lane's letters; tries again for as long as Kafka does not take them: nothing is dropped."""
        waiting = list(letters)
        for start in range(0, len(waiting), _SENT_AT_ONCE_MAX):
            await asyncio.gather(*(self._sent(row, letter) for letter in waiting[start : start + _SENT_AT_ONCE_MAX]))

    async def _sent(self, row: LaneRow, letter: DeadLetter) -> None:
        headers, value = letter_headers(row, letter), letter.value
        while True:
            try:
                await self._send(self._topic, letter.key, value, headers)
            except KafkaError as error:
                if isinstance(error, MessageSizeTooLargeError) and len(value or b"") > _EXCERPT_BYTES:
                    # The table keeps the whole; the topic takes what fits.
                    headers = [*headers, ("touchstream-truncated", str(len(value or b"")).encode())]
                    value = (value or b"")[:_EXCERPT_BYTES]
                    continue
                log.warning("dead letter not taken by Kafka, trying again", topic=self._topic, error=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return


@dataclass(frozen=True, eq=False)
class Sending:
    """What a lane wants written, how many rows of events and letters that is, and the sending of its letters."""

    lane: Lane
    rows: LaneRows
    size: int
    sent: "asyncio.Task[None]"


class Outbox:
    """Rows that wait until their lane's dead letters are acknowledged; a lane whose topic refuses holds up no other."""

    def __init__(self, topic: LetterTopic, patience_seconds: float) -> None:
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
        """Begin to send a lane's letters."""
        return Sending(lane, rows, size, asyncio.create_task(self._topic.send(rows.row, rows.letters)))

    async def acknowledged(self, sending: Sequence[Sending]) -> list[Sending]:
        """Those whose letters are acknowledged, also of what was held before; the others are held."""
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
        """Until some of what is held may go on, or for as long as a flush waits."""
        if self._held:
            sent = [one.sent for one in self._held.values()]
            await asyncio.wait(sent, timeout=self._patience_seconds, return_when=asyncio.FIRST_COMPLETED)

    def let_go(self) -> None:
        """Give up what is held: it was never said to be done, and the next owner does it again."""
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
    origin = {
        "__connect.errors.topic": row.topic,
        "__connect.errors.partition": str(row.partition),
        "__connect.errors.offset": str(letter.log_offset),
        "touchstream-log-id": row.log_id,
        "touchstream-reason": letter.reason.value,
    }
    return [*letter.headers, *((name, value.encode()) for name, value in origin.items())]


def replay_headers(headers: Iterable[tuple[bytes, bytes]], letter: str, attempt: int) -> list[tuple[str, bytes]]:
    """The record's own headers, and which letter it is: refused again, it is still the same one."""
    own = [(name.decode("utf-8", "replace"), value) for name, value in headers]
    kept = [(name, value) for name, value in own if name not in (REPLAY_OF, REPLAY_ATTEMPT)]
    return [*kept, (REPLAY_OF, letter.encode()), (REPLAY_ATTEMPT, str(attempt).encode())]
