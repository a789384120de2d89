"""Corrections in a lane: which version of an answer counts, in which pane, and how far back they reach."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.lane_row import LaneRow
from touchstream.streams.measure.answers import REMEMBERED_MS
from touchstream.streams.measure.definitions import CORRECTION_DAYS, Definitions, document
from touchstream.streams.measure.lane import Lane
from touchstream.streams.measure.records import Records

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
JOURNEY = {"format": 1, "journeys": [{"id": "shop", "stages": [{"id": "use"}]}]}
TIMES: dict[str, Any] = {"lateness_seconds": 60, "duplicate_horizon_seconds": 86_400, "pane_retention_days": 0}


def empty_lane(**defined: Any) -> Lane:
    definitions = Definitions.parse(json.dumps(document(JOURNEY, **TIMES, **defined)))
    row = LaneRow("touchpoints", 0, "log", 1, 0, 0, 0, definitions.version)
    return Lane(row, definitions, WriterSchemas(None), lambda keys: keys)


def take(lane: Lane, *events: dict[str, Any], at_ms: int = NOW_MS) -> None:
    """Events of ann, each in a record of this time, behind those that were taken before."""
    said = {"occurred_at": NOW_MS, "customer_id": "ann", "channel": "web", "touchpoint": "page"}
    values = [json.dumps(said | event).encode() for event in events]
    size, first = len(values), lane.row.next_offset
    lane.take(Records(np.arange(first, first + size), np.full(size, at_ms), [b"ann"] * size, values, [()] * size))


def answers(lane: Lane) -> list[tuple[str, int, list[int]]]:
    """Touchpoint, touches and NPS answers of each pane of an hour."""
    panes = [pane for pane in lane.flush_rows().panes.to_pylist() if pane["resolution_s"] == 3600]
    said = [
        (pane["touchpoint"], pane["touches"], [score for score, n in enumerate(pane["nps_counts"]) for _ in range(n)])
        for pane in panes
    ]
    return sorted(said)


FIRST = {"event_id": "a", "nps": 3}
SECOND = {"event_id": "b", "amends": "a", "nps": 8, "occurred_at": NOW_MS + 1}
THIRD = {"event_id": "c", "amends": "a", "nps": 9, "occurred_at": NOW_MS + 2}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ((FIRST, SECOND), 8),
        ((SECOND, FIRST), 8),
        ((FIRST, SECOND, THIRD), 9),
        ((THIRD, FIRST, SECOND), 9),
        ((FIRST, SECOND, SECOND), 8),
        ((FIRST, SECOND | {"occurred_at": NOW_MS}), 8),
        ((FIRST, SECOND | {"occurred_at": NOW_MS - 1}), 3),
        ((FIRST, SECOND | {"source": "web"}), 8),
    ],
)
def test_the_version_that_was_given_last_counts_in_whichever_order_they_come(
    events: Sequence[dict[str, Any]], counts: int, at_once: bool
) -> None:
    lane = empty_lane()
    for run in [events] if at_once else [[one] for one in events]:
        take(lane, *run)
    assert answers(lane) == [("page", 1, [counts])]


@pytest.mark.parametrize("other", [{"source": "shop"}, {"channel": "shop"}, {"amends": "A"}])
def test_an_event_that_names_another_answer_is_one_of_its_own(other: dict[str, Any]) -> None:
    lane = empty_lane()
    take(lane, FIRST, SECOND | other)
    assert sorted(score for _, _, scores in answers(lane) for score in scores) == [3, 8]


def test_an_answer_leaves_its_pane_for_that_of_its_correction() -> None:
    lane = empty_lane()
    take(lane, FIRST | {"duration_ms": 7, "instrument": "csat", "score": 4}, SECOND | {"touchpoint": "chat"})
    rows = lane.flush_rows()
    left = next(pane for pane in rows.panes.to_pylist() if pane["touchpoint"] == "page")
    assert (left["touches"], sum(left["nps_counts"]), sum(left["csat_counts"]), left["duration_n"]) == (0, 0, 0, 0)
    assert (dict(left["duration_sketch"]), left["log_offset"]) == ({98: 0}, 1)
    assert rows.touchpoints is not None
    assert rows.touchpoints["replaced"].to_list() == [None, 0]


@pytest.mark.parametrize(("later_ms", "touches"), [(CORRECTION_DAYS * DAY_MS, 1), (CORRECTION_DAYS * DAY_MS + 1, 2)])
def test_a_correction_reaches_back_so_many_days_by_the_lane_clock(later_ms: int, touches: int) -> None:
    lane = empty_lane()
    take(lane, FIRST)
    take(lane, SECOND, at_ms=NOW_MS + later_ms)
    assert [found for _, found, _ in answers(lane)] == [touches]


def test_definitions_may_reach_less_far_or_not_at_all() -> None:
    lane = empty_lane(correction_days=0)
    take(lane, FIRST, SECOND)
    assert answers(lane) == [("page", 2, [3, 8])]
    with pytest.raises(ValueError, match="correction_days"):
        empty_lane(correction_days=91)


def test_amendments_are_remembered_for_a_bounded_number_of_days() -> None:
    lane = empty_lane()
    take(lane, *(SECOND | {"event_id": f"b{n}", "amends": f"a{n}"} for n in range(3)))
    assert len(lane.answers) == 3
    take(lane, {"event_id": "z"}, at_ms=NOW_MS + REMEMBERED_MS + 1)
    lane.flush_rows()
    lane.flushed(1_000)
    assert len(lane.answers) == 0


def test_versions_are_looked_up_once_they_are_in_the_tables_and_only_where_an_answer_is_amended() -> None:
    asked: list[tuple[list[str], int, int]] = []

    def load(event_ids: Sequence[str], below: int, since_ms: int) -> pa.Table:
        asked.append((list(event_ids), below, since_ms))
        return pa.table({})

    lane = empty_lane()
    lane.answers._load = load
    take(lane, FIRST, {"event_id": "other"})
    lane.flush_rows()
    lane.flushed(1_000)
    assert asked == []
    take(lane, SECOND)
    assert asked == [(["a"], 2, NOW_MS - CORRECTION_DAYS * DAY_MS)]
