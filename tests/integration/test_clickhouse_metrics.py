"""Exact metrics of any interval and groups: ClickHouse against published figures and a plain recomputation."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from threading import Event
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle import metrics as oracle
from tests.oracle.panes import sketch_bucket
from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, Row, lane, pane, panes_of, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS, IntervalError, metrics
from touchstream.sinks.clickhouse.metrics.journeys import portfolio
from touchstream.sinks.sink import Flush

pytestmark = pytest.mark.stack

BY_NAMES = [
    ("journey",),
    ("stage",),
    ("stage", "channel"),
    ("stage", "touchpoint"),
    ("segment", "channel"),
    DIMENSIONS,
    (),
]
SLOW = settings(
    max_examples=15,
    deadline=None,
    # Not shrunk: each step would be several inserts and queries, and the examples are small.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
numbers = count()


@pytest.fixture(scope="module")
def shared(clickhouse_url: str) -> Iterator[Client]:
    """A database for cases that keep apart by their journey."""
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def write(client: Client, **rows: Sequence[Row]) -> None:
    assert LaneWriter(client).write(Flush({name: table(name, found) for name, found in rows.items()}), Event()) == ()


def publish(client: Client, events: Sequence[Row]) -> None:
    write(client, touchpoints=events, stage_panes=panes_of(events))


def total(client: Client, **asked: Any) -> Row:
    (row,) = metrics(client, **asked)
    return row


# --- published figures


def test_figures_of_the_literature_are_met(shared: Client) -> None:
    cases = [
        pane(journey="published", stage="nps", nps_counts=[2, 0, 0, 0, 0, 0, 0, 5, 0, 0, 8]),
        pane(journey="published", stage="csat", csat_counts=[33, 0, 0, 0, 74]),
        pane(journey="published", stage="wilson", success=7, failure=40, abandoned=3),
    ]
    write(shared, stage_panes=cases)
    csat, nps, wilson = metrics(shared, by=["stage"], where={"journey": "published"})
    assert (nps["nps"], nps["nps_n"]) == (40.0, 15)
    assert (round(csat["csat"], 2), csat["csat_n"]) == (69.16, 107)
    assert (wilson["success_rate"], wilson["success_rate_n"]) == (0.14, 50)


# --- formulas, against a plain recomputation


def counts(size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.sampled_from([0, 0, 0, 1, 2, 7, 40]), min_size=size, max_size=size)


SUMS = st.fixed_dictionaries(
    {
        "nps_counts": counts(11),
        "csat_counts": counts(5),
        "ces_counts": counts(7),
        "duration_sketch": st.dictionaries(st.integers(-1, 1400), st.sampled_from([1, 2, 50]), max_size=6),
        "success": st.integers(0, 3),
        "failure": st.integers(0, 3),
        "abandoned": st.integers(0, 2),
        "sentiment_n": st.integers(0, 3),
        "sentiment_sum_micro": st.integers(-3_000_000, 3_000_000),
        "purchases": st.integers(0, 3),
        "revenue_minor_by_currency": st.dictionaries(st.sampled_from(["EUR", "GBP", ""]), st.integers(-(2**40), 2**40)),
        "purchase_revenue_minor_by_currency": st.dictionaries(st.sampled_from(["EUR", "GBP"]), st.integers(0, 2**40)),
    }
)


def answers(counted: Sequence[int], lowest: int) -> list[int]:
    return [answer for answer, times in enumerate(counted, lowest) for _ in range(times)]


def recomputed(sums: Mapping[str, Any]) -> Row:
    """The metrics of one pane. Intervals are of raw events: test_intervals.py."""
    nps, csat = answers(sums["nps_counts"], 0), answers(sums["csat_counts"], 1)
    ces, ended = answers(sums["ces_counts"], 1), sums["success"] + sums["failure"] + sums["abandoned"]
    found = oracle.nps(nps) | oracle.csat(csat) | oracle.ces(ces)
    found |= oracle.proportion("success_rate", sums["success"], ended, scale=1)
    buckets = sorted(bucket for bucket, times in sums["duration_sketch"].items() for _ in range(times))
    for percent in (50, 95, 99):
        bucket = oracle.quantile(buckets, percent)
        middle = None if bucket is None else 0.0 if bucket < 0 else 2 * (101 / 99) ** bucket / (101 / 99 + 1)
        found[f"duration_ms_p{percent}"] = middle
    n, net, spent = sums["sentiment_n"], sums["revenue_minor_by_currency"], sums["purchase_revenue_minor_by_currency"]
    return found | {
        "duration_ms_n": len(buckets),
        "sentiment": sums["sentiment_sum_micro"] / 1e6 / n if n else None,
        "sentiment_n": n,
        "purchases": sums["purchases"],
        "revenue_minor": sum(net.values()) if len(net) < 2 else None,
        "revenue_minor_by_currency": net,
        "average_order_minor": sum(spent.values()) / sums["purchases"]
        if sums["purchases"] and len(spent) == 1
        else None,
        "average_order_minor_n": sums["purchases"],
    }


def assert_equal(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        if name.endswith(("_low", "_high")) and "response_rate" not in name:
            continue  # they count people: test_intervals.py
        wanted = value if value is None or isinstance(value, dict) else pytest.approx(value, rel=1e-9, abs=1e-9)
        assert found[name] == wanted, name


@SLOW
@given(st.lists(SUMS, min_size=40, max_size=40))
def test_every_formula_agrees_with_a_plain_recomputation(shared: Client, cases: list[Row]) -> None:
    journey = f"formulas-{next(numbers)}"
    write(
        shared, stage_panes=[pane(journey=journey, stage=f"{number:02}", **sums) for number, sums in enumerate(cases)]
    )
    found = metrics(shared, by=["stage"], where={"journey": journey})
    assert len(found) == len(cases)
    for row, sums in zip(found, cases, strict=True):
        assert_equal(row, recomputed(sums))


# --- intervals and groups, against the events themselves

EDGES_MS = (
    0,
    1,
    9_999,
    10_000,
    25_000,
    299_999,
    300_000,
    3_599_999,
    HOUR_MS,
    5 * HOUR_MS + 310_000,
    -1,
    -HOUR_MS,
    -7_777,
)
INSTANTS = st.sampled_from(EDGES_MS).map(lambda edge: NOON_MS + edge)
EVENTS = st.builds(
    touchpoint,
    occurred_at=INSTANTS,
    customer_id=st.sampled_from(["ann", "bob", "", ""]),
    anonymous_id=st.sampled_from(["ann", "eve"]),
    stage=st.sampled_from(["use", "support"]),
    channel=st.sampled_from(["web", "shop"]),
    touchpoint=st.sampled_from(["page", "desk"]),
    segment=st.sampled_from(["", "new"]),
    partition=st.integers(0, 1),
    action=st.sampled_from(["contact", "purchase"]),
    outcome=st.sampled_from(["", "success", "failure", "abandoned"]),
    late=st.booleans(),
    duration_ms=st.sampled_from([None, 0, 1, 2, 3, 999, 1_000, 10**9]),
    nps=st.sampled_from([None, 0, 6, 7, 9, 10]),
    csat=st.sampled_from([None, 1, 3, 4, 5]),
    ces=st.sampled_from([None, 1, 4, 5, 7]),
    sentiment_micro=st.sampled_from([None, -1_000_000, 333_333]),
    revenue_minor=st.sampled_from([None, 0, -5, 1_999]),
    currency=st.sampled_from(["EUR", "GBP"]),
)
DURATIONS = [f"duration_ms_p{percent}" for percent in (50, 95, 99)]


@SLOW
@given(st.lists(EVENTS, min_size=1, max_size=60), st.none() | INSTANTS, st.none() | INSTANTS, st.sampled_from(BY_NAMES))
def test_any_interval_and_grouping_agrees_with_the_events_in_it(
    shared: Client, drawn: list[Row], start: int | None, end: int | None, by: tuple[str, ...]
) -> None:
    if start is not None and end is not None and start >= end:
        start, end = None, end
    journey = f"events-{next(numbers)}"
    events = [row | {"log_offset": number, "journey": journey, "log_id": journey} for number, row in enumerate(drawn)]
    publish(shared, events)
    inside = [
        row
        for row in events
        if (start is None or start <= row["occurred_at"]) and (end is None or row["occurred_at"] < end)
    ]
    expected = oracle.metrics_by(inside, by)
    found = metrics(shared, start, end, by, where={"journey": journey})
    if inside or by:
        assert [tuple(row[name] for name in by) for row in found] == sorted(expected)
    for row in found if inside else []:
        wanted = expected[tuple(row[name] for name in by)]
        assert_equal(row, {name: value for name, value in wanted.items() if name not in DURATIONS})
        for name in DURATIONS:
            assert row[name] == (wanted[name] and pytest.approx(wanted[name], rel=0.0101))


@pytest.mark.parametrize("duration_ms", [0, 1, 2, 3, 10, 50, 999, 1_000, 123_456_789, 315_619_200_000])
def test_a_raw_event_at_an_edge_falls_into_the_bucket_of_its_pane(shared: Client, duration_ms: int) -> None:
    journey = f"bucket-{duration_ms}"
    publish(shared, [touchpoint(journey=journey, log_id=journey, duration_ms=duration_ms)])
    of_pane = total(shared, where={"journey": journey})
    of_raw_event = total(shared, from_ms=NOON_MS, to_ms=NOON_MS + 1, where={"journey": journey})
    assert of_raw_event["duration_ms_p50"] == of_pane["duration_ms_p50"]
    assert sketch_bucket(duration_ms) < 0 or of_pane["duration_ms_p50"] == pytest.approx(duration_ms, rel=0.0101)


# --- what is not known, and what counts once


def test_one_total_even_of_nothing(client: Client) -> None:
    row = total(client)
    assert (row["touches"], row["customers"], row["revenue_minor"], row["revenue_minor_by_currency"]) == (0, 0, 0, {})
    assert [row[f"{name}_n"] for name in ("nps", "csat", "ces", "success_rate", "csat_response_rate")] == [0] * 5
    assert [row[name] for name in ("nps", "csat", "csat_mean", "ces", "success_rate", "sentiment")] == [None] * 6
    assert metrics(client, by=["stage"]) == []


def test_groups_come_first_in_the_order_asked_for_and_rows_in_theirs(client: Client) -> None:
    publish(
        client,
        [
            touchpoint(n, stage=stage, channel=channel)
            for n, (stage, channel) in enumerate([("b", "x"), ("a", "y"), ("a", "x")])
        ],
    )
    found = metrics(client, by=["channel", "stage"])
    assert [list(row)[:2] for row in found] == [["channel", "stage"]] * 3
    assert [(row["channel"], row["stage"]) for row in found] == [("x", "a"), ("x", "b"), ("y", "a")]


def test_every_field_is_in_the_catalogue_and_every_entry_in_the_fields(client: Client) -> None:
    assert set(portfolio(client)[0]) - {"reasons"} == Catalogue.load().fields


def test_rows_written_again_on_another_day_count_once(client: Client) -> None:
    events = [touchpoint(offset, occurred_at=NOON_MS + offset, customer_id=f"c{offset}") for offset in range(3)]
    publish(client, events)
    publish(client, events[:2])
    client.command("INSERT INTO touchpoints SELECT * REPLACE (inserted_at - 86400 AS inserted_at) FROM touchpoints")
    of_panes, of_raw_events = total(client), total(client, from_ms=NOON_MS, to_ms=NOON_MS + 2)
    assert (of_panes["touches"], of_panes["customers"]) == (3, 3)
    assert (of_raw_events["touches"], of_raw_events["customers"]) == (2, 2)


def test_lanes_and_logs_add_up_and_customers_do_not(client: Client) -> None:
    logs = [(log, partition) for log in ("old", "new") for partition in (0, 1)]
    publish(client, [touchpoint(n, log_id=log, partition=p, stage="ab"[n]) for log, p in logs for n in (0, 1)])
    assert [(row["touches"], row["customers"]) for row in metrics(client, by=["stage"])] == [(4, 1), (4, 1)]
    assert (total(client)["touches"], total(client)["customers"]) == (8, 1)


def test_an_event_of_nobody_touches_no_customer(client: Client) -> None:
    publish(client, [touchpoint(1, customer_id=""), touchpoint(2, customer_id="", anonymous_id="ann")])
    assert (total(client)["touches"], total(client)["customers"]) == (2, 1)


def test_revenue_is_never_summed_over_currencies(client: Client) -> None:
    sold = {"action": "purchase", "revenue_minor": 700}
    events = [touchpoint(1, currency="EUR", **sold), touchpoint(2, currency="JPY", stage="other", **sold)]
    refund = touchpoint(3, currency="EUR", action="return", revenue_minor=-200)
    publish(client, [*events, refund])
    both = total(client)
    assert (both["revenue_minor"], both["average_order_minor"]) == (None, None)
    assert both["revenue_minor_by_currency"] == {"EUR": 500, "JPY": 700}
    euro = total(client, where={"stage": "use"})
    assert (euro["revenue_minor"], euro["average_order_minor"]) == (500, 700)


def test_customers_are_not_known_once_raw_events_are_gone(client: Client) -> None:
    publish(client, [touchpoint(1, stage="old", nps=9), touchpoint(2, stage="new", nps=9)])
    client.command("DELETE FROM touchpoints WHERE stage = 'old'")
    new, old = metrics(client, by=["stage"])
    assert (new["customers"], new["nps_response_rate"]) == (1, 1.0)
    assert (old["touches"], old["nps"], old["customers"]) == (1, 100.0, None)
    assert (old["nps_response_rate"], old["nps_response_rate_n"]) == (None, None)
    assert total(client)["customers"] is None


def test_an_edge_inside_ten_seconds_needs_raw_events(client: Client) -> None:
    publish(client, [touchpoint(1, occurred_at=NOON_MS + 3)])
    assert total(client, to_ms=NOON_MS + 5)["touches"] == 1
    client.command("DELETE FROM touchpoints WHERE true")
    with pytest.raises(IntervalError, match="whole ten seconds"):
        metrics(client, to_ms=NOON_MS + 5)
    assert total(client, to_ms=NOON_MS + 10_000)["touches"] == 1


def test_duplicates_are_known_of_whole_ten_seconds_only(client: Client) -> None:
    duplicated = [row | {"duplicates": 2} for row in panes_of([touchpoint()])]
    write(client, touchpoints=[touchpoint()], stage_panes=duplicated)
    assert total(client)["duplicates"] == 2
    assert total(client, to_ms=NOON_MS + 1)["duplicates"] is None


@pytest.mark.parametrize(
    "asked", [{"by": ["stages"]}, {"where": {"colour": "red"}}, {"by": ["stage; DROP TABLE lanes"]}]
)
def test_an_unknown_dimension_is_refused_with_those_there_are(client: Client, asked: Any) -> None:
    with pytest.raises(ValueError, match="journey, stage, channel, touchpoint, segment"):
        metrics(client, **asked)


def test_names_may_hold_anything(client: Client) -> None:
    name = "it's; -- \\ {stage:String} \x00 ü🛫\n\t\"`"
    publish(client, [touchpoint(1, stage=name), touchpoint(2, stage="")])
    assert [row["stage"] for row in metrics(client, by=["stage"])] == ["", name]
    assert total(client, where={"stage": name})["touches"] == 1
    assert total(client, where={"stage": ""})["touches"] == 1


# --- completeness


def test_completeness_is_the_share_of_lanes_whose_watermark_has_passed_the_end(client: Client) -> None:
    behind = lane(partition=1, watermark=NOON_MS - 1)
    replaced = lane(partition=2, log_id="old", generation=1, watermark=NOON_MS - HOUR_MS)
    write(client, lanes=[lane(), behind, replaced, lane(partition=2, generation=2), lane(topic="another", watermark=0)])
    row = total(client, to_ms=NOON_MS)
    assert (row["completeness"], row["completeness_n"]) == (pytest.approx(2 / 3), 3)
    assert total(client, to_ms=NOON_MS - 10_000)["completeness"] == 1.0
    assert total(client, to_ms=NOON_MS + 10_000)["completeness"] == 0.0


def test_without_an_end_a_lane_counts_that_keeps_up_with_the_newest_record(client: Client) -> None:
    rows = [lane(), lane(partition=1, lane_clock=NOON_MS - 60_000), lane(partition=2, lane_clock=NOON_MS - 60_001)]
    write(client, lanes=rows)
    assert total(client)["completeness"] == pytest.approx(2 / 3)


def test_without_lanes_nothing_is_complete(client: Client) -> None:
    row = total(client)
    assert (row["completeness"], row["completeness_n"]) == (0.0, 0)
