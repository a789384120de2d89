"""An annotation: what is said to have happened, when, and where. Checked by the same rules at every door."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from touchstream.schemas.alert_state import Group
from touchstream.schemas.touchpoint import shown

Kind = Literal["deploy", "campaign", "outage", "price", "other"]
KINDS: Final = get_args(Kind)
ID_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 1_000
LINK_CHARS_MAX: Final = 2_000
_NAME_CHARS_MAX: Final = 255
_SPAN_MAX: Final = timedelta(days=90)
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_AHEAD_MAX: Final = timedelta(days=730)
PLAIN: Final = r"^[^\x00-\x1f\x7f]*$"
"""Texts and names without control characters, as a pattern of JSON Schema."""
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f]*")


class AnnotationError(ValueError):
    """It can't be used; the message says what to mend."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What happened, from `at` until `until` (at once without it), and where: a name that is missing means everywhere.

    id: the last annotation with an id counts. source: who says so. exclude: nothing begins to fire in its span, and
    what was counted in it is not part of what is usual.
    """

    id: str
    at: datetime
    text: str
    kind: Kind = "other"
    until: datetime | None = None
    journey: str | None = None
    stage: str | None = None
    channel: str | None = None
    segment: str | None = None
    source: str = ""
    link: str = ""
    exclude: bool = False

    @property
    def end(self) -> datetime:
        """When it was over."""
        return self.until or self.at

    def concerns(self, group: Group) -> bool:
        """Whether it says something of a group: none of the names that both have is another one."""
        pairs = ((self.journey, group.journey), (self.stage, group.stage), (self.channel, group.channel),
                 (self.segment, group.segment))  # fmt: skip
        return all(said is None or name is None or said == name for said, name in pairs)

    def covers(self, group: Group) -> bool:
        """Whether a group lies wholly in its scope."""
        pairs = ((self.journey, group.journey), (self.stage, group.stage), (self.channel, group.channel),
                 (self.segment, group.segment))  # fmt: skip
        return all(said is None or said == name for said, name in pairs)


def checked(annotation: Annotation, now: datetime) -> Annotation:
    """The annotation, with its times in UTC. Raises AnnotationError."""
    _require(0 < len(annotation.id) <= ID_CHARS_MAX, f"id must have 1 to {ID_CHARS_MAX} characters")
    _require(len(annotation.text.strip()) > 0 and len(annotation.text) <= TEXT_CHARS_MAX,
             f"text must have 1 to {TEXT_CHARS_MAX} characters")  # fmt: skip
    for name in ("journey", "stage", "channel", "segment", "source"):
        value = getattr(annotation, name)
        _require(value is None or len(value) <= _NAME_CHARS_MAX, f"{name} may have {_NAME_CHARS_MAX} characters")
    for name in ("id", "text", "journey", "stage", "channel", "segment", "source", "link"):
        value = getattr(annotation, name)
        _require(
            value is None or _PLAIN.fullmatch(value) is not None, f"{name} has a control character: {shown(value)}"
        )
    at, until = _utc("at", annotation.at), None if annotation.until is None else _utc("until", annotation.until)
    _require(_EARLIEST <= at <= now + _AHEAD_MAX, "at must be between 2000 and two years from now")
    _require(until is None or at <= until <= at + _SPAN_MAX, "until must be at or after at, and at most 90 days later")
    _require(not annotation.exclude or until is not None, "exclude needs until: a span that leaves what is usual ends")
    _require(
        not annotation.link or (len(annotation.link) <= LINK_CHARS_MAX and _is_link(annotation.link)),
        f"link must be an address such as https://host/path, of at most {LINK_CHARS_MAX} characters",
    )
    return msgspec.structs.replace(annotation, at=at, until=until)


def read_annotation(text: bytes, now: datetime, defaults: dict[str, Any]) -> Annotation:
    """An annotation from a JSON object; `defaults` are for what it lacks. Raises AnnotationError."""
    try:
        fields = msgspec.json.decode(text)
        if not isinstance(fields, dict):
            raise AnnotationError(f"an annotation is a JSON object, not {shown(fields)}")
        return checked(msgspec.convert(defaults | fields, Annotation), now)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise AnnotationError(f"is no annotation: {error}") from None


def _utc(name: str, moment: datetime) -> datetime:
    _require(moment.tzinfo is not None, f"{name} needs a zone: 2026-11-30T14:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise AnnotationError(f"{name} is no time that there is") from None


def _is_link(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _require(is_so: bool, message: str) -> None:
    if not is_so:
        raise AnnotationError(message)
