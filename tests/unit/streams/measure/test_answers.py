"""Answers to instruments in a lane: which are counted, as what, and which copies conflict."""

import json
from typing import Any

import numpy as np

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.instruments import Instruments
from touchstream.schemas.lane_row import LaneRow
from touchstream.streams.measure.definitions import Definitions, document
from touchstream.streams.measure.lane import Lane
from touchstream.streams.measure.records import Records

NOW_MS = 1_790_000_000_000
JOURNEY = {"format": 1, "journeys": [{"id": "shop", "stages": [{"id": "use"}]}]}
TIMES: dict[str, Any] = {"lateness_seconds": 60, "duplicate_horizon_seconds": 86_400, "pane_retention_days": 0}
STARS = Instruments("format: 1\ninstruments:\n  - {id: stars, kind: stars}\n  - {id: hearts, kind: stars}\n")


def lane_of(*events: dict[str, Any]) -> Lane:
    definitions = Definitions.parse(json.dumps(document(JOURNEY, **TIMES, instruments=STARS)))
    row = LaneRow("touchpoints", 0, "log", 1, 0, 0, 0, definitions.version)
    lane = Lane(row, definitions, WriterSchemas(None), lambda keys: keys)
    said = {"occurred_at": NOW_MS, "customer_id": "ann", "channel": "web", "touchpoint": "page"}
    values = [json.dumps(said | event).encode() for event in events]
    size = len(values)
    lane.take(Records(np.arange(size), np.full(size, NOW_MS), [b"ann"] * size, values, [()] * size))
    return lane


def panes_of(lane: Lane) -> list[dict[str, Any]]:
    return list(lane.flush_rows().panes.to_pylist())


def test_panes_count_each_answer_of_an_instrument() -> None:
    scores = [4, 4.0, 1]
    lane = lane_of(*({"event_id": f"e{n}", "instrument": "stars", "score": one} for n, one in enumerate(scores)))
    assert [dict(pane["answer_counts"]) for pane in panes_of(lane)] == [{"stars 4000000": 2, "stars 1000000": 1}] * 3


def test_a_copy_with_another_score_or_instrument_conflicts_and_counts_nothing() -> None:
    first = {"event_id": "e", "instrument": "stars", "score": 4}
    copies = first, first | {"score": 5}, first | {"instrument": "hearts"}, {"event_id": "e", "nps": 4}
    pane = panes_of(lane_of(first, *copies))[0]
    assert (pane["touches"], pane["duplicates"], pane["conflicting"]) == (1, 4, 3)
    assert dict(pane["answer_counts"]) == {"stars 4000000": 1}


def test_an_answer_in_its_field_and_under_its_instrument_is_one_event() -> None:
    lane = lane_of({"event_id": "e", "instrument": "NPS", "score": 9}, {"event_id": "e", "nps": 9})
    rows = lane.flush_rows()
    pane = rows.panes.to_pylist()[0]
    assert (pane["nps_counts"][9], pane["duplicates"], pane["conflicting"]) == (1, 1, 0)
    assert dict(pane["answer_counts"]) == {}
    assert rows.touchpoints is not None
    assert rows.touchpoints.select("nps", "instrument", "score_micro").rows() == [(9, "", None)]


def test_an_answer_that_is_not_declared_or_off_its_scale_becomes_a_dead_letter() -> None:
    lane = lane_of(
        {"event_id": "a", "instrument": "thumbs", "score": 1},
        {"event_id": "b", "instrument": "stars", "score": 0},
        {"event_id": "c", "instrument": "stars", "score": 5},
    )
    letters = lane.flush_rows().letters
    assert [(one.log_offset, one.reason) for one in letters] == [(0, "wrong_type"), (1, "out_of_scale")]


def test_definitions_without_instruments_are_those_of_before() -> None:
    plain = document(JOURNEY, **TIMES)
    assert "instruments" not in plain
    assert plain["version"] == document(JOURNEY, **TIMES, instruments=Instruments("format: 1\n"))["version"]
    assert plain["version"] != document(JOURNEY, **TIMES, instruments=STARS)["version"]
    assert Definitions.parse(json.dumps(plain)).scales.ids == ("nps", "csat", "ces")
