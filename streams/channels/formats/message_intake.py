"""Foreign messages become events and are judged, whichever door they came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from touchstream.schemas.codec import from_fields
from touchstream.schemas.touchpoint import Refusal, Touchpoint
from touchstream.schemas.validity import canonical
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.event_ids import content_id
from touchstream.streams.channels.formats.message_conversion import Converted, Declined, MessageConverter
from touchstream.streams.channels.judged import JudgedEvents, Terms

IdOf = Callable[[Touchpoint, str], str]
"""The id of an event that came without one, by the rule that made it."""


@dataclass(frozen=True)
class MappedEvents:
    """What became of messages. skipped: those that are no events, by why."""

    judged: JudgedEvents = field(default_factory=JudgedEvents)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> int:
        """Those that were accepted and those that were refused."""
        return len(self.judged.records) + len(self.judged.refused)


class MessageIntake:
    """Makes events of messages, one by one.

    now_ms: what "the future" is ahead of. request: what the door knows besides, as `MessageConverter.outcomes` takes
    it. id_of: by default the content decides.
    """

    def __init__(
        self,
        converter: MessageConverter,
        encoder: Encoder,
        now_ms: int,
        terms: Terms,
        request: Mapping[str, Any],
        id_of: IdOf | None = None,
    ) -> None:
        self.found = MappedEvents()
        self._converter, self._encoder, self._now_ms, self._terms = converter, encoder, now_ms, terms
        self._request, self._id_of = request, id_of

    def add(self, message: Any, index: int, text: bytes) -> None:
        """One message. index: its place among those of its request; text: what is kept of it where it is no event.

        An event that could not be used is kept as the event it became, so that a replay can judge it again.
        """
        for _ in self.adding(message, index, text):
            pass

    def adding(self, message: Any, index: int, text: bytes) -> Iterator[None]:
        """The same in steps, of one event each."""
        for outcome in self._converter.each_outcome(message, self._request):
            if isinstance(outcome, Converted):
                self._add_event(outcome, index, text)
            elif isinstance(outcome, Declined):
                detail = f"{outcome.rule}: {outcome.detail}".removeprefix(": ")
                self.refuse(Refusal(index, outcome.reason, detail), text)
            else:
                self.found.skipped[outcome.why] += 1
            yield

    def refuse(self, refusal: Refusal, text: bytes) -> None:
        """A message that could not be read."""
        self.found.judged.refuse(refusal, text)

    def _add_event(self, converted: Converted, index: int, text: bytes) -> None:
        fields = converted.fields
        given = fields.get("event_id")
        event = from_fields(fields if given is not None else fields | {"event_id": "none yet"}, index)
        if isinstance(event, Touchpoint) and given is None:
            event = canonical(event)
            made = self._id_of(event, converted.rule) if self._id_of else content_id(event, self._converter.source)
            event = msgspec.structs.replace(event, event_id=made)
            fields = fields | {"event_id": made}
        try:
            kept = msgspec.json.encode(fields)
        except (TypeError, OverflowError, UnicodeEncodeError):
            kept = text
        self.found.judged.take(event, index, kept, self._encoder, self._now_ms, self._terms)
