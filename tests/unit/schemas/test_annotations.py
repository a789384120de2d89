"""Annotations: what can be used, what is refused with its reason, and what an annotation is about."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from touchstream.schemas.alert_state import Group
from touchstream.schemas.annotations import Annotation, AnnotationError, read_annotation

NOW = datetime(2026, 11, 30, 14, tzinfo=UTC)
DEFAULTS = {"id": "made", "at": "2026-11-30T14:00:00Z"}


def read(**fields: Any) -> Annotation:
    return read_annotation(json.dumps({"text": "42 is out"} | fields).encode(), NOW, DEFAULTS)


def test_an_annotation_without_id_and_time_gets_them_and_times_are_in_utc() -> None:
    assert (read().id, read().at, read().kind, read().until) == ("made", NOW, "other", None)
    said = read(id="ci-42", at="2026-11-30T15:00:00+02:00", until="2026-11-30T14:30:00Z", exclude=True)
    assert (said.id, said.at, said.end) == ("ci-42", NOW - timedelta(hours=1), NOW + timedelta(minutes=30))
    assert read().end == NOW


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text": ""}, "text must have 1 to 1000 characters"),
        ({"text": " "}, "text must have 1 to 1000 characters"),
        ({"text": "x" * 1001}, "text must have 1 to 1000 characters"),
        ({"text": "a\nb"}, "text has a control character"),
        ({"text": 5}, "Expected `str`, got `int`"),
        ({"id": ""}, "id must have 1 to 200 characters"),
        ({"id": "x" * 201}, "id must have 1 to 200 characters"),
        ({"channel": "x" * 256}, "channel may have 255 characters"),
        ({"kind": "party"}, "Invalid enum value 'party'"),
        ({"at": "2026-11-30T14:00:00"}, "at needs a zone"),
        ({"at": "1999-12-31T23:59:59Z"}, "at must be between 2000 and two years from now"),
        ({"at": "2028-11-29T14:00:01Z"}, "at must be between 2000 and two years from now"),
        ({"at": "0001-01-01T00:00:00+23:59"}, "at is no time that there is"),
        ({"until": "2026-11-30T13:59:59Z"}, "until must be at or after at"),
        ({"until": "2027-02-28T14:00:01Z"}, "at most 90 days later"),
        ({"exclude": True}, "exclude needs until"),
        ({"link": "javascript:alert(1)"}, "link must be an address such as https://host/path"),
        ({"link": "https://"}, "link must be an address"),
        ({"link": "https://[x"}, "link must be an address"),
        ({"link": "https://h/" + "x" * 1991}, "link must be an address"),
        ({"sneaky": 1}, "unknown field `sneaky`"),
    ],
)
def test_an_annotation_that_can_not_be_used_is_refused_with_its_reason(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(AnnotationError, match=said.replace("(", r"\(")):
        read(**fields)


@pytest.mark.parametrize("text", [b"", b"[]", b"5", b"{", b'"\xff"', b"[" * 100_000, b'{"text": "\\ud800"}'])
def test_a_text_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(AnnotationError):
        read_annotation(text, NOW, DEFAULTS)


def test_bounds_are_taken_at_the_bound() -> None:
    read(text="x" * 1000, id="x" * 200, channel="x" * 255, link="https://h/" + "x" * 1990)
    read(at="2028-11-29T14:00:00Z", until="2029-02-27T14:00:00Z")
    read(at="2000-01-01T00:00:00Z", until="2000-01-01T00:00:00Z", exclude=True)


def test_an_annotation_concerns_groups_that_meet_its_scope_and_covers_those_within() -> None:
    web = read(journey="shop", channel="web")
    assert web.concerns(Group("shop", "use"))
    assert web.concerns(Group("shop", "use", "web"))
    assert not web.concerns(Group("shop", "use", "chat"))
    assert not web.concerns(Group("other"))
    assert web.covers(Group("shop", "use", "web"))
    assert not web.covers(Group("shop", "use"))
    assert read().covers(Group("shop"))
