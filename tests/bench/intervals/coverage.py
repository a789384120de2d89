"""Coverage of 95 % intervals: of simulated runs that have one, in how many it holds the true value."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from tests.bench.intervals.people import (
    EXACT,
    LIVE,
    Answers,
    Told,
    amount,
    drawn,
    net_share,
    scale_mean,
    share,
    sums,
    true_quantile,
)
from tests.oracle import intervals as oracle
from tests.oracle.intervals import Bounds, Design, Numbers

PEOPLE: Final = (10, 15, 30, 100, 300)
PEOPLE_LIVE: Final = (15, 30, 100)
ALIKE: Final = (0.0, 0.2, 0.5, 0.9)
"""Correlation of two answers of a person."""
SHARES: Final = (0.05, 0.2, 0.5, 0.8, 0.95)
SPREADS: Final = (0.3, 0.6, 1.0, 1.5)
"""Standard deviations of the logarithms of amounts: the last has one in a hundred more than thirty times the median."""
LEVELS: Final = (0.5, 0.95, 0.99)
PARENT_PEOPLE: Final = 20
_SISTERS: Final = 4
"""Groups of which, with it, a live group is a part."""
NEARLY_ALL: Final = 0.995
"""Share of the runs: where fewer have an interval, those that have one are not as good as any."""
_BLOCK: Final = 3_000_000
"""Values drawn at once: 24 MB."""


@dataclass(frozen=True)
class Cell:
    """A share of runs. column: the true share, the spread of amounts, or the level of the quantile."""

    metric: str
    often: str
    people: int
    alike: float
    column: float
    covered: float
    """Among the runs with an interval; NaN where none has one."""
    given: float
    """The runs that have an interval."""

    @property
    def plain(self) -> bool:
        """Whether ten people or more are expected on each side, where intervals are to cover 93 to 97 %."""
        side = self.people * min(self.column, 1 - self.column)
        return self.metric == "average_order" or side >= 10

    @property
    def held(self) -> bool:
        """93 to 97 % are covered; where not all runs have an interval, at most 7 % of them have a wrong one.

        An interval that is left out where answers differ much is left out where it would have been wide enough.
        """
        if not self.plain or np.isnan(self.covered):
            return True
        if self.given < NEARLY_ALL:
            return (1 - self.covered) * self.given <= 0.07
        return 0.93 <= self.covered <= 0.97

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "covered": None if np.isnan(self.covered) else round(self.covered, 4)}


@dataclass(frozen=True)
class Asked:
    """A metric: what is asked of people, and its interval in the unit of answers."""

    told: Callable[[float], Told]
    interval: Callable[[Design], Bounds]
    columns: tuple[float, ...]


ASKED: Final[Mapping[str, Asked]] = {
    "share": Asked(share, oracle.share_interval, SHARES),
    "nps": Asked(net_share, oracle.net_interval, SHARES),
    "mean": Asked(scale_mean, lambda one: oracle.mean_interval(one, 1, 5), SHARES),
    "average_order": Asked(amount, oracle.amount_interval, SPREADS),
}
"""Shares as csat, ces_easy and success_rate; means as csat_mean, ces and sentiment."""


def exact_cells(runs: int, seed: int) -> Iterator[Cell]:
    """For exact intervals: design effects of the interval's own people."""
    for often, drawing in EXACT.items():
        for people in PEOPLE:
            for alike in ALIKE if often != "1" else ALIKE[:1]:
                chance = np.random.default_rng([seed, people, round(alike * 10), len(often)])
                found: dict[tuple[str, float], list[Numbers]] = {}
                for size in _blocks(runs, people * 10):
                    answers = drawn(chance, size, people, drawing, alike)
                    for key, hits in _exact(answers):
                        found.setdefault(key, []).append(hits)
                yield from _cells(found, often, people, alike)


def live_cells(runs: int, seed: int) -> Iterator[Cell]:
    """For rolling windows: design effects measured in past windows of the group and of that which it is a part of."""
    for often, (drawing, past) in LIVE.items():
        for people in PEOPLE_LIVE:
            for alike in ALIKE:
                chance = np.random.default_rng([seed, people, round(alike * 10), past])
                found: dict[tuple[str, float], list[Numbers]] = {}
                for size in _blocks(runs, people * 10 * (past + _SISTERS)):
                    own = drawn(chance, size, people * past, drawing, alike)
                    others = drawn(chance, size, people * _SISTERS, drawing, alike)
                    for key, hits in _live(own, others, people):
                        found.setdefault(key, []).append(hits)
                yield from _cells(found, f"window {often}", people, alike)


def _blocks(runs: int, values: int) -> Iterator[int]:
    size = max(1, _BLOCK // values)
    yield from (min(size, runs - begun) for begun in range(0, runs, size))


def _exact(answers: Answers) -> Iterator[tuple[tuple[str, float], Numbers]]:
    for name, asked in ASKED.items():
        for column in asked.columns:
            told = asked.told(column)
            yield (name, column), _hits(asked.interval(oracle.design(*sums(answers, told))), told.mean)
    ordered = _ordered(answers)
    for level in LEVELS:
        yield ("quantile", level), _of_quantile(ordered, oracle.design(*_below(answers, ordered, level)), level)


def _live(own: Answers, others: Answers, people: int) -> Iterator[tuple[tuple[str, float], Numbers]]:
    now = Answers(own.values[:, :people], own.given[:, :people])
    for name, asked in ASKED.items():
        for column in asked.columns:
            told = asked.told(column)
            one = oracle.design(*sums(now, told))
            measured = sums(own, told), sums(others, told)
            yield (name, column), _hits(asked.interval(_widened(one, *measured)), told.mean)
    ordered = _ordered(now)
    for level in LEVELS:
        one = oracle.design(*_below(now, ordered, level))
        measured = _below(own, _ordered(own), level), _below(others, _ordered(others), level)
        yield ("quantile", level), _of_quantile(ordered, _widened(one, *measured), level)


def _widened(one: Design, own: tuple[Numbers, ...], others: tuple[Numbers, ...]) -> Design:
    """As panes have it: answers in the place of people, and a design effect that was measured."""
    measured = oracle.design(*own)
    above = oracle.design(*(np.concatenate(parts, -1) for parts in zip(own, others, strict=True)))
    weight = measured.people - 1
    deff = (weight * measured.deff + PARENT_PEOPLE * above.deff) / (weight + PARENT_PEOPLE)
    return replace(one, people=one.n, weighty=one.n, deff=deff, t=np.full_like(one.t, oracle.Z95))


def _ordered(answers: Answers) -> Numbers:
    """All values in order, and infinities behind."""
    values = np.where(answers.given, answers.values, np.inf)
    return np.sort(values.reshape(len(values), -1), axis=-1)


def _below(answers: Answers, ordered: Numbers, level: float) -> tuple[Numbers, Numbers, Numbers]:
    """Each person's answers, and which of them are at most the quantile."""
    n = answers.given.sum((-1, -2))
    rank = np.floor(level * (n - 1) + 1e-9).astype(int)
    quantile = np.take_along_axis(ordered, rank[:, None], -1)[..., None]
    below = (answers.given & (answers.values <= quantile)).sum(-1).astype(float)
    return answers.given.sum(-1).astype(float), below, below


def _of_quantile(ordered: Numbers, one: Design, level: float) -> Numbers:
    ends = []
    for rank in oracle.quantile_ranks(one, level):
        place = np.where(np.isnan(rank), 1, rank).astype(int) - 1
        ends.append(np.where(np.isnan(rank), np.nan, np.take_along_axis(ordered, place[:, None], -1)[:, 0]))
    return _hits((ends[0], ends[1]), true_quantile(level))


def _hits(bounds: Bounds, truth: float) -> Numbers:
    """1 where the interval holds the truth, 0 where not, NaN where there is none or one without an end."""
    hits = (bounds[0] <= truth) & (truth <= bounds[1])
    return np.where(np.isnan(bounds[0]) | np.isnan(bounds[1]), np.nan, hits)


def _cells(found: Mapping[tuple[str, float], list[Numbers]], often: str, people: int, alike: float) -> Iterator[Cell]:
    for (metric, column), parts in found.items():
        hits = np.concatenate(parts)
        with_one = ~np.isnan(hits)
        covered = float(hits[with_one].mean()) if with_one.any() else float("nan")
        yield Cell(metric, often, people, alike, column, covered, float(with_one.mean()))
