"""Verdicts on schema changes: equal to Apache Avro's own cases, and right where its Python package is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from touchstream import schemas
from touchstream.schemas.codec import SCHEMA_TEXT
from touchstream.schemas.compatibility import NotASchema, compatible

CASES = Path(__file__).parents[3] / "shared" / "data" / "conformance" / "avro_compat_cases.json"
HISTORY = sorted((Path(schemas.__file__).parent / "history").glob("*.avsc"))


@pytest.mark.skipif(not CASES.exists(), reason=f"needs the recorded cases at {CASES}")
def test_all_recorded_cases_have_their_verdict() -> None:
    cases = json.loads(CASES.read_text())
    verdicts = [compatible(json.dumps(case["reader"]), json.dumps(case["writer"])) for case in cases]
    assert [verdict.compatible for verdict in verdicts] == [case["result"] == "compatible" for case in cases]
    assert (len(cases), sum(verdict.compatible for verdict in verdicts)) == (131, 70)
    assert all(verdict.messages for verdict in verdicts if not verdict.compatible)


@pytest.mark.parametrize("path", HISTORY, ids=lambda path: path.name)
def test_ours_and_every_earlier_schema_read_each_other(path: Path) -> None:
    """FULL compatibility: workers and channels can be updated in any order."""
    earlier = path.read_text()
    assert compatible(SCHEMA_TEXT, earlier).messages == ()
    assert compatible(earlier, SCHEMA_TEXT).messages == ()


def record(name: str, *fields: tuple[str, Any], **more: Any) -> str:
    return json.dumps({"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields]} | more)


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}


@pytest.mark.parametrize(
    ("reader", "writer", "verdict"),
    [
        (record("a.New", aliases=["Old"]), record("a.Old"), True),
        (record("New", aliases=["Old"], namespace="a"), record("a.Old"), True),
        (record("New", aliases=["a.Old"], namespace="b"), record("a.Old"), True),
        (record("New", aliases=["Other"], namespace="a"), record("a.Old"), False),
        (json.dumps(DECIMAL), json.dumps(DECIMAL), True),
        (json.dumps(DECIMAL), json.dumps(DECIMAL | {"scale": 3}), False),
        (json.dumps(DECIMAL), '"bytes"', True),
        (record("R", ("t", {"type": "long", "logicalType": "timestamp-millis"})), record("R", ("t", "long")), True),
        (SCHEMA_TEXT, SCHEMA_TEXT.replace("timestamp-millis", "timestamp-micros"), False),
    ],
)  # fmt: skip
def test_aliases_and_logical_types_follow_the_specification(reader: str, writer: str, verdict: bool) -> None:
    assert compatible(reader, writer).compatible == verdict


def test_a_verdict_against_says_what_is_in_the_way_and_where() -> None:
    schema = json.loads(SCHEMA_TEXT)
    fields = [field | ({"type": "string"} if field["name"] == "nps" else {}) for field in schema["fields"]]
    verdict = compatible(SCHEMA_TEXT, json.dumps(schema | {"fields": fields}))
    assert not verdict.compatible
    assert "string" in " ".join(verdict.messages)
    assert "/fields/12" in " ".join(verdict.messages)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "5",
        "null",
        '"nope"',
        "[" * 100_000,
        '{"type": "record"}',
        '{"type": "error", "name": "E", "fields": []}',
    ],
    ids=lambda text: text[:30],
)
def test_a_text_that_is_no_schema_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NotASchema):
        compatible(SCHEMA_TEXT if "error" not in text else text, text)
