"""The smallest files that public reports of this field lead to (`field/` of the data): what is read and refused."""

from collections import Counter
from typing import Any

import pytest

from tests.support.real_data import DATA
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.channels.files.compressed import ByteSource, FileProblem
from touchstream.streams.channels.files.judged import Judge
from touchstream.streams.channels.files.reader import read_chunks
from touchstream.streams.channels.formats.message_mapping import mapping_of

FIELD = DATA / "field"
pytestmark = pytest.mark.skipif(not FIELD.exists(), reason=f"the files are not here: {FIELD}")
NOW_MS = 1_796_000_000_000
READ: dict[str, tuple[int, dict[str, int], dict[str, int]]] = {
    "f01-qualtrics.csv": (3, {}, {"wrong_type": 2}),
    "f02-surveymonkey.csv": (2, {}, {"missing_field": 1}),
    "f04-newline-in-header.csv": (2, {}, {}),
    "f05-thousands-dot.csv": (4, {"EUR": 1_999 + 123_000 + 123_400 + 123_456}, {"wrong_type": 1}),
    "f06-currencies.csv": (4, {"EUR": 550, "JPY": 1_000, "KWD": 1_234}, {"wrong_type": 3, "missing_field": 1}),
    "f07-epoch-seconds.csv": (0, {}, {"out_of_scale": 2}),
    "f10-dst.csv": (4, {}, {"wrong_type": 1}),
    "f31-batch-with-lone-surrogate.json": (3, {}, {"undecodable": 1}),
    "f32-batch-with-NaN.json": (3, {}, {"undecodable": 1}),
    "f40-bom-semicolon.csv": (2, {}, {}),
    "f41-windows-1252.csv": (0, {}, {"undecodable": 2}),
    "f43-sep-line.csv": (2, {}, {}),
    "f44-cr-only.csv": (2, {}, {}),
    "f45-ragged.csv": (1, {}, {"undecodable": 3}),
    "f47-array.json": (2, {}, {}),
    "f48-float-ids.parquet": (3, {}, {}),
    "f48-int64-ids.parquet": (3, {}, {}),
    "f56-action-case.ndjson": (4, {"EUR": 400}, {}),
}
"""By file: events, revenue in minor units by currency, and refused lines by reason."""


def read(name: str) -> tuple[list[dict[str, Any]], Counter[str]]:
    mapping, judge = (FIELD / name).with_suffix(".yaml"), Judge(VoidIds.of())
    events: list[dict[str, Any]] = []
    refused = Counter[str]()
    for chunk in read_chunks(
        ByteSource(str(FIELD / name)), None, mapping_of(str(mapping)) if mapping.exists() else None
    ):
        judged = judge.judged(chunk, NOW_MS)
        events += [event for _, event in judged.lines()]
        refused.update(line.reason.value for line in judged.refused)
    return events, refused


@pytest.mark.parametrize("name", READ)
def test_a_file_of_the_field_is_read_as_it_was_meant(name: str) -> None:
    events, refused = read(name)
    revenue = Counter[str]()
    for event in events:
        revenue[event.get("currency", "")] += event.get("revenue_minor", 0)
    assert (len(events), {code: sum_ for code, sum_ in revenue.items() if sum_}, dict(refused)) == READ[name]


@pytest.mark.parametrize(("name", "said"), [("f42-utf16.csv", "encoding: utf-16"), ("f54-header-case.csv", "event_id")])
def test_a_file_of_the_field_that_can_not_be_read_says_what_to_do(name: str, said: str) -> None:
    with pytest.raises(FileProblem, match=said):
        read(name)


def test_placeholders_of_the_field_are_no_persons_and_actions_in_any_case_are_one() -> None:
    events, refused = read("f12-illegal-ids.ndjson")
    assert {event.get("customer_id") for event in events} <= {None, "anna", "ben"}
    assert refused["no_customer"] >= 5
    assert [event["action"] for event in read("f56-action-case.ndjson")[0]] == ["purchase"] * 3 + ["purchased"]


def test_equal_lines_are_events_of_their_own_in_one_file_and_under_two_mappings() -> None:
    surveys = [read(f"f35-{name}.csv")[0] for name in ("support-csat", "delivery-ces")]
    for events in ([*surveys[0], *surveys[1]], read("f34-again.csv")[0]):
        assert len({event["event_id"] for event in events}) == len(events) > 0
