"""The event as JSON Schema (2020-12), from the bounds that `schemas` checks and the words of `touchpoint.avsc`."""

from __future__ import annotations

import json
from typing import Any, Final

from schemas.codec import SCHEMA_TEXT
from schemas.touchpoint import NAME_BYTES_MAX, OUTCOMES, SCALES, TIME_MS_MAX, TIME_MS_MIN

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
_TIME: Final[list[Schema]] = [
    {"type": "integer", "minimum": TIME_MS_MIN, "maximum": TIME_MS_MAX, "description": "Milliseconds since 1970, UTC."},
    {"type": "string", "format": "date-time", "description": "ISO 8601; UTC if no zone is given."},
]
_WHOLE: Final = ("duration_ms", "nps", "csat", "ces", "revenue_minor")


def touchpoint_schema() -> Schema:
    """What an event has to be, to be accepted. What can't be said in JSON Schema is said in words."""
    properties = _properties()
    words = {field["name"]: field["doc"] for field in json.loads(SCHEMA_TEXT)["fields"]}
    return {
        "type": "object",
        "description": (
            "One contact of one customer with one channel. Names and ids have at most"
            f" {NAME_BYTES_MAX} bytes in UTF-8; an empty optional text counts as absent; `occurred_at` is at most ten"
            " minutes ahead of now; an encoded event has at most 1 MiB."
        ),
        "properties": {name: {**properties[name], "description": word} for name, word in words.items()},
        "required": ["occurred_at", "channel", "touchpoint"],
        "anyOf": [
            {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}}
            for name in ("customer_id", "anonymous_id")
        ],
        "additionalProperties": False,
        "examples": [EXAMPLE],
    }


def _properties() -> dict[str, Schema]:
    numbers = {
        name: {"type": ["integer" if name in _WHOLE else "number", "null"], "minimum": low, "maximum": high}
        for name, (low, high) in SCALES.items()
    }
    return {
        "event_id": _OPTIONAL_NAME | {"minLength": 1},  # one is given to an event without
        "occurred_at": {"anyOf": _TIME},
        **dict.fromkeys(("customer_id", "anonymous_id"), _OPTIONAL_NAME),
        **dict.fromkeys(("channel", "touchpoint"), _NAME),
        **dict.fromkeys(("stage", "journey", "segment"), _OPTIONAL_NAME),
        "action": _NAME | {"default": "contact"},
        "outcome": {"enum": [*OUTCOMES, "", None]},
        **numbers,
        "currency": {"type": ["string", "null"], "pattern": "^([A-Z]{3})?$"},
        "attributes": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
        "received_at": {"anyOf": [*_TIME, {"type": "null"}], "readOnly": True},
    }
