"""What one simulated customer does, from first hearing of us to the end. Pure: a number and a seed give a life."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from touchstream.schemas.touchpoint import DURATION_MS_MAX, REVENUE_MINOR_MAX, SCALES, Touchpoint
from touchstream.streams.channels.simulate.rhythm import BusyTime
from touchstream.streams.channels.simulate.scenario import (
    IDENTIFY,
    UNSUBSCRIBE,
    Amount,
    Contact,
    Effects,
    LogNormal,
    Mood,
    Outcomes,
    Scenario,
    ScenarioStage,
    Segment,
    Survey,
    surveyed,
)

SIMULATED: Final = {"simulated": "true"}
"""The attributes of every simulated event, shared by all."""

DUPLICATE_MS: Final = (1_000, 20_000)  # how much later the second copy comes: a client that tries again
_OUT_OF_SCALE: Final[tuple[dict[str, float], ...]] = (
    {"nps": 11},
    {"csat": 0},
    {"ces": 8},
    {"sentiment": 1.5},
    {"duration_ms": -1},
)
_OUTCOMES: Final = ("success", "failure", "abandoned")
_NO_EFFECTS: Final = Effects()


class Oddity(StrEnum):
    """What is odd about an event: the second copy of one, one that comes late, one that will be a dead letter."""

    DUPLICATE = "duplicate"
    LATE = "late"
    OUT_OF_SCALE = "out_of_scale"


class Planned(NamedTuple):
    """An event and when it is published, in milliseconds since 1970; `stage` is the scenario's."""

    due_ms: int
    stage: str
    event: Touchpoint
    oddity: Oddity | None = None


class _Step(NamedTuple):
    """A contact in a stage, or with `answer` what the customer says in the survey after it."""

    stage: ScenarioStage
    contact: Contact
    answer: Survey | None = None


class Customers:
    """All customers of a scenario, by number: each begins a little after the one before.

    `first` is the first whom the start finds under way. In busy seconds: `per_second` customers begin, each does
    something every `gap_seconds` on average, and none is under way for longer than `life_seconds_max`.
    """

    def __init__(self, scenario: Scenario, seed: int, start_ms: int) -> None:
        self.busy_time = BusyTime(scenario.rhythm, start_ms)
        self.per_second = scenario.rate / scenario.events_per_customer
        self.gap_seconds = scenario.customers / scenario.rate
        self.life_seconds_max = self.gap_seconds * sum(map(_events_max, scenario.stages))
        self.delay_ms_max = max(scenario.disorder.late_by[1], DUPLICATE_MS[1])
        self._scenario, self._seed, self._start_ms = scenario, seed, start_ms
        self._run = hashlib.blake2s(f"{seed} {start_ms}".encode(), digest_size=4).hexdigest()
        self._segment_weights = tuple(segment.weight for segment in scenario.segments)
        self._currencies, self._currency_weights = zip(*scenario.currencies.items(), strict=True)
        self._contact_weights = {
            stage.id: tuple(contact.weight or 0.0 for contact in stage.touchpoints) for stage in scenario.stages
        }
        self._incidents: dict[str, list[tuple[int, int, Effects]]] = {}
        for incident in scenario.incidents:
            begin = start_ms + incident.after
            self._incidents.setdefault(incident.stage, []).append((begin, begin + incident.lasts, incident.effects))
        self.first = self.earliest(start_ms)

    def earliest(self, at_ms: int) -> int:
        """The first customer of whom something may be due at a moment or later."""
        oldest = self.busy_time.busy(at_ms - self.delay_ms_max) - self.life_seconds_max
        return math.floor(oldest * self.per_second) - 1

    def begin_ms(self, number: int) -> int:
        """Nothing of this customer, nor of a later one, is due before."""
        return self.busy_time.moment(number / self.per_second)

    def life(self, number: int, from_ms: int) -> list[Planned]:
        """What a customer does from a moment on. What they did before has its influence, and is left out."""
        rng = Random(f"{self._seed} {number}")  # noqa: S311  made to be foreseen
        began = (number + rng.random()) / self.per_second
        steps = list(self._steps(rng))
        if self.busy_time.moment(began + self.gap_seconds * len(steps)) + self.delay_ms_max < from_ms:
            return []  # over: of most customers before the start, and what they did need not be known
        customer = self._customer(number, rng)
        planned: list[Planned] = []
        for place, step in enumerate(steps):
            at_ms = self.busy_time.moment(began + self.gap_seconds * (place + rng.random()))
            event = customer.event(step, place, at_ms, self._effects(step.stage.id, at_ms))
            planned += self._disordered(rng, step.stage.id, event)
        return [one for one in planned if one.due_ms >= from_ms]

    def _customer(self, number: int, rng: Random) -> _Customer:
        return _Customer(
            rng=rng,
            customer_id=f"sim-{self._run}-{number - self.first}",
            known=rng.random() < self._scenario.known,
            segment=self._scenario.segments[_drawn(rng, self._segment_weights)],
            currency=self._currencies[_drawn(rng, self._currency_weights)],
        )

    def _steps(self, rng: Random) -> Iterator[_Step]:
        for stage in self._scenario.stages:
            if rng.random() >= stage.visited_by:
                if stage.optional:
                    continue
                return
            for contact in self._visit(stage, rng):
                yield _Step(stage, contact)
                if stage.survey and surveyed(contact) and rng.random() < stage.survey.rate:
                    yield _Step(stage, contact, stage.survey)
                if contact.action == UNSUBSCRIBE:
                    return

    def _visit(self, stage: ScenarioStage, rng: Random) -> list[Contact]:
        places = [place for place, one in enumerate(stage.touchpoints) if one.chance and rng.random() < one.chance]
        contacts = _rounded(rng, stage.contacts * (0.5 + rng.random()))
        weights = self._contact_weights[stage.id]
        places += [_drawn(rng, weights) for _ in range(contacts)]
        return [stage.touchpoints[place] for place in sorted(places)]

    def _effects(self, stage: str, at_ms: int) -> Effects:
        for begin, end, effects in self._incidents.get(stage, ()):
            if begin <= at_ms < end:
                return effects
        return _NO_EFFECTS

    def _disordered(self, rng: Random, stage: str, event: Touchpoint) -> list[Planned]:
        disorder, drawn, at_ms = self._scenario.disorder, rng.random(), event.occurred_at
        if drawn < disorder.duplicates:
            copy = Planned(at_ms + rng.randint(*DUPLICATE_MS), stage, event, Oddity.DUPLICATE)
            return [Planned(at_ms, stage, event), copy] if at_ms >= self._start_ms else []  # else only the copy came
        drawn -= disorder.duplicates
        if drawn < disorder.late:
            return [Planned(at_ms + rng.randint(*disorder.late_by), stage, event, Oddity.LATE)]
        drawn -= disorder.late
        if drawn < disorder.out_of_scale:
            return [Planned(at_ms, stage, _out_of_scale(rng, event), Oddity.OUT_OF_SCALE)]
        return [Planned(at_ms, stage, event)]


class _Customer:
    """Who the customer is, and what later events depend on.

    Effects change values and draw nothing: what an incident doesn't touch is as it were without it.
    """

    def __init__(self, rng: Random, customer_id: str, known: bool, segment: Segment, currency: str) -> None:
        self._rng = rng
        self._id = customer_id
        self._device = customer_id.replace("sim-", "sim-device-", 1)
        self._known = known
        self._segment = segment
        self._currency = currency
        self._paid: int | None = None

    def event(self, step: _Step, place: int, at_ms: int, effects: Effects) -> Touchpoint:
        """What happens in a step."""
        identifies = step.contact.action == IDENTIFY
        self._known = self._known or identifies
        values = self._answers(step, step.answer, effects) if step.answer else self._contact(step, effects)
        return Touchpoint(
            event_id=f"{self._id}-{place}",
            occurred_at=at_ms,
            customer_id=self._id if self._known else None,
            anonymous_id=self._device if identifies or not self._known else None,
            segment=self._segment.id,
            attributes=SIMULATED,
            **values,
        )

    def _answers(self, step: _Step, survey: Survey, effects: Effects) -> dict[str, Any]:
        return {
            "channel": survey.channel,
            "touchpoint": survey.touchpoint.replace("*", step.contact.channel),
            "action": "survey",
            "nps": self._answer("nps", survey.nps, effects.nps),
            "csat": self._answer("csat", survey.csat, effects.csat),
            "ces": self._answer("ces", survey.ces, effects.ces),
        }

    def _contact(self, step: _Step, effects: Effects) -> dict[str, Any]:
        contact = step.contact
        values: dict[str, Any] = {
            "channel": contact.channel,
            "touchpoint": contact.touchpoint,
            "action": contact.action,
        }
        if contact.action == IDENTIFY:
            # Journeys map what customers do; none has a place for `identify`, so the event says where it happens.
            values["stage"] = step.stage.id
        if contact.outcomes:
            values["outcome"] = self._outcome(contact.outcomes, effects)
        if contact.duration:
            values["duration_ms"] = self._duration(contact.duration, effects)
        if contact.sentiment:
            values["sentiment"] = self._sentiment(contact.sentiment, effects)
        if contact.revenue:
            values["revenue_minor"] = self._revenue(contact.action, contact.revenue)
            values["currency"] = self._currency
        return values

    def _answer(self, instrument: str, weights: tuple[float, ...] | None, shift: float) -> int | None:
        if weights is None:
            return None
        low, high = SCALES[instrument]
        answer = low + _drawn(self._rng, weights)
        return min(high, max(low, _rounded(self._rng, answer + shift)))

    def _outcome(self, outcomes: Outcomes, effects: Effects) -> str:
        fails = self._rng.random() < effects.failure_rate
        outcome = _OUTCOMES[_drawn(self._rng, (outcomes.success, outcomes.failure, outcomes.abandoned))]
        return "failure" if fails else outcome

    def _duration(self, duration: LogNormal, effects: Effects) -> int:
        drawn = duration.median * effects.duration_factor * _spread(self._rng, duration.spread)
        return min(DURATION_MS_MAX, max(1, round(drawn)))

    def _sentiment(self, mood: Mood, effects: Effects) -> float:
        drawn = self._rng.gauss(mood.mean, mood.deviation) + effects.sentiment
        return round(min(1.0, max(-1.0, drawn)), 3)

    def _revenue(self, action: str, amount: Amount) -> int:
        drawn = amount.median * self._segment.spends * _spread(self._rng, amount.spread)
        minor = min(REVENUE_MINOR_MAX, max(1, round(drawn)))
        if action == "return":
            minor, self._paid = -(self._paid or minor), None
        elif action == "purchase":
            self._paid = minor
        return minor


def _out_of_scale(rng: Random, event: Touchpoint) -> Touchpoint:
    labels = SIMULATED | {"simulated_fault": Oddity.OUT_OF_SCALE.value}
    return msgspec.structs.replace(event, **rng.choice(_OUT_OF_SCALE), attributes=labels)


@lru_cache(maxsize=1_000)
def _cumulated(weights: tuple[float, ...]) -> list[float]:
    return list(accumulate(weights))


def _drawn(rng: Random, weights: tuple[float, ...]) -> int:
    """A position, chosen by weight: what `rng.choices` does, in a third of the time."""
    cumulated = _cumulated(weights)
    return bisect_right(cumulated, rng.random() * cumulated[-1], 0, len(cumulated) - 1)


def _spread(rng: Random, deviation: float) -> float:
    """The factor that makes a log-normal of a median."""
    return math.exp(rng.gauss(0.0, deviation))


def _rounded(rng: Random, value: float) -> int:
    """To one of the whole numbers beside it, so that the mean stays. Draws once, whatever the value."""
    whole = math.floor(value)
    return whole + (rng.random() < value - whole)


def _events_max(stage: ScenarioStage) -> int:
    """The most events that a visit can have."""
    once = sum(bool(contact.chance) for contact in stage.touchpoints)
    return (math.ceil(1.5 * stage.contacts) + once) * (2 if stage.survey else 1)
