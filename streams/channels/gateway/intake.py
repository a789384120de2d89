"""A request's events, judged one by one: those that go to Kafka, and the refusals of the others.

One by one, and not in columns as files are: a frame costs five milliseconds however few events it has, an event by
itself 35 µs, and most requests have one or a hundred.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import msgspec

from touchstream.schemas.codec import Undecodable, decode_json, from_fields, parse_json
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, Reason, Refusal, Touchpoint, shown
from touchstream.schemas.validity import canonical, check
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.event_ids import new_event_id
from touchstream.streams.channels.gateway.body import EventTexts, why_no_json
from touchstream.streams.channels.gateway.key_lines import ANYTHING, Bounds
from touchstream.streams.channels.gateway.problems import GivenId, RefusedEvent
from touchstream.streams.measure.records import Headers

SLICE_EVENTS: Final = 100  # four milliseconds; then others have their turn


@dataclass(frozen=True)
class Record:
    """An event for Kafka: its key and its bytes. Headers are of what was refused (`streams.measure.refused`)."""

    key: bytes | None
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True)
class Judged:
    """A request's events, parted."""

    records: list[Record] = field(default_factory=list)
    refused: list[RefusedEvent] = field(default_factory=list)
    given_ids: list[GivenId] = field(default_factory=list)


@dataclass(frozen=True)
class Terms:
    """What a sender's events are judged by.

    bounds: what its key may speak of. sent_by: its name, kept with each event whatever the event claims. void_ids: what
    is no id.
    """

    bounds: Bounds = ANYTHING
    sent_by: str | None = None
    void_ids: VoidIds = DEFAULT_VOID_IDS


NO_TERMS: Final = Terms()


async def judge(events: EventTexts, encoder: Encoder, now_ms: int, terms: Terms = NO_TERMS) -> Judged:
    """Reads, completes and checks events; `now_ms` is when they were received, and what "the future" is ahead of.

    Raises Undecodable if none of them is JSON.
    """
    judged = Judged()
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
            _refuse(judged, Refusal(index, Reason.UNDECODABLE, why_no_json(text)))
    if unreadable and not readable:
        raise unreadable
    return judged


def _judge(judged: Judged, text: bytes, index: int, encoder: Encoder, now_ms: int, terms: Terms) -> None:
    event, given_id = _read(text, index)
    if isinstance(event, Refusal):
        return _refuse(judged, event)
    outside = _outside(canonical(event), terms.bounds)
    if outside:
        return _refuse(judged, Refusal(index, Reason.NOT_ALLOWED, outside))
    refusal = check(event, now_ms, terms.void_ids)
    if refusal is not None:
        return _refuse(judged, Refusal(index, refusal.reason, refusal.detail))
    event = msgspec.structs.replace(event, received_at=now_ms, sent_by=terms.sent_by)
    value = encoder.event(event)
    if len(value) > EVENT_BYTES_MAX:
        detail = f"{len(value)} bytes; an event has at most {EVENT_BYTES_MAX}"
        return _refuse(judged, Refusal(index, Reason.TOO_LARGE, detail))
    judged.records.append(Record(event.key, value))
    if given_id:
        judged.given_ids.append(GivenId(index, event.event_id))
    return None


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


def _outside(event: Touchpoint, bounds: Bounds) -> str:
    """Which of its names the sender's key is not made for; empty if it may send the event."""
    source = event.source or event.channel
    for name, value, allowed in (
        ("channel", event.channel, bounds.channels),
        ("action", event.action, bounds.actions),
        ("source", source, bounds.sources),
    ):
        if allowed is not None and value not in allowed:
            return (
                f"{name} is {shown(value)}; this key may send {', '.join(shown(one) for one in sorted(allowed))}:"
                f" use the key that is made for it, or add it to the key's line"
            )
    return ""


def _refuse(judged: Judged, refusal: Refusal) -> None:
    judged.refused.append(RefusedEvent(refusal.position, refusal.reason, refusal.detail))
