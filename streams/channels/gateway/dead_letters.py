"""What is refused, for the log: its lane makes dead letters of it (docs/decisions/0023). A bounded number a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from touchstream.streams.channels.judged import Record, RefusedEvent, refused_record

EXCERPT_BYTES: Final = 64 * 1024
_BLANK: Final = b" \t\r\n"
_SECONDS_PER_MINUTE: Final = 60


class Letters:
    """Makes records of refused events, up to a limit per sender and minute; counts those beyond it."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._kept: dict[
            str, tuple[int, int]
        ] = {}  # the minute, and how many in it; an entry for each name in the file

    def of(
        self, refused: Sequence[RefusedEvent], texts: Sequence[bytes], owner: str, sent_by: str | None
    ) -> list[Record]:
        """The first of what a request was refused, with what is kept of each, as far as there is room.

        `give_back` the room if Kafka doesn't take them.
        """
        room = self._room(owner, len(refused))
        return [refused_record(one, text, sent_by) for one, text in zip(refused[:room], texts[:room], strict=True)]

    def give_back(self, owner: str, letters: int) -> None:
        """Return the places of records that were not delivered: they will be sent again."""
        minute, kept = self._kept.get(owner, (0, 0))
        self._kept[owner] = minute, max(0, kept - letters)

    def _room(self, owner: str, wanted: int) -> int:
        now = int(self._clock() // _SECONDS_PER_MINUTE)
        minute, kept = self._kept.get(owner, (now, 0))
        kept = kept if minute == now else 0
        room = min(wanted, self._per_minute - kept)
        self._kept[owner] = now, kept + room
        return room
