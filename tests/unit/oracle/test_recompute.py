"""The oracle says what the tables must hold: each rule on a log of a few records."""

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.compare import difference
from tests.oracle.control import FIRST_KEYS, PUBLIC, keys_value, signed
from tests.oracle.control import control as made
from tests.oracle.log import Definitions, Lane, Record, Signing, WriterSchemas, version_of
from tests.oracle.panes import empty_pane, sketch_bucket
from tests.oracle.recompute import NO_EVENT_MS, Identity, Tables, counted_ids, history, recompute
from tests.oracle.strategies import LANE, WRITER_SCHEMAS, definitions, logs

HOUR_MS = 3_600_000
NOW = 500_000 * HOUR_MS
JOURNEY: dict[str, Any] = {
    "format": 1,
    "journeys": [
        {
            "id": "first",
            "stages": [
                {"id": "buy", "touchpoints": [{"channel": ["web", "app"], "touchpoint": "check*"}]},
                {"id": "ask", "touchpoints": [{"action": "contact"}]},
            ],
        },
        {"id": "second", "stages": [{"id": "other", "touchpoints": [{"channel": "web"}]}]},
    ],
}
PLAIN = Definitions("v1", JOURNEY)


def event(offset: int, at: int | None = NOW, **fields: Any) -> Record:
    made = {
        "event_id": f"e{offset}",
        "occurred_at": NOW,
        "customer_id": "ann",
        "channel": "web",
        "touchpoint": "checkout",
    }
    return Record(offset, at, b"ann", json.dumps(made | fields).encode())


def control(offset: int, kind: bytes, value: bytes = b"", at: int | None = NOW) -> Record:
    signing = None if kind == b"heartbeat" else Signing(sequence=offset + 1)
    return signed(made(offset, at, kind, value, signing), Lane("log", 0))


def switch(offset: int, **fields: Any) -> Record:
    document = {
        "journey": JOURNEY,
        "lateness_seconds": 60,
        "duplicate_horizon_seconds": 86_400,
        "pane_retention_days": 0,
    }
    said = document | fields
    return control(offset, b"definitions", json.dumps(said | {"version": version_of(said)}).encode())


def tables(*log: Record, start: Definitions = PLAIN, **predecessor: Any) -> Tables:
    return recompute(log, Lane("log", 0), start, WriterSchemas(), **predecessor)


def panes(found: Tables, resolution: int = 10) -> list[dict[str, Any]]:
    return [pane for key, pane in found.panes.items() if key[0] == resolution]


def test_an_event_is_a_row_of_its_own_and_a_touch_in_a_pane_of_each_resolution() -> None:
    found = tables(event(7, occurred_at=NOW + 305_001, received_at=NOW))
    assert found.touchpoints[7]["event_id"] == "e7"
    assert list(found.panes) == [
        (resolution, start, "first", "buy", "web", "checkout", "")
        for resolution, start in ((10, NOW + 300_000), (300, NOW + 300_000), (3600, NOW))
    ]
    assert all((pane["touches"], pane["log_offset"]) == (1, 7) for pane in found.panes.values())


def test_panes_before_1970_begin_before_their_events() -> None:
    assert [key[1] for key in tables(event(0, occurred_at=-86_400_001)).panes] == [
        -86_410_000,
        -86_700_000,
        -90_000_000,
    ]


def test_the_second_of_two_events_with_one_id_is_a_duplicate_in_its_own_pane() -> None:
    found = tables(event(0), event(1, event_id="e0", touchpoint="elsewhere"))
    assert list(found.touchpoints) == [0]
    assert [(pane["touches"], pane["duplicates"], pane["log_offset"]) for pane in panes(found)] == [
        (1, 0, 0),
        (0, 1, 1),
    ]


def test_the_horizon_is_measured_on_the_lane_clock_and_from_the_event_that_was_counted() -> None:
    start = Definitions("v1", JOURNEY, duplicate_horizon_seconds=10)
    log = [event(0), event(1, NOW + 10_000, event_id="e0"), event(2, NOW + 5, event_id="e0")]
    assert list(tables(*log, start=start).touchpoints) == [0]
    assert list(tables(*log, event(3, NOW + 10_001, event_id="e0"), start=start).touchpoints) == [0, 3]


def test_more_than_so_many_offsets_are_not_remembered_and_more_later_bring_nothing_back() -> None:
    start = Definitions("v1", JOURNEY, duplicate_ids_max=2)
    log = [event(0, event_id="a"), event(1, event_id="b"), event(2, event_id="a"), event(3, event_id="b")]
    assert list(tables(*log, start=start).touchpoints) == [0, 1]
    assert list(tables(*log, event(4, event_id="a"), start=start).touchpoints) == [0, 1, 4]
    assert tables(*log, start=start).lane["ids_from"] == 2
    assert list(tables(*log, switch(4), event(5, event_id="a"), start=start).touchpoints) == [0, 1, 5]


def test_a_refused_event_is_not_remembered() -> None:
    found = tables(event(0, nps=11), event(1, event_id="e0", nps=10))
    assert found.dead_letters == {0: "out_of_scale"}
    assert found.touchpoints[1]["nps"] == 10


def test_an_id_counted_in_the_log_before_is_a_duplicate_within_the_horizon() -> None:
    before = tables(event(0), event(1), event(2))
    ids = counted_ids(before, next_offset=2)
    last = {"e0": (NOW, -2), "e1": (NOW, -1)}
    places = {name: (seen.clock, seen.offset) for name, seen in ids.items()}
    expected: dict[str | Identity, tuple[int, int]] = dict(last.items())
    expected |= {Identity("web", b"ann", event_id): at for event_id, at in last.items()}
    assert places == expected
    inherited: dict[str, Any] = {"predecessor_ids": ids, "predecessor_clock": NOW, "predecessor_ids_from": -2}
    after = tables(event(0, event_id="e1"), event(1, event_id="e2"), **inherited)
    assert list(after.touchpoints) == [1]
    late = tables(event(0, NOW + 25 * HOUR_MS, event_id="e1"), **inherited)
    assert list(late.touchpoints) == [0]


def test_a_new_log_goes_on_with_the_clock_and_the_highest_event_of_the_one_before() -> None:
    after = tables(
        event(0, NOW, occurred_at=NOW - 5), predecessor_clock=NOW + 7, predecessor_occurred_max=NOW + HOUR_MS
    )
    assert (after.lane["lane_clock"], after.lane["occurred_max"]) == (NOW + 7, NOW + HOUR_MS)
    assert after.touchpoints[0]["lane_clock"] == NOW + 7


def test_the_lane_clock_never_goes_back_and_stands_in_for_missing_timestamps() -> None:
    found = tables(event(0), event(1, NOW - 5_000), event(2, None), event(3, -1), event(4, NOW + 1))
    assert [row["record_at"] - NOW for row in found.touchpoints.values()] == [0, -5_000, 0, 0, 1]
    assert [row["lane_clock"] - NOW for row in found.touchpoints.values()] == [0, 0, 0, 0, 1]
    assert tables(event(0, None, occurred_at=-86_400_001)).touchpoints[0]["record_at"] == 0


def test_late_is_measured_against_the_event_s_own_record() -> None:
    found = tables(event(0, NOW + HOUR_MS), event(1, NOW + 60_000), event(2, NOW + 60_001))
    assert [row["late"] for row in found.touchpoints.values()] == [True, False, True]
    assert sum(pane["late"] for pane in panes(found)) == 2


def test_the_watermark_follows_the_highest_event_but_never_passes_the_clock() -> None:
    assert tables(event(0, NOW + HOUR_MS)).lane["watermark"] == NOW - 60_000
    ahead = tables(event(0, occurred_at=NOW + 600_000), event(1), event(2, occurred_at=0, nps=11)).lane
    assert (ahead["occurred_max"], ahead["watermark"]) == (NOW + 600_000, NOW)


def test_a_lane_that_counted_nothing_is_at_the_lowest_instant_of_the_tables() -> None:
    lane = tables(event(0, nps=11)).lane
    assert (lane["lane_clock"], lane["occurred_max"], lane["watermark"]) == (NOW, NO_EVENT_MS, NO_EVENT_MS)


def test_a_heartbeat_moves_clock_and_watermark_and_nothing_else() -> None:
    found = tables(event(0), control(1, b"heartbeat", at=NOW + HOUR_MS))
    assert found.lane == {
        "log_id": "log",
        "partition": 0,
        "next_offset": 2,
        "lane_clock": NOW + HOUR_MS,
        "occurred_max": NOW + HOUR_MS,
        "watermark": NOW + HOUR_MS - 60_000,
        "definitions": "v1",
        "ids_since": NOW + HOUR_MS - 24 * HOUR_MS,
        "ids_from": 0,
        "control_sequence": 0,
        "control_keys": FIRST_KEYS,
    }
    assert (list(found.touchpoints), found.dead_letters) == ([0], {})


def test_definitions_hold_from_the_record_after_them() -> None:
    switched = switch(1, journey={"journeys": [{"id": "new", "stages": []}]})
    found = tables(event(0, touchpoint="chat"), switched, event(2))
    version = json.loads(switched.value or b"")["version"]
    assert [(row["definitions"], row["journey"]) for row in found.touchpoints.values()] == [
        ("v1", "first"),
        (version, "new"),
    ]
    assert found.lane["definitions"] == version


def test_a_control_record_that_says_nothing_known_is_a_dead_letter() -> None:
    found = tables(control(0, b"stop"), control(1, b"definitions", b"{}"), control(2, b"definitions", b"nonsense"))
    assert found.dead_letters == dict.fromkeys(range(3), "control_refused")
    assert found.lane["definitions"] == "v1"


def test_a_control_record_is_obeyed_once_for_its_own_lane_and_by_a_key_that_counts() -> None:
    def rotate(offset: int, signing: Signing | None) -> Record:
        return signed(made(offset, NOW, b"keys", keys_value([(0, 5), (1, 0)]), signing), Lane("log", 0))

    refused = tables(
        rotate(0, None), rotate(1, Signing(5, key=1)), rotate(2, Signing(5, log_id="other")),
        rotate(3, Signing(5, partitions_on=1)), rotate(4, Signing(5, added=b" ")),
    )  # fmt: skip
    assert (list(refused.dead_letters), set(refused.controls.values())) == ([0, 1, 2, 3, 4], {False})
    assert refused.lane["control_keys"] == FIRST_KEYS
    obeyed = tables(rotate(0, Signing(5)), rotate(1, Signing(5)), rotate(2, Signing(6)), rotate(3, Signing(6, key=1)))
    assert obeyed.controls == {0: True, 1: False, 2: False, 3: True}
    assert (obeyed.lane["control_sequence"], obeyed.lane["control_keys"]) == (6, PUBLIC[1])


def test_nothing_is_erased_that_is_recorded_after_it() -> None:
    def forget(offset: int, until: int) -> Record:
        return control(offset, b"forget", json.dumps({"id_hashes": ["a" * 64], "erased_at": until}).encode())

    found = tables(forget(0, NOW), forget(1, NOW + 1), forget(2, NOW + 600_001))
    assert found.erasures == {(0, "a" * 64): NOW, (1, "a" * 64): NOW}
    assert found.dead_letters == {2: "control_refused"}


def test_an_event_older_than_the_panes_is_refused_only_where_panes_are_deleted() -> None:
    old, edge = event(0, NOW + 24 * HOUR_MS + 1), event(1, NOW + 24 * HOUR_MS)
    assert tables(old).dead_letters == {}
    start = Definitions("v1", JOURNEY, pane_retention_days=1)
    assert tables(old, start=start).dead_letters == {0: "too_old"}
    assert tables(edge, start=start).dead_letters == {}


def test_stages_are_the_event_s_own_else_the_journey_s_else_undeclared() -> None:
    found = tables(
        event(0),
        event(1, stage="mine"),
        event(2, touchpoint="chat"),
        event(3, touchpoint="chat", action="view"),
        event(4, journey="second", touchpoint="chat"),
        event(5, journey="third"),
        event(6, stage="ask"),
        event(7, stage="ask", action="view"),
    )
    places = [(row["journey"], row["stage"], row["declared"]) for row in found.touchpoints.values()]
    assert places == [
        ("first", "buy", True),
        ("first", "mine", False),
        ("first", "ask", True),
        ("first", "undeclared", False),
        ("second", "other", True),
        ("third", "undeclared", False),
        ("first", "ask", True),
        ("first", "ask", False),
    ]


def test_a_pane_holds_every_measure_of_its_events() -> None:
    found = tables(
        event(0, action="purchase", revenue_minor=500, currency="EUR", nps=10, csat=1, ces=7, outcome="success"),
        event(1, revenue_minor=-200, currency="EUR", nps=0, csat=5, ces=1, outcome="abandoned", duration_ms=0),
        event(2, revenue_minor=7, currency="GBP", sentiment=-0.5, duration_ms=1),
        event(3, sentiment=0.25, duration_ms=1000, outcome="failure"),
    )
    (pane,) = panes(found)
    assert pane == empty_pane() | {
        "log_offset": 3,
        "touches": 4,
        "duplicates": 0,
        "conflicting": 0,
        "late": 0,
        "success": 1,
        "failure": 1,
        "abandoned": 1,
        "purchases": 1,
        "duration_n": 3,
        "duration_sum_ms": 1001,
        "sentiment_n": 2,
        "sentiment_sum_micro": -250_000,
        "nps_counts": [1, *[0] * 9, 1],
        "csat_counts": [1, 0, 0, 0, 1],
        "ces_counts": [1, 0, 0, 0, 0, 0, 1],
        "duration_sketch": {-1: 1, 0: 1, sketch_bucket(1000): 1},
        "revenue_minor_by_currency": {"EUR": 300, "GBP": 7},
        "purchase_revenue_minor_by_currency": {"EUR": 500},
        "answer_counts": {},
    }


@given(st.integers(1, 2**62))
def test_the_middle_of_a_sketch_bucket_is_within_one_per_cent(duration_ms: int) -> None:
    bucket = sketch_bucket(duration_ms)
    assert 101**bucket >= duration_ms * 99**bucket
    assert bucket == 0 or 101 ** (bucket - 1) < duration_ms * 99 ** (bucket - 1)
    middle = 2 * (101 / 99) ** bucket / (101 / 99 + 1)
    assert abs(middle - duration_ms) <= 0.0100001 * duration_ms


@settings(deadline=None)
@given(logs(max_records=20), definitions(), st.data())
def test_a_row_depends_on_the_log_up_to_its_offset_only(
    log: list[Record], start: Definitions, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(log)))
    whole = recompute(log, LANE, start, WRITER_SCHEMAS)
    part = recompute(log[:cut], LANE, start, WRITER_SCHEMAS)
    end = log[cut - 1].offset if cut else -1
    for table in ("touchpoints", "dead_letters"):
        assert up_to(end, getattr(whole, table)) == getattr(part, table)
    for key, row in whole.panes.items():
        assert row["log_offset"] > end or part.panes[key] == row


def up_to(end: int, rows: Mapping[int, Any]) -> dict[int, Any]:
    return {offset: row for offset, row in rows.items() if offset <= end}


@settings(deadline=None)
@given(logs(max_records=12), definitions())
def test_the_history_holds_the_rows_after_every_record(log: list[Record], start: Definitions) -> None:
    found = history(log, LANE, start, WRITER_SCHEMAS)
    for number, record in enumerate(log, start=1):
        then = recompute(log[:number], LANE, start, WRITER_SCHEMAS)
        assert found.lanes[record.offset + 1] == then.lane
        assert all(found.panes[key, pane["log_offset"]] == pane for key, pane in then.panes.items())


def test_of_the_versions_of_an_answer_the_last_by_time_counts_as_one_touch() -> None:
    versions = [event(0, nps=1), event(1, amends="e0", nps=2, touchpoint="elsewhere"),
                event(2, amends="e0", nps=3, occurred_at=NOW - 1), event(3, nps=9)]  # fmt: skip
    found = tables(*versions)
    assert [row["replaced"] for row in found.touchpoints.values()] == [None, 0, 2, None]
    assert [(pane["touches"], pane["nps_counts"].index(1) if 1 in pane["nps_counts"] else None, pane["log_offset"])
            for pane in panes(found)] == [(1, 9, 3), (1, 2, 1)]  # fmt: skip


@settings(deadline=None)
@given(logs(max_records=20), definitions())
def test_every_record_is_counted_or_a_duplicate_or_a_dead_letter_or_a_control_record(
    log: list[Record], start: Definitions
) -> None:
    found = recompute(log, LANE, start, WRITER_SCHEMAS)
    replaced = sum(row["replaced"] is not None for row in found.touchpoints.values())
    for resolution in (10, 300, 3600):
        assert sum(pane["touches"] for pane in panes(found, resolution)) == len(found.touchpoints) - replaced
    applied = replaced + sum(pane["touches"] + pane["duplicates"] for pane in panes(found))
    controls = sum(record.control is not None and record.offset not in found.dead_letters for record in log)
    assert applied + controls + len(found.dead_letters) == len(log)


def test_differences_are_named_by_table_key_and_column_and_bounded() -> None:
    one, other = tables(event(0, nps=9)), tables(event(0, nps=8), event(1, action=""))
    lines = difference(one, other)
    assert "touchpoints 0: nps expected 9, found 8" in lines
    assert any(line.startswith("dead_letters 1: not expected; found 'missing_field'") for line in lines)
    assert any(line.startswith("lanes row: next_offset expected 1, found 2") for line in lines)
    assert difference(one, one) == []
    many = difference(tables(*map(event, range(50))), tables())
    assert (len(many), many[-1]) == (21, "and 34 more")


def test_the_oracle_imports_nothing_that_it_checks() -> None:
    for path in (Path(__file__).parents[2] / "oracle").glob("*.py"):
        assert not {"touchstream"} & set(imported(ast.parse(path.read_text()))), path


def imported(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
