"""`POST /v1/annotations`: what happened, from those who may send events."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from touchstream.schemas.annotations import (
    ID_CHARS_MAX,
    KINDS,
    LINK_CHARS_MAX,
    PLAIN,
    TEXT_CHARS_MAX,
    Annotation,
    AnnotationError,
    read_annotation,
)
from touchstream.schemas.times import instant
from touchstream.schemas.touchpoint import shown
from touchstream.streams.broker.annotations import message_of
from touchstream.streams.broker.topics import ANNOTATIONS_TOPIC
from touchstream.streams.channels.event_ids import new_event_id
from touchstream.streams.channels.gateway.problems import Problem
from touchstream.streams.channels.gateway.senders import Sender
from touchstream.streams.channels.judged import Record

ANNOTATIONS: Final = "/v1/annotations"
ANNOTATION_BYTES_MAX: Final = 16_384
"""An annotation has some names, a text of 1,000 characters and a link."""


_NAME: Final = {"type": ["string", "null"], "maxLength": 255, "pattern": PLAIN}
_WORDS: Final = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
_LINK: Final = r"^(https?://[^\x00-\x20\x7f]+)?$"
_MOMENT: Final = {"type": "string", "format": "date-time"}
ANNOTATION_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX, "pattern": PLAIN},
        "text": {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS_MAX, "pattern": _WORDS},
        "kind": {"enum": list(KINDS)},
        "at": _MOMENT | {"description": "Between 2000 and two years from now; with its zone."},
        "until": {"anyOf": [_MOMENT, {"type": "null"}], "description": "At or after `at`, at most 90 days later."},
        **dict.fromkeys(("journey", "stage", "channel", "segment"), _NAME),
        "source": {"type": "string", "maxLength": 255, "pattern": PLAIN},
        "link": {"type": "string", "maxLength": LINK_CHARS_MAX, "pattern": _LINK, "description": "Empty: none."},
        "exclude": {"type": "boolean", "description": "Its span leaves what is usual; it needs `until`."},
    },
    "required": ["text"],
    "additionalProperties": False,
}
"""An annotation as it is sent, as JSON Schema."""


def annotation_record(body: bytes, now_ms: int, sender: Sender, topic: str) -> tuple[Annotation, Record]:
    """An annotation and its record. Without an id it gets one, without `at` it is of now. Raises Problem: 400, 403.

    source is the name of the sender's key, where it has one.
    """
    now = instant(now_ms)
    try:
        said = read_annotation(body, now, {"id": new_event_id(), "at": _text(now)})
    except AnnotationError as error:
        raise Problem(400, "No annotation", str(error)) from None
    channels = sender.bounds.channels
    if channels is not None and said.channel not in channels:
        raise Problem(
            403,
            "Not allowed",
            f"channel is {'missing' if said.channel is None else shown(said.channel)}; this key may speak of"
            f" {', '.join(shown(one) for one in sorted(channels))}",
        )
    if sender.sent_by is not None:
        said = msgspec.structs.replace(said, source=sender.sent_by)
    key, value = message_of(topic, said)
    return said, Record(key, value, topic=ANNOTATIONS_TOPIC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
