"""Events on their way to Kafka, judged one by one: those that can be used, and what is kept of the others."""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass, field
from typing import Final

import msgspec

from touchstream.schemas.codec import Undecodable, parse_json
from touchstream.schemas.scales import Scales
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, NAME_BYTES_MAX, Reason, Refusal, Touchpoint, shown
from touchstream.schemas.validity import canonical, check
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.measure.records import Headers
from touchstream.streams.measure.refused import ORIGIN, REFUSED, REFUSED_DETAIL, SENT_BY, TRUNCATED

EXCERPT_BYTES: Final = 64 * 1024
_BLANK: Final = b" \t\r\n"


@dataclass(frozen=True)
class Bounds:
    """What the events of a key may say: names that are allowed, None where all are.

    sources: of an event that names none it is the channel.
    """

    channels: frozenset[str] | None = None
    actions: frozenset[str] | None = None
    sources: frozenset[str] | None = None


ANYTHING: Final = Bounds()


class GivenId(msgspec.Struct, frozen=True):
    """The `event_id` that the gateway gave to the event at `index`, which had none."""

    index: int
    event_id: str


class RefusedEvent(msgspec.Struct, frozen=True):
    """An event that can't be used: its place among the request's events, from 0, and what to mend."""

    index: int
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Record:
    """An event for Kafka: its key and its bytes. Headers are of what was refused (`streams.measure.refused`).

    topic: another one than that of events.
    """

    key: bytes | None
    value: bytes
    headers: Headers = ()
    topic: str | None = None


@dataclass(frozen=True)
class Terms:
    """What a sender's events are judged by.

    bounds: what its key may speak of. sent_by: its name, kept with each event whatever the event claims. void_ids: what
    is no id. received_at: when they were received (ms since 1970), where that is not now. scales: of declared
    instruments; None where they are not known.
    """

    bounds: Bounds = ANYTHING
    sent_by: str | None = None
    void_ids: VoidIds = DEFAULT_VOID_IDS
    received_at: int | None = None
    scales: Scales | None = None


@dataclass(frozen=True)
class JudgedEvents:
    """A request's events, parted. refused_texts: what is kept of each that was refused."""

    records: list[Record] = field(default_factory=list)
    refused: list[RefusedEvent] = field(default_factory=list)
    refused_texts: list[bytes] = field(default_factory=list)
    given_ids: list[GivenId] = field(default_factory=list)

    def take(
        self, event: Touchpoint | Refusal, index: int, text: bytes, encoder: Encoder, now_ms: int, terms: Terms
    ) -> Touchpoint | None:
        """Judge an event by the rules of all doors; what it is in Kafka, or None if it was refused.

        text: what is kept of it if it is refused. now_ms: when it was received, if its terms don't say, and what "the
        future" is ahead of.
        """
        if isinstance(event, Refusal):
            self.refuse(event, text)
            return None
        refusal = _why_refused(event, index, now_ms, terms)
        if refusal is not None:
            self.refuse(refusal, text)
            return None
        event = msgspec.structs.replace(event, received_at=terms.received_at or now_ms, sent_by=terms.sent_by)
        value = encoder.event(event)
        if len(value) > EVENT_BYTES_MAX:
            detail = f"{len(value)} bytes; an event has at most {EVENT_BYTES_MAX}"
            self.refuse(Refusal(index, Reason.TOO_LARGE, detail), text)
            return None
        self.records.append(Record(event.key, value))
        return event

    def refuse(self, refusal: Refusal, text: bytes) -> None:
        """Note a refusal, whose position is the index of what was sent, and what is kept of it."""
        self.refused.append(RefusedEvent(refusal.position, refusal.reason, refusal.detail))
        self.refused_texts.append(text)


NO_TERMS: Final = Terms()


def refused_record(refused: RefusedEvent, text: bytes, sent_by: str | None, origin: str | None = None) -> Record:
    """The record of an event that was refused, of which its lane makes a dead letter.

    text: what is kept of it. origin: the record that it was read from.
    """
    stripped = text.removeprefix(BOM_UTF8).strip(_BLANK)
    if stripped.startswith((b"{", b"[")):  # as an event begins, if it is one once something is mended
        text = stripped
    said = {REFUSED: refused.reason.value, REFUSED_DETAIL: refused.detail}
    if sent_by is not None:
        said[SENT_BY] = sent_by
    if origin is not None:
        said[ORIGIN] = origin
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


def _why_refused(event: Touchpoint, index: int, now_ms: int, terms: Terms) -> Refusal | None:
    outside = _outside(canonical(event), terms.bounds)
    if outside:
        return Refusal(index, Reason.NOT_ALLOWED, outside)
    refusal = check(event, now_ms, terms.void_ids, terms.scales)
    return None if refusal is None else Refusal(index, refusal.reason, refusal.detail)


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
