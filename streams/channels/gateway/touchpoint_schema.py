"""The event as JSON Schema (2020-12), from the bounds that `schemas` checks and the words of `touchpoint.avsc`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from touchstream.schemas.codec import SCHEMA_TEXT
from touchstream.schemas.currencies import EXPONENTS
from touchstream.schemas.scales import BUILT_IN, BUILT_IN_IDS
from touchstream.schemas.times import MISTAKEN_MS_MAX, MISTAKEN_MS_MIN
from touchstream.schemas.touchpoint import (
    MICRO,
    NAME_BYTES_MAX,
    OUTCOMES,
    SCALES,
    TIME_MS_MAX,
    TIME_MS_MIN,
    WHOLE_NUMBERS,
)

Schema = dict[str, Any]

EXAMPLE: Final[Schema] = {
    "event_id": "order-4711",
    "occurred_at": "2026-01-31T09:30:00Z",
    "customer_id": "42",
    "channel": "web",
    "touchpoint": "checkout",
    "action": "purchase",
    "outcome": "success",
    "revenue_minor": 1999,
    "currency": "EUR",
}

_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX}
_OPTIONAL_NAME: Final[Schema] = {"type": ["string", "null"], "maxLength": NAME_BYTES_MAX}
_MS: Final[Schema] = {"type": "integer", "description": "Milliseconds since 1970, UTC."}
_ISO: Final[Schema] = {"type": "string", "format": "date-time", "description": "ISO 8601; UTC if no zone is given."}
_OCCURRED: Final[list[Schema]] = [
    _MS | {"minimum": TIME_MS_MIN, "maximum": MISTAKEN_MS_MIN - 1},
    _MS | {"minimum": MISTAKEN_MS_MAX + 1, "maximum": TIME_MS_MAX},
    _ISO,
]
_RECEIVED: Final[list[Schema]] = [_MS | {"minimum": TIME_MS_MIN, "maximum": TIME_MS_MAX}, _ISO]
_HAS_AMOUNT: Final[Schema] = {"required": ["revenue_minor"], "properties": {"revenue_minor": {"type": "integer"}}}
_HAS_CURRENCY: Final[Schema] = {
    "required": ["currency"],
    "properties": {"currency": {"type": "string", "minLength": 1}},
}
_AROUND: Final = "[ \\t\\r\\n\u00a0]*"


def _in_any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


def _named(ids: Iterable[str]) -> str:
    return f"^{_AROUND}(?:{'|'.join(map(_in_any_case, ids))}){_AROUND}$"


def _answered(instrument: Schema, score: Schema, **fields: Schema) -> Schema:
    return {"required": ["instrument", "score"], "properties": {"instrument": instrument, "score": score} | fields}


def _answers() -> Iterator[Schema]:
    """What an instrument and a score may be, as alternatives, which generators of examples can follow.

    None at all; an instrument without a field of its own; one with a field, and nothing in the field: an answer that
    stands there twice and alike is taken, but the few generators that read this can't follow so many alternatives.
    """
    yield {
        "properties": {
            "instrument": {"anyOf": [{"type": "null"}, {"type": "string", "pattern": f"^{_AROUND}$"}]},
            "score": {"type": "null"},
        }
    }
    others = {"type": "string", "pattern": "[^ \\t\\r\\n\u00a0]", "not": {"pattern": _named(BUILT_IN_IDS)}}
    yield _answered(others, {"type": "number"})
    for scale in BUILT_IN:
        named = {"type": "string", "pattern": _named([scale.id])}
        answers = [one // MICRO for one in scale.answers]
        yield _answered(named, {"enum": answers}, **{scale.id: {"type": "null"}})


_OUTCOMES: Final = "|".join(map(_in_any_case, OUTCOMES))


def touchpoint_schema() -> Schema:
    """What an event has to be, to be accepted. What can't be said in JSON Schema is said in words."""
    properties = _properties()
    words = {field["name"]: field["doc"] for field in json.loads(SCHEMA_TEXT)["fields"]}
    return {
        "type": "object",
        "description": (
            "One contact of one customer with one channel. Names and ids have at most"
            f" {NAME_BYTES_MAX} bytes in UTF-8; an empty optional text counts as absent; ids are none of what programs"
            " write for none (`undefined`, `null`, `0`, blanks, 1.23E+12); `action` and `outcome` are read in any case;"
            " `occurred_at` is at most ten minutes ahead of now, and no time in the first months of 1970, which is a"
            " number of another unit; an encoded event has at most 1 MiB."
        ),
        "properties": {name: {**properties[name], "description": word} for name, word in words.items()},
        "required": ["occurred_at", "channel", "touchpoint"],
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}}
            for name in ("customer_id", "anonymous_id")
        ],
        "if": _HAS_AMOUNT,
        "then": _HAS_CURRENCY,
        "allOf": [{"anyOf": list(_answers())}],
        "additionalProperties": False,
        "examples": [EXAMPLE],
    }


def _properties() -> dict[str, Schema]:
    numbers = {
        name: {"type": ["integer" if name in WHOLE_NUMBERS else "number", "null"], "minimum": low, "maximum": high}
        for name, (low, high) in SCALES.items()
    }
    return {
        "event_id": _OPTIONAL_NAME | {"minLength": 1},  # one is given to an event without
        "occurred_at": {"anyOf": _OCCURRED},
        **dict.fromkeys(("customer_id", "anonymous_id"), _OPTIONAL_NAME),
        **dict.fromkeys(("channel", "touchpoint"), _NAME),
        **dict.fromkeys(("stage", "journey", "segment"), _OPTIONAL_NAME),
        "action": _NAME | {"default": "contact"},
        "outcome": {
            "type": ["string", "null"],
            "pattern": f"^{_AROUND}({_OUTCOMES})?{_AROUND}$",
        },
        **numbers,
        "currency": {"enum": [*EXPONENTS, "", None]},
        "attributes": {"type": "object", "additionalProperties": {"type": ["string", "null"]}, "default": {}},
        "received_at": {"anyOf": [*_RECEIVED, {"type": "null"}], "readOnly": True},
        "source": _OPTIONAL_NAME,
        "instrument": _OPTIONAL_NAME,
        "amends": _OPTIONAL_NAME,
        "sent_by": _OPTIONAL_NAME | {"readOnly": True},
    }
