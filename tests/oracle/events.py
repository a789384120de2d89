"""Events for random logs: small alphabets of everything, what is wrong with some, and the bytes that they become."""

import io
import json
import math
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import fastavro

from tests.oracle.decode import READER_SCHEMA, fingerprint
from tests.oracle.log import WriterSchemas
from tests.oracle.validate import (
    DURATION_MS_MAX,
    REVENUE_MINOR_MAX,
    SCALES,
    TIME_MS_MAX,
    TIME_MS_MIN,
    UNIT_MISTAKEN_MS,
)

T = TypeVar("T")
Event = dict[str, Any]
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

IDS = 12  # repeat often among thirty records
CUSTOMERS = ("ann", "bob", "cid", "", None, "Ünal 🛫", "'); --", "ann\x00")
CHANNELS = ("web", "shop", "phone", "a channel nobody declared")
TOUCHPOINTS = ("checkout", "ad", "parcel", "nowhere", "chat")
STAGES = (None, None, None, "purchase", "made up", "")
JOURNEYS = (None, None, None, "default", "another")
SEGMENTS = (None, None, "new", "")
ACTIONS = ("contact", "purchase", "return", "survey", "unsubscribe")
OUTCOMES = (None, "success", "failure", "abandoned", None)
DURATIONS_MS = (None, 0, 1, 2, 3, 999, 40 * DAY, None)
NPS = (None, *range(11), None)
CSAT = (None, *range(1, 6), None)
CES = (None, *range(1, 8), None)
SENTIMENTS = (None, 0.0, 1.0, -1.0, 0.1, -0.3333333, 1.5e-6, 2.5e-6, -0.0, None)
REVENUES = (None, 0, 1, -1, 1999, 10**9, None)
SOURCES = (None, None, None, "shop", "web", "")
CURRENCIES = ("EUR", "GBP", "KWD")
ANSWERS: tuple[tuple[str | None, float | None], ...] = (
    *((None, None),) * 12,
    ("stars", 4.0), ("stars", 5), ("Stars ", 1.0), ("helpful", 1.0), ("helpful", 0.0), ("slider", 2.5),
    ("slider", -0.5),
    ("nps", 9.0), ("NPS", 0), ("csat", 4.0), ("stars", 6.0), ("helpful", 0.5), ("slider", 0.1), ("unheard of", 1.0),
    ("stars", None), (None, 3.0), ("csat", 9.0), ("", None), ("ces", 2.5),
)  # fmt: skip
AMENDS = (*(None,) * 14, "e0", "e1", "", "e2", "nobody's", "undefined", "0")
ATTRIBUTES: tuple[dict[str, str], ...] = ({}, {}, {"a": "b"}, {"": "", "ü": "'"})
# occurred_at after the record's timestamp: on both sides of lateness (30 s, 60 s), of panes, of ten minutes ahead
SHIFTS_MS = (
    0, 0, 0, 1, -1, -1_000, -9_999, -10_000, -30_000, -30_001, -MINUTE, -MINUTE - 1, -5 * MINUTE, -HOUR,
    -DAY, -DAY - 1, -2 * DAY, -2 * DAY - 1, -400 * DAY, 10 * MINUTE, 10 * MINUTE + 1,
)  # fmt: skip


class Choices:
    """Bytes, each of which chooses one of some options; the lower the byte, the earlier the option. Ends in zeros."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def byte(self) -> int:
        """The next byte."""
        return next(self._bytes, 0)

    def of(self, options: Sequence[T]) -> T:
        """One of at most 256 options."""
        return options[next(self._bytes, 0) * len(options) >> 8]


def event(choices: Choices, record_at: int, unique: int) -> Event:
    """A touchpoint event that the lane can count, or refuse for its time or its lack of a customer only."""
    number = choices.byte()
    made: Event = {
        "event_id": f"e{number % IDS}" if number < 128 else f"u{unique}",
        "occurred_at": record_at + choices.of(SHIFTS_MS),
        "customer_id": choices.of(CUSTOMERS),
        "anonymous_id": choices.of(CUSTOMERS),
        "channel": choices.of(CHANNELS),
        "touchpoint": choices.of(TOUCHPOINTS),
        "stage": choices.of(STAGES),
        "journey": choices.of(JOURNEYS),
        "segment": choices.of(SEGMENTS),
        "action": choices.of(ACTIONS),
        "outcome": choices.of(OUTCOMES),
        "duration_ms": choices.of(DURATIONS_MS),
        "nps": choices.of(NPS),
        "csat": choices.of(CSAT),
        "ces": choices.of(CES),
        "sentiment": choices.of(SENTIMENTS),
        "revenue_minor": choices.of(REVENUES),
        "currency": choices.of(CURRENCIES),
        "attributes": choices.of(ATTRIBUTES),
        "received_at": choices.of((None, record_at)),
        "source": choices.of(SOURCES),
        "sent_by": choices.of((None, None, "a key")),
        "amends": choices.of(AMENDS),
    }
    made |= dict(zip(("instrument", "score"), choices.of(ANSWERS), strict=True))
    others = {name: scale for name, scale in SCALES.items() if name not in made}
    return made | {name: choices.of((None, low, low + 1, high, None)) for name, (low, high) in others.items()}


def amendment(choices: Choices, of: Event, record_at: int, unique: int) -> Event:
    """Another version of the answer that an event gave or amended, at times of an answer that is still to come."""
    answer = of.get("amends") or of["event_id"]
    return of | {
        "event_id": f"a{unique}",
        "amends": choices.of((answer,) * 6 + ("e0", "e1")),
        "occurred_at": choices.of((of["occurred_at"],) * 3 + tuple(record_at + shift for shift in SHIFTS_MS)),
        "touchpoint": choices.of((of["touchpoint"],) * 5 + TOUCHPOINTS),
        "nps": choices.of(NPS),
        "duration_ms": choices.of((of["duration_ms"],) * 8 + DURATIONS_MS),
    }


def _set(**fields: object) -> Callable[[Event], Event]:
    return lambda made: made | fields


def _without(name: str) -> Callable[[Event], Event]:
    return lambda made: {key: value for key, value in made.items() if key != name}


FAULTS: tuple[Callable[[Event], Event], ...] = (
    _set(nps=11), _set(nps=-1), _set(csat=0), _set(csat=6), _set(ces=0), _set(ces=8), _set(duration_ms=-1),
    _set(sentiment=1.0000001), _set(sentiment=-2.0), _set(customer_id=None, anonymous_id=None),
    _set(event_id=""), _set(channel=""), _set(event_id=None), _set(channel=7), _set(touchpoint=None), _set(nps="9"),
    _set(nps=9.0), _set(nps=9.5), _set(nps=True), _set(occurred_at=None), _set(occurred_at="yesterday"),
    _set(customer_id=5), _set(attributes=None), _set(attributes={"a": 1}), _set(attributes=[]), _set(outcome="maybe"),
    _set(sentiment="0.5"), _set(sentiment=1), _set(sentiment=math.nan), _set(sentiment=math.inf), _set(action=None),
    _set(action=""), _set(touchpoint=""), _set(revenue_minor=2**63), _set(revenue_minor=1e20), _set(currency="euro"),
    _set(currency=""), _set(outcome=""), _set(segment="s" * 1_001), _set(event_id="é" * 501), _set(event_id="é" * 500),
    _set(duration_ms=DURATION_MS_MAX), _set(duration_ms=DURATION_MS_MAX + 1), _set(revenue_minor=-REVENUE_MINOR_MAX),
    _set(revenue_minor=REVENUE_MINOR_MAX + 1), _set(received_at=TIME_MS_MAX), _set(received_at=TIME_MS_MIN - 1),
    _set(occurred_at=-10**8), _set(occurred_at=TIME_MS_MIN), _set(occurred_at=TIME_MS_MIN - 1), _set(occurred_at=1.5),
    _set(occurred_at=TIME_MS_MAX + 1), _set(occurred_at="2026-09-18"), _set(occurred_at="1"), _set(more={"deep": [1]}),
    *(_without(name) for name in ("event_id", "occurred_at", "customer_id", "channel", "touchpoint", "action")),
    _without("attributes"), _set(revenue_minor=1, currency=None), _set(currency="XYZ"), _set(action=" Purchase\n"),
    _set(action="PURCHASE"), _set(action=" "), _set(outcome="Success"), _set(customer_id="undefined"),
    _set(customer_id=" NULL "), _set(customer_id="0"), _set(anonymous_id="1.23E+12"), _set(anonymous_id=" "),
    _set(event_id="NaN"), _set(event_id="0"), _set(occurred_at=0), _set(occurred_at=1_782_900_000),
    _set(occurred_at=UNIT_MISTAKEN_MS), _set(occurred_at=UNIT_MISTAKEN_MS - 1), _set(attributes={"a": None, "b": "c"}),
    _set(instrument="stars", score=math.nan), _set(instrument="stars", score="5"), _set(instrument=5, score=5.0),
    _set(instrument="stars", score=4.0000001), _set(instrument="s" * 1_001, score=1.0),
    _set(occurred_at="2016-12-31t23:59:60z"), _set(occurred_at="2016-12-31T12:00:60Z"),
)  # fmt: skip


def _writers() -> dict[int, str]:
    """The current schema, an older one with fewer fields, a foreign one in another order and with more."""
    current = json.loads(READER_SCHEMA.read_text())
    fields: list[dict[str, Any]] = current["fields"]
    older = [field for field in fields if field["name"] not in ("ces", "sentiment", "attributes", "received_at")]
    narrower = {"duration_ms": ["null", "int"], "sentiment": ["null", "float"]}
    foreign = [{**field, "type": narrower.get(field["name"], field["type"])} for field in reversed(fields)]
    foreign.insert(3, {"name": "device", "type": "string", "default": "kiosk"})
    return {1: json.dumps(current)} | {
        number: json.dumps(current | {"fields": made}) for number, made in ((2, older), (3, foreign))
    }


WRITERS = _writers()
WRITER_SCHEMAS = WriterSchemas(by_id=WRITERS, known=tuple(WRITERS.values()))
_PARSED = {number: fastavro.parse_schema(json.loads(text)) for number, text in WRITERS.items()}
_FINGERPRINTS = {number: fingerprint(text) for number, text in WRITERS.items()}


def _json(made: Event) -> bytes:
    return json.dumps(made, ensure_ascii=False).encode()


def _json_with_dates(made: Event) -> bytes:
    at = made.get("occurred_at")
    if not isinstance(at, int) or not 0 <= at < 4_000_000_000_000:
        return _json(made)
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return _json(made | {"occurred_at": moment.replace("+00:00", "Z")})


def _avro(number: int, made: Event) -> bytes:
    body = io.BytesIO()
    fastavro.schemaless_writer(body, _PARSED[number], made)
    return body.getvalue()


def _single_object(number: int) -> Callable[[Event], bytes]:
    return lambda made: b"\xc3\x01" + _FINGERPRINTS[number] + _avro(number, made)


def _confluent(number: int) -> Callable[[Event], bytes]:
    return lambda made: b"\x00" + struct.pack(">i", number) + _avro(number, made)


ENCODINGS = (
    _json, _json, _single_object(1), _single_object(1), _single_object(1), _single_object(2), _single_object(3),
    _confluent(1), _confluent(2), _confluent(3), _json_with_dates,
)  # fmt: skip


def encode(choices: Choices, made: Event) -> bytes:
    """The bytes of an event; as JSON where the chosen Avro schema can't hold its faults."""
    try:
        return choices.of(ENCODINGS)(made)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError):
        return _json(made)


def damage(choices: Choices, value: bytes) -> bytes:
    """The bytes cut short, or with a byte in them that is no UTF-8."""
    where = choices.byte() * len(value) >> 8
    return value[:where] if choices.byte() < 128 else value.replace(b"web", b"w\xff\xfe").replace(b"e1", b"\xc3(")


_TOO_LARGE = b"{" + b" " * (1 << 20)
BROKEN_VALUES = (
    None, b"", b"{", b"{}", b"[]", b"[1]", b"null", b" {}", b"\x00", b"\x00\x00\x00\x00",
    b"\x00\x00\x00\x00\x63\x02a", b"\x00\xff\xff\xff\xff", b"\x00\x00\x00\x00\x01", b"\xc3", b"\xc3\x01",
    b"\xc3\x01short", b"\xc3\x0112345678" + b"x" * 20, b"\xc3\x02" + bytes(20), b"\xff" * 9, b'{"nps": 01}',
    b'{"sentiment": NaN}', b'{"event_id": "\\ud800"}', b'{"a": ' * 5000, b'{"a": 1} x', b"\xef\xbb\xbf{}",
    b"hello", _TOO_LARGE, b'{"a": {"b": 1, "\\u0062": 1}}',
    b'{"event_id": "e1", "occurred_at": 1790000000000, "customer_id": "ann", "channel": "web", "touchpoint": "ad",'
    b' "nps": 9, "nps" : 2}',
)  # fmt: skip
