"""Panes held against raw events in the real engine: nothing is found where they agree, and whatever was changed is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, Row, dead_letter, lane, panes_of, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.metrics.exact import IntervalError
from touchstream.sinks.clickhouse.upkeep import reconcile as module
from touchstream.sinks.clickhouse.upkeep.reconcile import DIFFERENCES_MAX, Reconciled, reconcile
from touchstream.streams.cli.main import app
from touchstream.streams.process import metrics
from touchstream.streams.upkeep.reconcile import Reconciler

pytestmark = pytest.mark.stack

# ends of sketch buckets: 33,701,495,443 ms is where a logarithm is off by one
DURATIONS = (None, 0, 1, 2, 101, 33_701_495_443, 33_701_495_444, 315_619_200_000)
MEASURES = {
    "touches": 1, "late": 1, "success": 1, "failure": 1, "abandoned": 1, "purchases": 1, "duration_n": 1,
    "duration_sum_ms": 1, "sentiment_n": 1, "sentiment_sum_micro": -1, "nps_counts": [1] * 11, "csat_counts": [1] * 5,
    "ces_counts": [1] * 7, "duration_sketch": {7: 1}, "revenue_minor_by_currency": {"CHF": 1},
    "purchase_revenue_minor_by_currency": {"CHF": 1},
}  # fmt: skip


@dataclass
class Written:
    """A database with events, and the panes that the oracle makes of them."""

    client: Client
    events: list[Row]
    panes: list[Row]

    def insert(self, name: str, *rows: Row) -> None:
        self.client.insert_arrow(name, table(name, rows))

    def pane(self, resolution_s: int) -> Row:
        return next(row for row in self.panes if row["resolution_s"] == resolution_s and row["touches"] > 1)


def events(count: int = 400) -> list[Row]:
    chance = Random(5)
    one = chance.choice
    return [
        touchpoint(
            offset, partition=offset % 2, occurred_at=NOON_MS - 5 * HOUR_MS + offset * 60_123,
            channel=one(["web", "app"]), segment=one(["", "vip"]), late=one([True, False]),
            action=one(["purchase", "return", "view"]), outcome=one(["", "success", "failure", "abandoned"]),
            duration_ms=one(DURATIONS), nps=one([None, 0, 10]), csat=one([None, 1, 5]), ces=one([None, 1, 7]),
            sentiment_micro=one([None, -5, 7]), revenue_minor=one([None, 100, -100, 0]), currency=one(["EUR", "USD"]),
        )
        for offset in range(count)
    ] + [touchpoint(count, occurred_at=-1), touchpoint(count + 1, occurred_at=-1)]  # fmt: skip


@pytest.fixture
def written(clickhouse_url: str) -> Iterator[Written]:
    with migrated_database(clickhouse_url) as client:
        made = Written(client, events(), panes_of(events()))
        made.insert("touchpoints", *made.events)
        made.insert("stage_panes", *made.panes)
        made.insert("lanes", lane(next_offset=1_000), lane(partition=1, next_offset=1_000))
        yield made


def said(found: Reconciled) -> set[tuple[int, str, str, str]]:
    return {(one.resolution_s, one.measure, one.pane, one.raw) for one in found.differences}


def test_panes_that_are_what_their_events_say_do_not_differ(written: Written) -> None:
    found = reconcile(written.client)
    assert (found.panes, found.moving, found.differing) == (len(written.panes), 0, 0)
    assert found.left_out == ()


@pytest.mark.parametrize("measure", MEASURES)
def test_whatever_measure_of_a_pane_is_wrong_is_found(written: Written, measure: str) -> None:
    pane = written.pane(300)
    change: Any = MEASURES[measure]
    if isinstance(change, int):
        wrong: Any = pane[measure] + change
    elif isinstance(change, list):
        wrong = [a + b for a, b in zip(pane[measure], change, strict=True)]
    else:
        wrong = {**pane[measure], **change}
    written.insert("stage_panes", pane | {measure: wrong})
    found = reconcile(written.client)
    assert found.differing == 1
    assert {(one.resolution_s, one.measure, one.start_ms) for one in found.differences} == {
        (300, measure, pane["pane_start"])
    }


@pytest.mark.parametrize("resolution_s", [10, 300, 3600])
def test_a_pane_that_is_missing_and_one_without_events_are_found(written: Written, resolution_s: int) -> None:
    pane = written.pane(resolution_s) if resolution_s > 10 else written.panes[0]
    gone = "resolution_s = {r:UInt32} AND pane_start = fromUnixTimestamp64Milli({s:Int64}, 'UTC')"
    written.client.command(
        f"ALTER TABLE stage_panes DELETE WHERE {gone}",
        {"r": resolution_s, "s": pane["pane_start"]},
        settings={"mutations_sync": 2},
    )
    written.insert("stage_panes", pane | {"pane_start": NOON_MS + 48 * HOUR_MS})
    found = reconcile(written.client)
    assert {one.raw for one in found.differences if one.measure == "touches"} > {"0"}
    assert {one.pane for one in found.differences if one.measure == "touches"} > {"0"}
    assert {one.resolution_s for one in found.differences} == {resolution_s}


def test_a_raw_event_that_is_missing_is_found_in_the_pane_of_each_resolution(written: Written) -> None:
    written.client.command("ALTER TABLE touchpoints DELETE WHERE log_offset = 7", settings={"mutations_sync": 2})
    assert reconcile(written.client).differing == 3


def test_duplicates_that_do_not_add_up_over_resolutions_are_found(written: Written) -> None:
    pane = written.pane(3600)
    written.insert("stage_panes", pane | {"duplicates": 2, "log_offset": pane["log_offset"] + 3})
    assert said(reconcile(written.client)) == {(3600, "duplicates", "2", "0")}
    written.insert("stage_panes", pane | {"duplicates": 2, "conflicting": 1, "log_offset": pane["log_offset"] + 3})
    assert said(reconcile(written.client)) == {(3600, "duplicates", "2", "0"), (3600, "conflicting", "1", "0")}
    written.insert("stage_panes", pane | {"duplicates": 2, "log_offset": pane["log_offset"] + 3})
    shorter = [row for row in written.panes if row["resolution_s"] < 3600 and row["log_offset"] == pane["log_offset"]]
    written.insert("stage_panes", *(row | {"duplicates": 2, "log_offset": row["log_offset"] + 3} for row in shorter))
    assert reconcile(written.client).differing == 0


def test_a_pane_that_holds_no_duplicates_ends_at_its_last_event(written: Written) -> None:
    pane = written.pane(300)
    written.insert("stage_panes", pane | {"log_offset": pane["log_offset"] + 1})
    (wrong,) = reconcile(written.client).differences
    assert (wrong.measure, wrong.pane, wrong.raw) == (
        "log_offset", str(pane["log_offset"] + 1), str(pane["log_offset"]),
    )  # fmt: skip


def test_events_that_arrive_meanwhile_are_left_out_wherever_they_have_got_to(written: Written) -> None:
    """Raw events and panes of a flush whose lane row is not written yet, in any part."""
    new = [touchpoint(2_000 + at, occurred_at=written.events[0]["occurred_at"], event_id=f"n{at}") for at in (0, 1)]
    written.insert("touchpoints", *new)
    assert reconcile(written.client).differing == 0
    keyed = {name: new[0][name] for name in ("journey", "stage", "channel", "touchpoint", "segment")}
    ahead = [row for row in panes_of([*written.events, *new[:1]]) if row["log_offset"] == 2_000]
    assert keyed.items() <= ahead[0].items()
    written.insert("stage_panes", *ahead)
    found = reconcile(written.client)
    assert (found.differing, found.moving) == (0, 3)


def test_events_whose_person_was_erased_still_count(written: Written) -> None:
    written.client.command(
        "ALTER TABLE touchpoints UPDATE customer_id = '', event_id = '', attributes = map() WHERE log_offset < 100",
        settings={"mutations_sync": 2},
    )
    assert reconcile(written.client).differing == 0


def test_of_an_interval_the_panes_inside_it_are_compared_and_no_others(written: Written) -> None:
    first = written.events[0]["occurred_at"]
    inside = [
        row for row in written.panes
        if first + 5 <= row["pane_start"] and row["pane_start"] + row["resolution_s"] * 1000 <= first + 3 * HOUR_MS + 5
    ]  # fmt: skip
    found = reconcile(written.client, first + 5, first + 3 * HOUR_MS + 5)
    assert (found.panes, found.differing) == (len(inside), 0)
    assert reconcile(written.client, NOON_MS + 90 * HOUR_MS).panes == 0
    with pytest.raises(IntervalError):
        reconcile(written.client, 5, 5)


def test_many_slices_say_the_same_as_one(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    written.insert("stage_panes", written.pane(300) | {"touches": 77})
    once = reconcile(written.client)
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(module, "SLICE_TOUCHES_MAX", 1)
    often = reconcile(written.client, progress=lambda done, total: seen.append((done, total)))
    assert (once.panes, said(once)) == (often.panes, said(often))
    assert len(seen) > 3
    assert seen[-1][0] == seen[-1][1] >= len(written.events)


def test_where_raw_events_may_have_been_deleted_nothing_is_compared_and_it_says_so(written: Written) -> None:
    written.client.command(
        "ALTER TABLE schema_migrations UPDATE applied_at = applied_at - INTERVAL 60 DAY WHERE true",
        settings={"mutations_sync": 2},
    )
    written.client.command("ALTER TABLE touchpoints DELETE WHERE log_offset < 100", settings={"mutations_sync": 2})
    found = reconcile(written.client)
    assert (found.panes, found.differing) == (0, 0)
    assert "retention" in found.left_out[0]


def test_events_that_clickhouse_refused_as_rows_are_named_as_what_they_are(written: Written) -> None:
    written.insert("dead_letters", dead_letter(7, reason="rejected"))
    assert "1 events" in reconcile(written.client).left_out[0]


def test_more_differences_than_are_shown_are_counted(written: Written) -> None:
    shown = [row | {"late": row["late"] + 5} for row in written.panes]
    written.insert("stage_panes", *shown)
    found = reconcile(written.client)
    assert found.differing == len(shown)
    assert len(found.differences) == DIFFERENCES_MAX


def test_the_command_ends_with_1_and_the_differences_where_there_are_any(
    written: Written, clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTREAM_CLICKHOUSE_URL", database_url(clickhouse_url, str(written.client.database)))
    good = CliRunner().invoke(app, ["reconcile", "--json"])
    assert (good.exit_code, json.loads(good.stdout)["differing"]) == (0, 0)
    pane = written.pane(300)
    written.insert("stage_panes", pane | {"late": 99})
    bad = CliRunner().invoke(app, ["reconcile", "--json"])
    assert bad.exit_code == 1
    (one,) = json.loads(bad.stdout)["differences"]
    assert (one["measure"], one["pane"], one["raw"]) == ("late", "99", str(pane["late"]))
    assert CliRunner().invoke(app, ["reconcile", "--from", "5000000", "--to", "5000000"]).exit_code == 2
    assert "differ" in CliRunner().invoke(app, ["reconcile"]).stdout


def test_the_leader_tells_prometheus_of_drift_in_the_newest_settled_hour(written: Written) -> None:
    found = Reconciler(written.client, "touchpoints").step()
    assert found is not None
    assert (found.panes > 0, metrics.DRIFT_PANES._value.get()) == (True, 0)
    assert metrics.RECONCILED._value.get() == NOON_MS / 1000
    inside = next(row for row in written.panes if row["pane_start"] == NOON_MS - HOUR_MS)
    written.insert("stage_panes", inside | {"touches": 1_000})
    again = Reconciler(written.client, "touchpoints")
    again.step()
    assert metrics.DRIFT_PANES._value.get() == 1
    assert again.step() is None, "not every second"
    again.rest()
    assert metrics.DRIFT_PANES._value.get() == metrics.RECONCILED._value.get() == 0
