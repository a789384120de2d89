"""Simulated customers: what they do is determined by scenario, seed and start, and is what the scenario says."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from statistics import fmean, median, stdev

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.simulated import HOUR_MS, MINUTE_MS, SEED, START_MS, answers, few, hour, lives, scenario
from touchstream.schemas.journey import Journeys
from touchstream.schemas.touchpoint import Reason, Touchpoint
from touchstream.schemas.validity import check
from touchstream.streams.channels.simulate.customers import Oddity, Planned
from touchstream.streams.channels.simulate.scenario import Contact, Rhythm, Scenario, read_scenario
from touchstream.streams.channels.simulate.simulator import Simulator


def test_the_same_scenario_seed_and_start_give_the_same_events() -> None:
    assert Simulator(scenario(2), SEED, START_MS).planned(START_MS, START_MS + 10 * MINUTE_MS) == few(10)
    assert len(few(10)) > 1_000


def test_another_process_gives_the_same_events() -> None:
    program = (
        "import hashlib; from tests.support.simulated import few;"
        "print(hashlib.sha256(repr(few(10)).encode()).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": "1"}, check=True, capture_output=True
    )
    assert there.stdout.decode().strip() == hashlib.sha256(repr(few(10)).encode()).hexdigest()


@pytest.mark.parametrize(("seed", "start_ms"), [(SEED + 1, START_MS), (SEED, START_MS + 1)])
def test_another_seed_or_start_gives_events_with_ids_of_their_own(seed: int, start_ms: int) -> None:
    others = Simulator(scenario(2), seed, start_ms).events(start_ms, start_ms + 10 * MINUTE_MS)
    ids = {one.event.event_id for one in few(10)}
    assert others
    assert ids.isdisjoint(event.event_id for event in others)


def test_another_start_tells_the_same_story() -> None:
    constant = scenario(2).model_copy(update={"rhythm": Rhythm()})
    stories = [
        [
            (event.touchpoint, event.nps, event.revenue_minor)
            for event in Simulator(constant, 1, at).events(at, at + HOUR_MS)
        ]
        for at in (START_MS, START_MS + 86_400_000)
    ]
    assert stories[0] == stories[1]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 10 * MINUTE_MS), max_size=6), st.booleans())
def test_events_that_are_due_do_not_depend_on_the_intervals_that_are_asked_for(
    cuts: list[int], backwards: bool
) -> None:
    bounds = [0, *sorted(cuts), 10 * MINUTE_MS]
    pieces = list(pairwise(bounds))
    simulator = Simulator(scenario(2), SEED, START_MS)
    found: dict[tuple[int, int], list[Planned]] = {}
    for low, high in reversed(pieces) if backwards else pieces:
        found[low, high] = simulator.planned(START_MS + low, START_MS + high)
    whole = [one for piece in sorted(found) for one in found[piece]]
    assert whole == few(10)


def test_nothing_can_be_asked_for_before_the_start() -> None:
    with pytest.raises(ValueError, match="starts at"):
        Simulator(scenario(), SEED, START_MS).events(START_MS - 1, START_MS)


def test_everything_is_labelled_as_simulated() -> None:
    for one in hour():
        assert one.event.attributes["simulated"] == "true"
        assert (one.event.customer_id or "sim-").startswith("sim-")
        assert (one.event.anonymous_id or "sim-device-").startswith("sim-device-")


def test_all_events_are_valid_but_those_that_say_that_they_are_not() -> None:
    some = hour()[::3]
    refusals = [(one, refusal) for one in some if (refusal := check(one.event, one.due_ms))]
    assert {refusal.reason for _, refusal in refusals} == {Reason.OUT_OF_SCALE}
    faulty = [one for one in some if one.event.attributes.get("simulated_fault") == "out_of_scale"]
    assert [one for one, _ in refusals] == faulty == [one for one in some if one.oddity is Oddity.OUT_OF_SCALE]


def test_events_come_in_the_order_in_which_they_are_due_and_in_their_interval() -> None:
    due = [one.due_ms for one in hour()]
    assert due == sorted(due)
    assert due[0] >= START_MS
    assert due[-1] < START_MS + HOUR_MS


def test_the_default_journey_puts_every_event_into_its_stage() -> None:
    keys = ("journey", "stage", "channel", "touchpoint", "action")
    distinct = {(*(getattr(one.event, key) for key in keys), one.stage) for one in hour()}
    schema = dict.fromkeys((*keys, "planned"), pl.String)
    resolved = Journeys.load().resolve(pl.DataFrame(list(distinct), schema=schema, orient="row"))
    assert resolved.filter(pl.col("stage") != pl.col("planned")).to_dicts() == []
    assert resolved.filter(~pl.col("declared"))["action"].unique().to_list() == ["identify"]


def test_each_minute_has_events_of_all_stages() -> None:
    minutes = Counter(((one.due_ms - START_MS) // MINUTE_MS, one.stage) for one in hour())
    assert len(minutes) == 60 * len(scenario().stages)
    assert min(minutes.values()) > 20


def test_the_stages_have_their_shares() -> None:
    found = Counter(one.stage for one in hour())
    for stage, mean in scenario().events_by_stage.items():
        share = mean / scenario().events_per_customer
        assert found[stage] / len(hour()) == pytest.approx(share, rel=0.06), stage


def test_touchpoints_are_drawn_by_their_weights() -> None:
    for stage in scenario().stages:
        weights = {(one.channel, one.touchpoint): one.weight or 0 for one in stage.touchpoints if one.weight}
        found = Counter((one.event.channel, one.event.touchpoint) for one in hour() if one.stage == stage.id)
        drawn = sum(found[key] for key in weights)
        for key, weight in weights.items():
            assert found[key] / drawn == pytest.approx(weight / sum(weights.values()), abs=0.02), (stage.id, key)


def test_surveys_are_answered_at_their_rates_with_their_distributions() -> None:
    calm = [one for one in hour(incidents=False) if one.oddity is not Oddity.OUT_OF_SCALE]
    for stage in scenario().stages:
        if stage.survey is None:
            continue
        here = [
            one.event for one in calm if one.stage == stage.id and one.event.action not in ("identify", "unsubscribe")
        ]
        answered = sum(event.action == "survey" for event in here)
        assert answered / (len(here) - answered) == pytest.approx(stage.survey.rate, abs=0.02), stage.id
        for instrument in ("nps", "csat", "ces"):
            weights = getattr(stage.survey, instrument)
            found = Counter(answers(calm, instrument, stage.id))
            low = 0 if instrument == "nps" else 1
            assert set(found) <= set(range(low, low + len(weights or ())))
            for place, weight in enumerate(weights or ()):
                share = found[low + place] / found.total()
                error = math.sqrt(0.25 / found.total())
                assert share == pytest.approx(weight / sum(weights), abs=4 * error), (stage.id, instrument, place)


def test_durations_are_log_normal_and_outcomes_have_their_shares() -> None:
    calm = [one.event for one in hour(incidents=False) if one.oddity is not Oddity.OUT_OF_SCALE]
    by_touchpoint: dict[tuple[str, str], list[Touchpoint]] = defaultdict(list)
    for event in calm:
        by_touchpoint[event.channel, event.touchpoint].append(event)
    contacts = [contact for stage in scenario().stages for contact in stage.touchpoints]
    for contact in contacts:
        events = by_touchpoint[contact.channel, contact.touchpoint]
        if contact.duration:
            logarithms = [math.log(event.duration_ms) for event in events if event.duration_ms]
            error = contact.duration.spread / math.sqrt(len(logarithms))
            assert median(logarithms) == pytest.approx(math.log(contact.duration.median), abs=5 * error)
            assert stdev(logarithms) == pytest.approx(contact.duration.spread, abs=5 * error)
        if contact.outcomes:
            weights = contact.outcomes.model_dump()
            for outcome, weight in weights.items():
                share = fmean(event.outcome == outcome for event in events)
                error = math.sqrt(0.25 / len(events))
                assert share == pytest.approx(weight / sum(weights.values()), abs=4 * error)
        else:
            assert {event.outcome for event in events} <= {None}


def test_the_disorder_has_its_shares() -> None:
    found = Counter(one.oddity for one in hour())
    disorder = scenario().disorder
    for oddity, share in (
        (Oddity.DUPLICATE, disorder.duplicates),
        (Oddity.LATE, disorder.late),
        (Oddity.OUT_OF_SCALE, disorder.out_of_scale),
    ):
        assert found[oddity] == pytest.approx(share * len(hour()), rel=0.25)


def test_a_duplicate_is_the_same_event_a_little_later() -> None:
    first = {one.event.event_id: one for one in hour() if one.oddity is None}
    for copy in (one for one in hour() if one.oddity is Oddity.DUPLICATE):
        assert copy.event == first[copy.event.event_id].event
        assert 1_000 <= copy.due_ms - first[copy.event.event_id].due_ms <= 20_000


def test_late_events_come_minutes_after_they_happened_and_all_others_at_once() -> None:
    low, high = scenario().disorder.late_by
    for one in hour():
        delay = one.due_ms - one.event.occurred_at
        if one.oddity is Oddity.LATE:
            assert low <= delay <= high
        elif one.oddity is not Oddity.DUPLICATE:
            assert delay == 0


def test_customers_go_through_the_stages_in_their_order() -> None:
    order = [stage.id for stage in scenario().stages]
    for customer, events in lives().items():
        places = [order.index(one.stage) for one in events]
        assert places == sorted(places), customer


def test_customers_do_something_as_often_as_rate_and_number_say() -> None:
    gaps = [
        after.event.occurred_at - before.event.occurred_at
        for life in lives().values()
        for before, after in pairwise(life)
    ]
    assert fmean(gaps) / 1_000 == pytest.approx(scenario().customers / scenario().rate, rel=0.1)


def test_customers_are_anonymous_until_they_are_identified() -> None:
    seen = Counter[str]()
    for customer, events in lives().items():
        for before, after in pairwise([one.event for one in events]):
            assert after.customer_id == customer or before.customer_id is None
            assert after.customer_id is None or after.anonymous_id is None or after.action == "identify"
        for event in (one.event for one in events):
            assert event.customer_id in (None, customer)
            assert event.anonymous_id in (None, customer.replace("sim-", "sim-device-"))
            if event.action == "identify":
                assert event.customer_id
                assert event.anonymous_id
            seen[event.action] += 1
    assert seen["identify"] > 1_000
    first = [events[0].event for events in lives().values() if events[0].event.event_id.endswith("-0")]
    assert fmean(event.customer_id is not None for event in first) == pytest.approx(scenario().known, abs=0.03)


def test_nothing_happens_after_an_unsubscribe() -> None:
    one = read_scenario(
        """
        format: 1
        rate: 10
        customers: 50
        stages:
          - {id: first, visited_by: 1, optional: true, contacts: 1, touchpoints: [
              {channel: web, touchpoint: page, weight: 1},
              {channel: web, touchpoint: bye, action: unsubscribe, chance: 0.5}]}
          - {id: second, visited_by: 1, contacts: 1, touchpoints: [{channel: web, touchpoint: page, weight: 1}]}
        """
    )
    planned = Simulator(one, SEED, START_MS).planned(START_MS, START_MS + HOUR_MS)
    actions: dict[str, list[str]] = defaultdict(list)
    for event in (one.event for one in planned):
        actions[event.event_id.rsplit("-", 1)[0]].append(event.action)
    ended = [life for life in actions.values() if "unsubscribe" in life]
    assert len(ended) / len(actions) == pytest.approx(0.5, abs=0.03)
    assert all(life[-1] == "unsubscribe" for life in ended)
    assert len(planned) == pytest.approx(one.rate * 3_600, rel=0.02)


def test_purchases_bring_money_and_returns_give_back_what_was_paid() -> None:
    returns = 0
    for events in lives().values():
        paid: list[int] = []
        currencies = {one.event.currency for one in events} - {None}
        assert len(currencies) <= 1
        for event in (one.event for one in events):
            assert (event.revenue_minor is None) == (event.currency is None)
            if event.action == "purchase":
                assert event.revenue_minor is not None
                assert event.revenue_minor > 0
                paid.append(event.revenue_minor)
            elif event.action == "return":
                assert event.revenue_minor is not None
                assert event.revenue_minor < 0
                returns += bool(paid) and -event.revenue_minor == paid[-1]
            else:
                assert event.revenue_minor is None
    assert returns > 100
    euro = fmean(one.event.currency == "EUR" for one in hour() if one.event.currency)
    assert euro == pytest.approx(0.8, abs=0.02)


def test_segments_have_their_shares_and_spend_accordingly() -> None:
    segments = Counter(events[0].event.segment for events in lives().values())
    weights = {segment.id: segment.weight for segment in scenario().segments}
    for segment, weight in weights.items():
        assert segments[segment] / segments.total() == pytest.approx(weight / sum(weights.values()), abs=0.02)
    spent: dict[str | None, list[int]] = defaultdict(list)
    for one in hour():
        if one.event.action == "purchase" and one.event.revenue_minor:
            spent[one.event.segment].append(one.event.revenue_minor)
    assert median(spent["business"]) > 2 * median(spent["consumer"])


def test_a_scenario_of_one_touchpoint_does_only_that() -> None:
    stage = {"id": "only", "visited_by": 1.0, "touchpoints": (Contact(channel="web", touchpoint="page", chance=1.0),)}
    one = Scenario.model_validate({"format": 1, "rate": 5.0, "customers": 1, "stages": (stage,)})
    events = Simulator(one, 0, START_MS).events(START_MS, START_MS + MINUTE_MS)
    assert len(events) == pytest.approx(300, abs=5)
    assert {(event.channel, event.touchpoint, event.segment) for event in events} == {("web", "page", "customer")}
    assert len({event.anonymous_id for event in events}) == len(events)
