"""The gateway's interface as an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec

from touchstream.schemas.touchpoint import NAME_BYTES_MAX
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.streams.channels.gateway.annotations import ANNOTATION_SCHEMA
from touchstream.streams.channels.gateway.body import EVENTS_MAX
from touchstream.streams.channels.gateway.problems import PROBLEM_TYPE, Answer, ProblemDetails
from touchstream.streams.channels.gateway.segment import CALLS, SegmentAnswer
from touchstream.streams.channels.gateway.sources import WebhookSource
from touchstream.streams.channels.gateway.touchpoint_schema import EXAMPLE, Schema, touchpoint_schema

_Problem = tuple[str, str, Schema]
"""Title, detail, headers."""
_REF: Final = "#/components/schemas/"
_ANYTHING: Final[Schema] = {"description": "Anything else isn't used: it is refused by its index, with a reason."}
_RETRY_AFTER: Final[Schema] = {
    "Retry-After": {
        "description": "Seconds after which to send the same request again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
_CHALLENGE: Final[Schema] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
_ANSWER: Final[Schema] = {
    "accepted": 2,
    "refused": [{"index": 1, "reason": "out_of_scale", "detail": "nps is 11; the scale is 0 to 10"}],
    "event_ids": [{"index": 2, "event_id": "0198f0a2-7a4e-7c3b-9d52-5b1f0e6a9c11"}],
}
_MAPPED_ANSWER: Final[Schema] = {"accepted": 1, "refused": [], "skipped": {"it is a test order": 1}}
_SEGMENT_ANSWER: Final[Schema] = {"success": True, **_MAPPED_ANSWER}
_PROBLEMS: Final[dict[int, _Problem]] = {
    400: ("The body is no JSON", "JSON is malformed: expected ',' or ']' (byte 12)", {}),
    408: ("The body comes too slowly", "it has to be there within 30 s; send smaller requests", {}),
    413: ("The request is too large", "a request has at most 10000 events; send several requests", {}),
    415: ("Unknown content encoding", "send the body as it is, or compressed with gzip", {}),
    429: ("Too many events", "more events a second than this key may send; retry in 0.4 s", _RETRY_AFTER),
    500: ("Internal error", "see the gateway's log", {}),
    503: (
        "Kafka doesn't take events",
        "Kafka has not acknowledged all events in time; send them again, with the same event_id none counts twice",
        _RETRY_AFTER,
    ),
}
_WITH_KEYS: Final[dict[int, _Problem]] = {
    401: ("No valid API key", "send a valid API key: Authorization: Bearer KEY", _CHALLENGE)
}
_NOT_ALLOWED: Final[dict[int, _Problem]] = {
    403: (
        "Not with this key",
        "this key may not send: `touchstream gateway key NAME --may send` makes one that may",
        {},
    )
}
_SIGNED: Final[dict[int, _Problem]] = {
    401: (
        "No valid signature",
        "the signature is not that of this body: was it changed, or signed by another key?",
        _CHALLENGE,
    )
}
_CUSTOMER_PROBLEMS: Final[dict[int, _Problem]] = {
    400: ("No such id", f"an id has 1 to {NAME_BYTES_MAX} bytes, none of them 0", {}),
    404: ("No person has this ID", "no touches with this id were measured", {}),
    429: _PROBLEMS[429],
    500: _PROBLEMS[500],
    503: ("Customers can't be read now", "ClickHouse doesn't answer", _RETRY_AFTER),
}
_WITHOUT_KEYS: Final[dict[int, _Problem]] = {
    403: (
        "Not for web pages",
        "without API keys, requests from web pages and under other host names than localhost are refused",
        {},
    )
}


def document(
    *,
    keys_needed: bool,
    body_bytes_max: int,
    customers: bool = False,
    sources: Sequence[WebhookSource] = (),
    segment: bool = False,
) -> Schema:
    """The document of a gateway that asks for API keys, or doesn't, and that reads customers, or doesn't.

    segment: whether it has Segment's paths; those that are one letter long are not described.
    """
    schemes = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "`touchstream gateway key` makes one."},
        "writeKey": {"type": "http", "scheme": "basic", "description": "The same key as the user name."},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Touchstream gateway",
            "version": version("touchstream"),
            "description": "Takes touchpoint events over HTTP and answers when Kafka has them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/touchpoints": {"post": _touchpoints(keys_needed, body_bytes_max)},
            "/v1/annotations": {"post": _annotations(keys_needed)},
            **{f"/v1/in/{one.name}": {"post": _webhook(one, keys_needed)} for one in sources},
            **{f"/v1/{call}": {"post": _segment(call, keys_needed)} for call in (CALLS if segment else ())},
            **({"/v1/customers/{id}": {"get": _customer(keys_needed)}} if customers else {}),
            "/healthz": {"get": _get("healthz", "Whether the process answers.", _state("alive"))},
            "/readyz": {"get": _readyz()},
            "/metrics": {"get": _get("metrics", "Metrics for Prometheus.", _metrics())},
            "/openapi.json": {"get": _get("openapi", "This document.", _json({"type": "object"}))},
        },
        "components": {
            "schemas": {"Touchpoint": touchpoint_schema(), "AnnotationRequest": ANNOTATION_SCHEMA}
            | _answers(customers),
            **({"securitySchemes": schemes} if keys_needed else {}),
        },
    }


def _touchpoints(keys_needed: bool, body_bytes_max: int) -> Schema:
    problems = _PROBLEMS | (_WITH_KEYS | _NOT_ALLOWED if keys_needed else _WITHOUT_KEYS)
    return {
        "operationId": "sendTouchpoints",
        "summary": "Send events.",
        "description": (
            "An event, an array of events, or one event a line (NDJSON); compressed with gzip or not; at most"
            f" {body_bytes_max} bytes and {EVENTS_MAX} events. Each event is judged by itself: those that can be used"
            " are accepted, the others listed with their index (from 0) and a reason. An event without `event_id` is"
            " given one, which the answer tells: send your own, if you may have to send the event again. What is"
            " refused is kept as a dead letter, a bounded number of each key's a minute."
        ),
        **({"security": [{"apiKey": []}]} if keys_needed else {}),
        "requestBody": {"required": True, "content": _bodies()},
        "responses": {
            "202": {
                "description": "Kafka has acknowledged all accepted events.",
                "content": {"application/json": {"schema": {"$ref": f"{_REF}Answer"}, "example": _ANSWER}},
            },
            **_all(problems, "Nothing was accepted."),
        },
    }


def _annotations(keys_needed: bool) -> Schema:
    problems = _PROBLEMS | (_WITH_KEYS | _NOT_ALLOWED if keys_needed else _WITHOUT_KEYS)
    answer = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    return {
        "operationId": "annotate",
        "summary": "Note what happened.",
        "description": (
            "A deploy, a campaign, an outage, a change of prices: alerts about that time show it. Without `id` it is"
            " given one; the last annotation with an id counts. Without `at` it is of now."
        ),
        **({"security": [{"apiKey": []}]} if keys_needed else {}),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"{_REF}AnnotationRequest"}}},
        },
        "responses": {
            "202": {
                "description": "Kafka has acknowledged it.",
                "content": {"application/json": {"schema": answer}},
            },
            **_all(problems, "It was not accepted."),
        },
    }


def _webhook(source: WebhookSource, keys_needed: bool) -> Schema:
    """A source's own messages; their schema is that system's."""
    problems = _PROBLEMS | _SIGNED
    if source.verifier is None:
        problems = _PROBLEMS | (_WITH_KEYS | _NOT_ALLOWED if keys_needed else _WITHOUT_KEYS)
    messages = {"anyOf": [{"type": ["object", "array"], "description": "One message, or several."}, _ANYTHING]}
    signature = source.verifier.form.header if source.verifier else None
    parameter = {"name": signature, "in": "header", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {
        "operationId": f"sendMessagesOf_{source.name}",
        "summary": f"Send messages of {source.name}, in its own form.",
        "description": "Each message becomes no, one or several events, as the source's mapping says; refused and"
        " skipped ones are listed.",
        **({"parameters": [parameter]} if signature else {}),
        **({"security": [{"apiKey": []}]} if keys_needed and not signature else {}),
        "requestBody": {"required": True, "content": {"application/json": {"schema": messages}}},
        "responses": {
            "202": {
                "description": "Kafka has acknowledged all accepted events.",
                "content": {"application/json": {"schema": {"$ref": f"{_REF}Answer"}, "example": _MAPPED_ANSWER}},
            },
            **_all(problems, "Nothing was accepted."),
        },
    }


def _segment(call: str, keys_needed: bool) -> Schema:
    problems = _PROBLEMS | (_WITH_KEYS | _NOT_ALLOWED if keys_needed else _WITHOUT_KEYS)
    messages = {"anyOf": [{"type": "object", "description": "As Segment's SDKs send it."}, _ANYTHING]}
    return {
        "operationId": f"segment_{call}",
        "summary": f"Segment's {call}.",
        "description": "The key may stand in the body as `writeKey` instead. Web pages need a key for their origin.",
        **({"security": [{"writeKey": []}, {"apiKey": []}]} if keys_needed else {}),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": messages}},
        },
        "responses": {
            "200": {
                "description": "Kafka has acknowledged all accepted events.",
                "content": {
                    "application/json": {"schema": {"$ref": f"{_REF}SegmentAnswer"}, "example": _SEGMENT_ANSWER}
                },
            },
            **_all(problems, "Nothing was accepted."),
        },
    }


def _bodies() -> Schema:
    event = {"anyOf": [{"$ref": f"{_REF}Touchpoint"}, _ANYTHING]}
    one_or_many = {"anyOf": [{"$ref": f"{_REF}Touchpoint"}, {"type": "array", "items": event}, _ANYTHING]}
    return {
        "application/json": {
            "schema": one_or_many,
            "examples": {
                "one": {"summary": "One event", "value": EXAMPLE},
                "many": {"summary": "Two events", "value": [EXAMPLE, EXAMPLE | {"event_id": "order-4712"}]},
            },
        },
        "application/cloudevents+json": {"schema": _ANYTHING},
        "application/cloudevents-batch+json": {"schema": _ANYTHING},
        "application/x-ndjson": {
            "schema": {
                "type": "string",
                "description": "One JSON object a line. A line that is no JSON is refused, the others are not.",
            }
        },
    }


def _customer(keys_needed: bool) -> Schema:
    problems = _CUSTOMER_PROBLEMS | (_WITH_KEYS | _NOT_ALLOWED if keys_needed else _WITHOUT_KEYS)
    anonymous = "Take the id for an anonymous_id, where a customer is called the same."
    return {
        "operationId": "readCustomer",
        "summary": "One view of a person.",
        "description": "For keys with the permission `read`. All that is known of a customer, or of an anonymous id"
        " that was not identified; an anonymous id that was identified shows its customer.",
        **({"security": [{"apiKey": []}]} if keys_needed else {}),
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "A customer_id or anonymous_id, percent-encoded.",
                "schema": {"type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX},
            },
            {
                "name": "anonymous",
                "in": "query",
                "description": anonymous,
                "schema": {"type": "boolean", "default": False},
            },
        ],
        "responses": {
            "200": {"description": "The person."} | _json({"$ref": f"{_REF}CustomerView"}),
            **_all(problems),
        },
    }


def _all(problems: dict[int, _Problem], more: str = "") -> Schema:
    return {str(status): _problem(status, *problem, more) for status, problem in sorted(problems.items())}


def _problem(status: int, title: str, detail: str, headers: Schema, more: str) -> Schema:
    example = {"title": title, "status": status, "detail": detail}
    return {
        "description": f"{title}. {more}".strip(),
        **({"headers": headers} if headers else {}),
        "content": {PROBLEM_TYPE: {"schema": {"$ref": f"{_REF}ProblemDetails"}, "example": example}},
    }


def _readyz() -> Schema:
    not_ready = {
        **_json(
            _state_schema("disconnected", "stuck", "keys"), {"state": "disconnected", "detail": "Kafka doesn't answer"}
        ),
        "description": "Kafka is away (disconnected), doesn't acknowledge (stuck), or keys can't be read (keys).",
        "headers": _RETRY_AFTER,
    }
    get = _get("readyz", "Whether events would be taken now.", _state("ready"))
    return get | {"responses": get["responses"] | {"503": not_ready}}


def _get(operation: str, summary: str, success: Schema) -> Schema:
    return {"operationId": operation, "summary": summary, "responses": {"200": {"description": summary} | success}}


def _json(schema: Schema, example: Schema | None = None) -> Schema:
    return {"content": {"application/json": {"schema": schema} | ({"example": example} if example else {})}}


def _state(state: str) -> Schema:
    return _json(_state_schema(state), {"state": state})


def _state_schema(*states: str) -> Schema:
    return {
        "type": "object",
        "properties": {"state": {"enum": list(states)}, "detail": {"type": "string"}},
        "required": ["state"],
    }


def _metrics() -> Schema:
    text = {"schema": {"type": "string"}}
    return {"content": {"text/plain": text, "application/openmetrics-text": text}}


def _answers(customers: bool) -> dict[str, Any]:
    types = [Answer, SegmentAnswer, ProblemDetails, *([CustomerView] if customers else [])]
    _, components = msgspec.json.schema_components(types, ref_template=_REF + "{name}")
    return components
