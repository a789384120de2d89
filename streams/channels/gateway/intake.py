"""A request's events, judged one by one: those that go to Kafka, and the refusals of the others.

One by one, and not in columns as files are: a frame costs five milliseconds however few events it has, an event by
itself 35 µs, and most requests have one or a hundred.
"""

from __future__ import annotations

import asyncio
from typing import Final

from touchstream.schemas.codec import Undecodable, decode_json, from_fields, parse_json
from touchstream.schemas.touchpoint import Reason, Refusal, Touchpoint, shown
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.event_ids import new_event_id
from touchstream.streams.channels.gateway.body import EventTexts, why_no_json
from touchstream.streams.channels.judged import NO_TERMS, GivenId, JudgedEvents, Terms

SLICE_EVENTS: Final = 100  # four milliseconds; then others have their turn


async def judge(events: EventTexts, encoder: Encoder, now_ms: int, terms: Terms = NO_TERMS) -> JudgedEvents:
    """Reads, completes and checks events; `now_ms` is when they were received, and what "the future" is ahead of.

    Raises Undecodable if none of them is JSON.
    """
    judged = JudgedEvents()
    unreadable: Undecodable | None = None
    readable = not events.texts
    for index, text in enumerate(events.texts):
        if index % SLICE_EVENTS == SLICE_EVENTS - 1:
            await asyncio.sleep(0)
        try:
            _judge(judged, text, index, encoder, now_ms, terms)
            readable = True
        except Undecodable as error:
            unreadable = unreadable or error
            judged.refuse(Refusal(index, Reason.UNDECODABLE, why_no_json(text)), text)
    if unreadable and not readable:
        raise unreadable
    return judged


def _judge(judged: JudgedEvents, text: bytes, index: int, encoder: Encoder, now_ms: int, terms: Terms) -> None:
    event, given_id = _read(text, index)
    taken = judged.take(event, index, text, encoder, now_ms, terms)
    if given_id and taken is not None:
        judged.given_ids.append(GivenId(index, taken.event_id))


def _read(text: bytes, index: int) -> tuple[Touchpoint | Refusal, bool]:
    """The event, and whether it was given its id here. Raises Undecodable if it is no JSON."""
    event = decode_json(text, index)
    if isinstance(event, Touchpoint) or event.reason not in (Reason.UNDECODABLE, Reason.MISSING_FIELD):
        return event, False
    fields = parse_json(text)
    if not isinstance(fields, dict):
        return Refusal(index, Reason.WRONG_TYPE, f"an event is a JSON object, not {shown(fields)}"), False
    if event.reason == Reason.UNDECODABLE or fields.get("event_id") is not None:  # a name twice, or a field missing
        return event, False
    return from_fields(fields | {"event_id": new_event_id()}, index), True
