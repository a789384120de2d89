"""A request of a foreign system: its messages mapped to events, each judged as the other doors judge it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from touchstream.schemas.codec import Undecodable, name_twice, parse_json
from touchstream.schemas.touchpoint import Reason, Refusal
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.formats.amounts import ValueRefused
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_intake import MappedEvents, MessageIntake
from touchstream.streams.channels.gateway.body import EVENTS_MAX, why_no_json
from touchstream.streams.channels.gateway.problems import too_large
from touchstream.streams.channels.judged import Terms

SLICE_STEPS: Final = 25
"""Events that are made, and messages that are none, before others have their turn: some milliseconds."""


READ_ASIDE_BYTES: Final = 64 * 1024
"""A text that is longer is read in a thread: some milliseconds, of which the largest takes a few hundred."""


class MappedIntake:
    """Makes events of the documents of one request.

    prepare: makes a document one that the mapping reads; what it leaves out is not kept either.
    """

    def __init__(
        self,
        converter: MessageConverter,
        encoder: Encoder,
        now_ms: int,
        terms: Terms,
        prepare: Callable[[Any], Any] | None = None,
    ) -> None:
        self._converter, self._prepare = converter, prepare
        self._intake = MessageIntake(converter, encoder, now_ms, terms, {"received_at": now_ms})
        self._messages = self._steps = 0

    async def take(self, texts: Sequence[bytes]) -> MappedEvents:
        """The events of JSON texts. `index` of a refusal counts the request's messages from 0.

        An event that could not be used is kept as the event it became, so that a replay can judge it again; a message
        that did not become one is kept as it is. Raises Undecodable if none of the texts is JSON, and Problem (413) for
        more than EVENTS_MAX events.
        """
        readable = not texts
        first: Undecodable | None = None
        for text in texts:
            try:
                document, twice = await _read(text)
            except Undecodable as error:
                first = first or error
                self._intake.refuse(Refusal(self._next(), Reason.UNDECODABLE, why_no_json(text)), text)
                continue
            readable = True
            await self._add(document, text, twice)
        if first and not readable:
            raise first
        return self._intake.found

    async def _add(self, document: Any, text: bytes, twice: Refusal | None) -> None:
        if self._prepare is not None:
            try:
                document = self._prepare(document)
            except Undecodable as error:
                self._intake.refuse(Refusal(self._next(), Reason.UNDECODABLE, str(error)), text)
                return
            text = msgspec.json.encode(document)
        if twice is not None:
            self._intake.refuse(Refusal(self._next(), twice.reason, twice.detail), text)
            return
        try:
            messages = self._converter.messages(document)
        except ValueRefused as error:
            self._intake.refuse(Refusal(self._next(), error.reason, error.detail), text)
            return
        for message in messages:
            kept = text if message is document else msgspec.json.encode(message)
            for _ in self._intake.adding(message, self._next(), kept):
                self._steps += 1
                if self._steps % SLICE_STEPS == 0:
                    await asyncio.sleep(0)
                if self._intake.found.events > EVENTS_MAX:
                    raise too_large(f"a request makes at most {EVENTS_MAX} events; send several requests")

    def _next(self) -> int:
        self._messages += 1
        return self._messages - 1


async def _read(text: bytes) -> tuple[Any, Refusal | None]:
    """The document of a text, and why it is refused where a name stands twice in it. Raises Undecodable."""
    if len(text) > READ_ASIDE_BYTES:
        return await asyncio.to_thread(_document, text)
    return _document(text)


def _document(text: bytes) -> tuple[Any, Refusal | None]:
    return parse_json(text), name_twice(text)
