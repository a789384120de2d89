"""The event `Touchpoint`, the bounds of its values, and what a refusal says.

The record itself is declared in `touchpoint.avsc`; `Touchpoint` has the same fields in the same order. What a value may
be stands here as constants and is checked in `schemas.validity`, in one place for batches and for single events.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

import msgspec

EVENT_BYTES_MAX: Final = 1024 * 1024
"""An encoded event; what Kafka takes by default (`max.message.bytes`)."""

NAME_BYTES_MAX: Final = 1_000
"""Names and ids, in UTF-8. They become keys, labels and lines on a screen: a longer one is a payload gone astray."""

REVENUE_MINOR_MAX: Final = 10**12
"""Either sign. Nine million such events add up within 64 bits, in a pane that holds a few thousand."""

DURATION_MS_MAX: Final = 3_653 * 24 * 3_600 * 1_000
"""Ten years, leap days included. Longer is a clock or a unit gone wrong, and sums must fit in 64 bits."""

TIME_MS_MIN: Final = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * 1_000
TIME_MS_MAX: Final = int(datetime(2300, 1, 1, tzinfo=UTC).timestamp()) * 1_000 - 1
"""Years 1900 to 2299: what ClickHouse's `DateTime64(3)` holds. Beyond it an insert wraps around without an error."""

FUTURE_LIMIT_MS: Final = 10 * 60 * 1_000
"""How far `occurred_at` may lie ahead of its record's timestamp.

Clocks differ, but tomorrow would move the watermark.
"""

SCORE_MAX: Final = 1_000_000
"""Either sign: the widest scale that an instrument may declare."""

DETAIL_CHARS_MAX: Final = 300
"""A refusal's detail goes into a row, a log line and an HTTP answer: it shows the value, not all of it."""

SCALES: Final = {
    "nps": (0, 10),
    "csat": (1, 5),
    "ces": (1, 7),
    "sentiment": (-1, 1),
    "duration_ms": (0, DURATION_MS_MAX),
    "revenue_minor": (-REVENUE_MINOR_MAX, REVENUE_MINOR_MAX),
    "score": (-SCORE_MAX, SCORE_MAX),
}
"""Every number that an event can bring (times aside): the lowest and the highest value that counts.

A score has the scale of its instrument besides (`schemas.scales`).
"""

ACTIONS: Final = ("view", "click", "contact", "purchase", "return", "survey", "unsubscribe", "identify")
"""Those that are known here; any other name is one, too."""

OUTCOMES: Final = ("success", "failure", "abandoned")

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Touchpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One contact of one customer with one channel: the fields of `touchpoint.avsc`.

    Times are milliseconds since 1970 in UTC.
    The constructor checks nothing: `schemas.validity.check` does.
    """

    event_id: str
    occurred_at: Int64
    customer_id: str | None = None
    anonymous_id: str | None = None
    channel: str
    touchpoint: str
    stage: str | None = None
    journey: str | None = None
    segment: str | None = None
    action: str = "contact"
    outcome: str | None = None
    duration_ms: Int64 | None = None
    nps: Int32 | None = None
    csat: Int32 | None = None
    ces: Int32 | None = None
    sentiment: float | None = None
    revenue_minor: Int64 | None = None
    currency: str | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    received_at: Int64 | None = None
    source: str | None = None
    sent_by: str | None = None
    instrument: str | None = None
    score: float | None = None
    amends: str | None = None

    @property
    def key(self) -> bytes:
        """The Kafka key: the customer, else the anonymous id, in UTF-8. It keeps a customer in one lane."""
        return (self.customer_id or self.anonymous_id or "").encode()


_AVRO_TYPES: Final = {Int32 | None: "int", Int64 | None: "long", float | None: "double"}
NUMBERS: Final[Mapping[str, str]] = MappingProxyType(
    {field.name: _AVRO_TYPES[field.type] for field in msgspec.structs.fields(Touchpoint) if field.name in SCALES}
)
"""The fields of SCALES in an event's order, with their types in Avro: int, long or double."""
WHOLE_NUMBERS: Final = tuple(name for name, avro in NUMBERS.items() if avro != "double")
MICRO: Final = 1_000_000


def column_of(number: str) -> str:
    """The column that holds a number of NUMBERS once it is measured.

    Fractions are kept as whole millionths, so that sums don't depend on their order.
    """
    return f"{number}_micro" if NUMBERS[number] == "double" else number


NUMBER_COLUMNS: Final = tuple(map(column_of, NUMBERS))


class Reason(StrEnum):
    """Why an event could not be used. The codes are promises: dead letters, the gateway and dashboards carry them."""

    UNDECODABLE = "undecodable"
    UNKNOWN_SCHEMA = "unknown_schema"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_SCALE = "out_of_scale"
    FROM_THE_FUTURE = "from_the_future"
    TOO_OLD = "too_old"
    TOO_LARGE = "too_large"
    NO_CUSTOMER = "no_customer"
    CONTROL_REFUSED = "control_refused"
    """Not of an event: of a record that would steer a lane, and may not (`streams.measure.controls`)."""
    NOT_ALLOWED = "not_allowed"
    """At the gateway: the sender's key is not made for it."""


class Refusal(msgspec.Struct, frozen=True):
    """An event that is not used: its place in the batch (0 for a single event), the code, and what to mend in words.

    `detail` is cut to `DETAIL_CHARS_MAX` characters.
    """

    position: int
    reason: Reason
    detail: str

    def __post_init__(self) -> None:
        if len(self.detail) > DETAIL_CHARS_MAX:
            msgspec.structs.force_setattr(self, "detail", self.detail[: DETAIL_CHARS_MAX - 1] + "…")


def shown(value: object) -> str:
    """A value as a refusal shows it: quoted, control characters escaped, at most 100 characters."""
    if isinstance(value, str):
        value = value[:100]  # before repr(), which would walk a megabyte
    text = ascii(value) if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 100 else text[:99] + "…"


_WANTED: Final = {
    "attributes": "send an object of texts",
    **dict.fromkeys(NUMBERS, "send a number"),
    **dict.fromkeys(("occurred_at", "received_at", *WHOLE_NUMBERS), "send a whole number"),
}


def said_of_types(error: msgspec.ValidationError, fields: Mapping[str, object]) -> str:
    """What a refusal says of a value of a wrong type: field, value and what to send."""
    place = re.search(r"`\$\.(\w+)(\S*)`", str(error))
    if place is None or place[1] not in fields:
        return str(error)
    name, value = place[1], fields[place[1]]
    if name == "attributes" and isinstance(value, dict):
        at, value = next(((at, one) for at, one in value.items() if not isinstance(one, str)), ("", value))
        return f"attributes.{str(at)[:100]} is {shown(value)}; send a text"
    return f"{name} is {shown(value)}; {_WANTED.get(name, 'send a text')}"
