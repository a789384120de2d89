"""Places with and without a change: what people say varies over people, and what places do varies over places."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchstream.streams.insight.change.effect import effect_of, placebo
from touchstream.streams.insight.change.places import PlaceSums

Floats = NDArray[np.float64]

SPREAD: Final = 0.9
"""Standard deviation of an answer over people."""
BETWEEN: Final = 0.1
"""Standard deviation of what a place does by itself from one period to the next."""


@dataclass(frozen=True)
class Setting:
    """places, of which `treated` have the change; people of a place: 40 to 400, three in four come once."""

    places: int
    treated: int
    effect: float
    between: float = BETWEEN


@dataclass(frozen=True)
class ChangeOutcomes:
    """Shares of runs: interval holds the planted effect; called an effect (p < 0.05), by t and by people alone; placebo
    p < 0.05. bias: mean error in standard errors of that mean.
    """

    covered: float
    called: float
    called_by_people: float
    called_by_placebo: float
    bias: float


def place_sums(setting: Setting, random: np.random.Generator) -> tuple[PlaceSums, NDArray[np.bool_]]:
    """Sums of one simulated run; the first `treated` places have the change."""
    people = random.integers(40, 400, size=setting.places)
    moved = random.normal(0, setting.between, size=setting.places) + setting.effect * (
        np.arange(setting.places) < setting.treated
    )
    columns = []
    for place in range(setting.places):
        person = random.normal(0, SPREAD / np.sqrt(2), size=people[place])
        there = random.random((2, people[place])) < 0.6
        answers = [there[period] * random.integers(1, 3, size=people[place]) for period in (0, 1)]
        kb, ka = (count.astype(np.float64) for count in answers)
        noise = random.normal(0, SPREAD / np.sqrt(2), size=(2, people[place]))
        sb = kb * (3.5 + person) + noise[0] * np.sqrt(kb)
        sa = ka * (3.6 + moved[place] + person) + noise[1] * np.sqrt(ka)
        pairs = [(sb, sb), (sb, kb), (kb, kb), (sa, sa), (sa, ka), (ka, ka), (sb, sa), (sb, ka), (sa, kb), (kb, ka)]
        columns.append(
            [(kb > 0).sum(), (ka > 0).sum(), kb.sum(), ka.sum(), sb.sum(), sa.sum(), *((x * y).sum() for x, y in pairs)]
        )
    return PlaceSums(*np.array(columns, dtype=np.float64).T), np.arange(setting.places) < setting.treated


def simulate_changes(setting: Setting, runs: int, seed: int, *, with_placebo: bool = False) -> ChangeOutcomes:
    """Look for the effect in `runs` runs."""
    held = called = by_people = by_placebo = 0
    errors = []
    for run in range(runs):
        sums, changed = place_sums(setting, np.random.default_rng([seed, setting.places, setting.treated, run]))
        change, variance = sums.changes()
        found = effect_of(change, variance, changed)
        held += found.low <= setting.effect <= found.high
        called += found.p < 0.05
        weights = np.where(changed, 1 / variance, 0), np.where(changed, 0, 1 / variance)
        plain = sum(sign * float((w * change).sum() / w.sum()) for sign, w in zip((1, -1), weights, strict=True))
        by_people += abs(plain) > 1.96 * np.sqrt(sum(1 / w.sum() for w in weights))
        if with_placebo:
            tried = placebo(change, variance, changed)
            by_placebo += tried is not None and tried.p < 0.05
        errors.append(found.effect - setting.effect)
    off = float(np.mean(errors) / (np.std(errors) / np.sqrt(runs)))
    return ChangeOutcomes(held / runs, called / runs, int(by_people) / runs, by_placebo / runs, off)
