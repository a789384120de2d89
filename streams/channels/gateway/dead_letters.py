"""What is refused, for the log: its lane makes dead letters of it (docs/decisions/0023). A bounded number a minute."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from touchstream.schemas.codec import Undecodable, parse_json
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, NAME_BYTES_MAX
from touchstream.streams.channels.files.lines import UTF8_BOM
from touchstream.streams.channels.gateway.intake import Record
from touchstream.streams.channels.gateway.problems import RefusedEvent
from touchstream.streams.measure.refused import REFUSED, REFUSED_DETAIL, SENT_BY, TRUNCATED

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
        """The first of a request's refused texts, which `refused` names by index, as far as there is room.

        `give_back` the room if Kafka doesn't take them.
        """
        some = refused[: self._room(owner, len(refused))]
        return [_letter(one, texts[one.index], sent_by) for one in some]

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


def _letter(refused: RefusedEvent, text: bytes, sent_by: str | None) -> Record:
    text = text.removeprefix(UTF8_BOM).strip(_BLANK)  # as an event begins, if it is one once something is mended
    said = {REFUSED: refused.reason.value, REFUSED_DETAIL: refused.detail}
    if sent_by is not None:
        said[SENT_BY] = sent_by
    key = _key(text)
    if len(text) > EVENT_BYTES_MAX:
        said[TRUNCATED] = str(len(text))
        text = text[:EXCERPT_BYTES]
    return Record(key, text, tuple((name, value.encode()) for name, value in said.items()))


def _key(text: bytes) -> bytes | None:
    """The Kafka key of the event, if it identifies a customer: its dead letter then returns to that customer's lane."""
    try:
        fields = parse_json(text)
    except Undecodable:
        return None
    if not isinstance(fields, dict):
        return None
    given = fields.get("customer_id") or fields.get("anonymous_id")
    key = given.encode() if isinstance(given, str) else b""
    return key if 0 < len(key) <= NAME_BYTES_MAX else None
