"""Dead letters to their topic: the record as it came, and headers that say where it came from and why it is here."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from streams.measure.events import DeadLetter
from streams.measure.lane import LaneRow
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
