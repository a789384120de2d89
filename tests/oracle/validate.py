"""What an event must be to be counted: the refusals of interfaces.md, by the bounds of `schemas/touchpoint.py`."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.oracle.decode import Refused

Fields = Mapping[str, Any]
SCHEMA = Path(__file__).parents[2] / "schemas" / "touchpoint.avsc"


def integer_bits() -> dict[str, int]:
    """The whole numbers of the event's schema, and in how many bits they must fit."""
    found: dict[str, int] = {}
    for field in json.loads(SCHEMA.read_text())["fields"]:
        one = field["type"][-1] if isinstance(field["type"], list) else field["type"]
        name = one["type"] if isinstance(one, dict) else one
        if name in ("int", "long"):
            found[field["name"]] = 32 if name == "int" else 64
    return found


NAME_BYTES_MAX = 1_000
REVENUE_MINOR_MAX = 1_000_000_000_000
DURATION_MS_MAX = 3_653 * 86_400_000
TIME_MS_MIN, TIME_MS_MAX = -2_208_988_800_000, 10_413_791_999_999  # the years 1900 to 2299
FUTURE_LIMIT_MS = 600_000
UNIT_MISTAKEN_MS = TIME_MS_MAX // 1000 + 1  # what the seconds of 1970 to 2299 look like
NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
CURRENCIES = {"EUR", "GBP", "USD", "CHF", "BHD", "KWD", *NO_DECIMALS.split()}  # those that logs here have
VOID_WORDS = {
    "undefined", "null", "none", "nil", "nan", "n/a", "#n/a", "[object object]", "0", "-1", "unknown", "anonymous",
    "guest",
}  # fmt: skip

REQUIRED = ("event_id", "occurred_at", "channel", "touchpoint")
INTEGER_BITS = integer_bits()
TIMES = ("occurred_at", "received_at")
TEXTS = ("event_id", "channel", "touchpoint", "action")
OPTIONAL_TEXTS = (
    "customer_id", "anonymous_id", "stage", "journey", "segment", "outcome", "currency", "source", "sent_by",
    "instrument", "amends",
)  # fmt: skip
NAMES = (
    *TEXTS, "customer_id", "anonymous_id", "stage", "journey", "segment", "source", "sent_by", "instrument", "amends",
)  # fmt: skip
FIELDS_OF_INSTRUMENTS = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
SCORE_MAX = 1_000_000
SCALES = {
    "nps": (0, 10),
    "csat": (1, 5),
    "ces": (1, 7),
    "sentiment": (-1, 1),
    "duration_ms": (0, DURATION_MS_MAX),
    "revenue_minor": (-REVENUE_MINOR_MAX, REVENUE_MINOR_MAX),
}
ABSENT: dict[str, Any] = {
    **dict.fromkeys((*OPTIONAL_TEXTS, *INTEGER_BITS, "sentiment", "score")),
    "action": "contact",
    "attributes": {},
}


def check(fields: Fields, record_at: int, instruments: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The event in full, absent and empty texts as None. Raises Refused with the reason of the first rule broken.

    The answer to an instrument that has a field of its own stands there.
    """
    event = typed(fields)
    words = ("action", "outcome", "instrument")
    event |= {name: event[name] and event[name].strip(" \t\r\n\u00a0").lower() for name in words}
    event |= {name: event[name] or None for name in OPTIONAL_TEXTS}
    check_texts(event)
    for name, (low, high) in SCALES.items():
        if event[name] is not None and not low <= event[name] <= high:  # not for NaN either
            raise Refused("out_of_scale", f"{name} {event[name]}")
    check_answer(event, instruments)
    if event["instrument"] in FIELDS_OF_INSTRUMENTS:
        event |= {event["instrument"]: round(event["score"]), "instrument": None, "score": None}
    if event["received_at"] is not None and not TIME_MS_MIN <= event["received_at"] <= TIME_MS_MAX:
        raise Refused("out_of_scale", f"received_at {event['received_at']}")
    if -14 * 3_600_000 <= event["occurred_at"] < UNIT_MISTAKEN_MS:
        raise Refused("out_of_scale", f"occurred_at {event['occurred_at']}")
    if event["occurred_at"] < TIME_MS_MIN:
        raise Refused("too_old", f"occurred_at {event['occurred_at']}")
    if event["occurred_at"] > min(TIME_MS_MAX, record_at + FUTURE_LIMIT_MS):
        raise Refused("from_the_future", f"occurred_at {event['occurred_at']}")
    return event


def check_answer(event: Fields, instruments: Sequence[Mapping[str, Any]]) -> None:
    """An instrument that is declared, and one of its answers."""
    name, score = event["instrument"], event["score"]
    if (name is None) != (score is None):
        raise Refused("missing_field", f"instrument {name}, score {score}")
    if name is None:
        return
    if not -SCORE_MAX <= score <= SCORE_MAX:
        raise Refused("out_of_scale", f"score {score}")
    scales = {one["id"]: (one["lowest"], one["highest"], one.get("step", 1)) for one in instruments}
    scales |= {field: (*ends, 1) for field, ends in FIELDS_OF_INSTRUMENTS.items()}
    if name not in scales:
        raise Refused("wrong_type", f"instrument {name}")
    low, high, step = map(Fraction, map(str, scales[name]))
    answers = [low + number * step for number in range(int((high - low) / step) + 1)]
    if all(abs(Fraction(score) - answer) > Fraction(1, 10**9) for answer in answers):
        raise Refused("out_of_scale", f"score {score} of {name}")
    if name in FIELDS_OF_INSTRUMENTS and event[name] not in (None, round(score)):
        raise Refused("wrong_type", f"{name} twice")


def check_texts(event: Fields) -> None:
    """Names that are missing, too long, or not among those there are."""
    for name in TEXTS:
        if not event[name]:
            raise Refused("missing_field", name)
    check_ids(event)
    for name in NAMES:
        if event[name] is not None and len(event[name].encode()) > NAME_BYTES_MAX:
            raise Refused("out_of_scale", f"{name} is too long")
    if event["outcome"] not in (None, "success", "failure", "abandoned"):
        raise Refused("wrong_type", f"outcome {event['outcome']}")
    check_money(event)


def check_money(event: Fields) -> None:
    """A currency that there is, and one for each amount."""
    if event["currency"] is not None and event["currency"] not in CURRENCIES:
        raise Refused("wrong_type", f"currency {event['currency']}")
    if event["revenue_minor"] is not None and event["currency"] is None:
        raise Refused("missing_field", "revenue without a currency")


def check_ids(event: Fields) -> None:
    """Ids that are missing, or that stand for none."""
    if event["customer_id"] is None and event["anonymous_id"] is None:
        raise Refused("no_customer", "neither customer_id nor anonymous_id")
    for name in ("customer_id", "anonymous_id"):
        if event[name] is not None and not is_id(event[name]):
            raise Refused("no_customer", f"{name} {event[name]!r} is no id")
    for name in ("event_id", "amends"):
        if event[name] is not None and not is_id(event[name]) and event[name] not in ("0", "-1"):
            raise Refused("missing_field", f"{name} is no id")


def is_id(text: str) -> bool:
    """Whether a text is more than a blank and none of the words for nothing."""
    bare = text.strip().strip("\0").lower()
    return bare not in ("", *VOID_WORDS) and not re.fullmatch(r"-?\d([.,]\d+)?e\+\d+", bare, re.ASCII)


def typed(fields: Fields) -> dict[str, Any]:
    """All fields, each of its type. An unknown name is refused: it may be a known one misspelt."""
    for name in REQUIRED:
        if fields.get(name) is None:
            raise Refused("missing_field", name)
    for name in fields:
        if name not in ABSENT and name not in REQUIRED:
            raise Refused("wrong_type", f"unknown field {name!r}")
    event = ABSENT | dict(fields)
    event["attributes"] = without_nulls(event["attributes"])
    for name in TIMES:
        if isinstance(event[name], str):
            event[name] = milliseconds(event[name])
    for name, bits in INTEGER_BITS.items():
        event[name] = fitting(name, event[name], bits)
    for name, value in event.items():
        if not has_type(name, value):
            raise Refused("wrong_type", f"{name} {value!r}")
    return event


def without_nulls(attributes: Any) -> Any:
    """Attributes that say something."""
    if not isinstance(attributes, dict):
        return attributes
    return {name: value for name, value in attributes.items() if value is not None}


def has_type(name: str, value: object) -> bool:
    """Whether a value is of its field's type; a Boolean is no number."""
    if name in TEXTS:
        return isinstance(value, str)
    if name == "attributes":
        return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    if value is None:
        return name not in REQUIRED
    if name in OPTIONAL_TEXTS:
        return isinstance(value, str)
    return type(value) in ((int, float) if name in ("sentiment", "score") else (int,))


def fitting(name: str, value: object, bits: int) -> object:
    """A number that fits its field. JSON has one kind of number: 5.0 is 5."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if type(number) is int and not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise Refused("out_of_scale", f"{name} {value}")
    return number


def milliseconds(text: str) -> int:
    """ISO 8601, UTC if unmarked, to milliseconds since 1970, rounded down."""
    if text.isdigit() or len(text) > 40:  # a number in quotes is a slip, though some read as dates
        raise Refused("wrong_type", f"time {text[:40]!r}")
    if re.match("[0-9]{4}-?[Ww][0-9]{2}(?!-?[0-9])", text):
        raise Refused("wrong_type", f"a week, and no day of it: {text!r}")
    leap = re.sub("(:?[0-9]{2}:?)60", r"\g<1>59", text[11:])  # 23:59:60 is a second after 23:59:59
    try:
        moment = datetime.fromisoformat((text[:11] + leap).upper()) + timedelta(seconds=leap != text[11:])
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if leap != text[11:] and moment.astimezone(UTC).time().replace(microsecond=0) != time():
            raise ValueError(text)  # noqa: TRY301 - refused like what is no time
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise Refused("wrong_type", f"time {text!r}") from error
