"""Simulated customers, some minutes and an hour of them, made once for all tests of a process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from touchstream.streams.channels.simulate.customers import Oddity, Planned
from touchstream.streams.channels.simulate.scenario import Scenario, load_scenario
from touchstream.streams.channels.simulate.simulator import Simulator

START_MS = 1_795_339_800_000  # Sunday, 22 November 2026, 9:30 UTC
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
SEED = 7


@cache
def scenario(rate: float = 20) -> Scenario:
    """The default one with fewer customers, who do as much as they do there."""
    return load_scenario().model_copy(update={"rate": rate, "customers": round(20 * rate)})


@cache
def few(minutes: int) -> list[Planned]:
    """Some minutes of a few customers."""
    return Simulator(scenario(2), SEED, START_MS).planned(START_MS, START_MS + minutes * MINUTE_MS)


@cache
def hour(incidents: bool = True) -> list[Planned]:
    """A simulated hour."""
    chosen = scenario() if incidents else scenario().model_copy(update={"incidents": ()})
    return Simulator(chosen, SEED, START_MS).planned(START_MS, START_MS + HOUR_MS)


@cache
def lives() -> dict[str, list[Planned]]:
    """The hour by customer, in the order of what happened, each event once."""
    found: dict[str, list[Planned]] = defaultdict(list)
    for one in hour():
        if one.oddity is not Oddity.DUPLICATE:
            found[one.event.event_id.rsplit("-", 1)[0]].append(one)
    return {customer: sorted(events, key=lambda one: one.event.occurred_at) for customer, events in found.items()}


def answers(planned: Sequence[Planned], instrument: str, stage: str) -> list[int]:
    good = (one.event for one in planned if one.stage == stage and one.oddity is not Oddity.OUT_OF_SCALE)
    return [answer for event in good if (answer := getattr(event, instrument)) is not None]
