"""The OpenAPI document says exactly what the gateway takes and answers."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.times import MISTAKEN_MS_MAX, now_ms
from touchstream.schemas.touchpoint import (
    NAME_BYTES_MAX,
    SCALES,
    TIME_MS_MAX,
    TIME_MS_MIN,
    Reason,
    Touchpoint,
)
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.gateway.body import EventTexts
from touchstream.streams.channels.gateway.intake import judge
from touchstream.streams.channels.gateway.openapi import document
from touchstream.streams.channels.gateway.touchpoint_schema import EXAMPLE, touchpoint_schema

NOW = now_ms()
DOCUMENT = document(keys_needed=True, body_bytes_max=1000)
EVENT = jsonschema_rs.Draft202012Validator(touchpoint_schema(), validate_formats=True)


def refused(event: Any) -> Reason | None:
    judged = asyncio.run(judge(EventTexts([msgspec.json.encode(event)], lines=False), Encoder(), NOW))
    return judged.refused[0].reason if judged.refused else None


def validator(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **DOCUMENT})


def test_every_field_is_described() -> None:
    properties = touchpoint_schema()["properties"]
    assert list(properties) == list(Touchpoint.__struct_fields__)
    assert all(field["description"] for field in properties.values())


def test_the_examples_are_what_they_are_examples_of() -> None:
    assert refused(EXAMPLE) is None
    EVENT.validate(EXAMPLE)
    post = DOCUMENT["paths"]["/v1/touchpoints"]["post"]
    for example in post["requestBody"]["content"]["application/json"]["examples"].values():
        events = example["value"] if isinstance(example["value"], list) else [example["value"]]
        assert [refused(event) for event in events] == [None] * len(events)
    for status, answer in post["responses"].items():
        ((media_type, content),) = answer["content"].items()
        validator("Answer" if media_type == "application/json" else "ProblemDetails").validate(content["example"])
        assert content["example"].get("status", 202) == int(status)


def test_security_is_declared_only_where_keys_are_asked_for() -> None:
    open_to_all = document(keys_needed=False, body_bytes_max=1000)
    assert "security" not in open_to_all["paths"]["/v1/touchpoints"]["post"]
    assert "401" not in open_to_all["paths"]["/v1/touchpoints"]["post"]["responses"]
    assert DOCUMENT["paths"]["/v1/touchpoints"]["post"]["security"] == [{"apiKey": []}]


def edges(low: float, high: float) -> st.SearchStrategy[Any]:
    return st.sampled_from(
        [low - 1, low, low + 1, (low + high) // 2, high - 1, high, high + 1, float(high), high - 0.5]
    )


anything: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, "", "x", "x" * NAME_BYTES_MAX, "x" * (NAME_BYTES_MAX + 1), 5, 1.5, [], {}]
)
times = (
    edges(TIME_MS_MIN, NOW)
    | edges(0, MISTAKEN_MS_MAX)
    | st.sampled_from(
        ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.123+02:00", "2026-02-31T09:30:00Z", "1900-01-01T00:00:00Z"]
    )
)
values: dict[str, st.SearchStrategy[Any]] = {name: edges(low, high) for name, (low, high) in SCALES.items()} | {
    "occurred_at": times,
    "received_at": times | edges(TIME_MS_MIN, TIME_MS_MAX),
    "outcome": st.sampled_from(["success", "failure", "abandoned", "Success", " FAILURE\n", "succes"]),
    "currency": st.sampled_from(["EUR", "JPY", "eur", "XYZ", "EURO", "EUR\n", ""]),
    "instrument": st.sampled_from(["nps", " NPS\n", "Csat", "ces", "stars", "", " ", "nps "]),
    "score": st.sampled_from([0, 1.0, 5, 7, 10, 2.5, -1, 8]) | edges(*SCALES["score"]),
    "attributes": st.sampled_from([{}, {"a": "b"}, {"a": 1}, {"a": None}, {"a": {}}]),
    "unknown": anything,
}


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """The example with a few fields put right to the edge of what is allowed, beyond it, or away."""
    event = dict(EXAMPLE)
    for name in draw(st.lists(st.sampled_from([*Touchpoint.__struct_fields__, "unknown"]), max_size=4)):
        if draw(st.integers(0, 3)) == 0:
            event.pop(name, None)
        else:
            event[name] = draw(values.get(name, anything) | anything)
    return event


def stands_twice(event: dict[str, Any]) -> bool:
    """Whether an answer stands in a field of its own and as that of an instrument."""
    asked = event.get("instrument")
    return isinstance(asked, str) and event.get(asked.strip().lower()) is not None


def test_an_answer_is_taken_twice_if_it_is_the_same_and_described_once() -> None:
    once = EXAMPLE | {"nps": None, "instrument": "nps", "score": 9}
    assert (refused(once), EVENT.is_valid(once)) == (None, True)
    assert (refused(once | {"nps": 9}), EVENT.is_valid(once | {"nps": 9})) == (None, False)
    assert (refused(once | {"nps": 8}), EVENT.is_valid(once | {"nps": 8})) == (Reason.WRONG_TYPE, False)


@settings(deadline=None, max_examples=1000)
@given(changed())
def test_an_event_is_accepted_if_and_only_if_the_schema_says_so(event: dict[str, Any]) -> None:
    reason = refused(event)
    if reason == Reason.FROM_THE_FUTURE:
        return  # the schema can't know what time it is
    if reason is None and stands_twice(event):
        return  # the schema wants an answer once
    assert EVENT.is_valid(event) == (reason is None), f"{reason}: {msgspec.json.encode(event).decode()[:2000]}"


@pytest.mark.parametrize("name", ["Answer", "ProblemDetails", "Touchpoint"])
def test_every_schema_that_is_referred_to_is_there(name: str) -> None:
    assert f"#/components/schemas/{name}" in str(DOCUMENT)
    jsonschema_rs.meta.validate(DOCUMENT["components"]["schemas"][name])
