"""The slope of later spending over a score, with what people spent before, their segment and their tenure held."""

from collections import Counter
from dataclasses import dataclass
from math import erfc, exp, sqrt
from typing import Final

import numpy as np

from touchstream.streams.insight.spending.poisson import Floats, fit

PEOPLE_MIN: Final = 300
BUYERS_MIN: Final = 100
"""Least numbers of people and of those who spent afterwards: with fewer, a few large orders decide."""
SEGMENT_MIN: Final = 30
"""Least number of buyers of a segment of its own; the others are one together."""
_Z: Final = 1.959964


class TooFewBuyersError(ValueError):
    """People or buyers are too few; the message says how many there are and how many are needed."""


@dataclass(frozen=True)
class Spenders:
    """A row of each person; shapes (people,). score: their answer. after, before: what they spent, gross, in as many
    days; returned: what they got back afterwards, apart. tenure_days: since their first touch, at the answer.
    """

    score: Floats
    after: Floats
    before: Floats
    returned: Floats
    tenure_days: Floats
    segment: tuple[str, ...]


@dataclass(frozen=True)
class Slope:
    """How much more is spent for each point of the score, in percent, with its interval of 95 % and p."""

    percent: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class SpendingFound:
    """adjusted: with spending before, segment and tenure held; plain: with nothing held.

    per_point: what the adjusted slope is worth for a mean person, in the unit of amounts. returned: share of what was
    spent that was given back. segments: those with a column of their own, and `others` for the rest where they are.
    """

    people: int
    buyers: int
    mean_after: float
    mean_before: float
    returned: float
    adjusted: Slope
    plain: Slope
    per_point: float
    segments: int


@dataclass(frozen=True)
class ScoreBand:
    """People with a score (rounded), and their mean spending after and before the answer."""

    score: int
    people: int
    mean_after: float
    mean_before: float


def spending(people: Spenders) -> SpendingFound:
    """The slopes. Raises TooFewBuyersError, NotSettledError; ValueError where all scores are alike."""
    many, buyers = len(people.score), int(np.count_nonzero(people.after))
    if many < PEOPLE_MIN or buyers < BUYERS_MIN:
        raise TooFewBuyersError(
            f"too few people: {many} answered long enough ago, {buyers} of them bought afterwards; "
            f"{PEOPLE_MIN} and {BUYERS_MIN} are needed"
        )
    if np.ptp(people.score) == 0:
        raise ValueError("all scores are alike: nothing goes with them")
    constant, segments = np.ones(many), _segments(people)
    held = [np.log1p(people.before), people.before > 0, np.log1p(people.tenure_days), *segments]
    adjusted = _slope([people.score, constant, *_independent(held, constant)], people.after)
    plain = _slope([people.score, constant], people.after)
    total = float(people.after.sum())
    return SpendingFound(
        many, buyers, total / many, float(people.before.mean()), float(people.returned.sum()) / total, adjusted, plain,
        total / many * adjusted.percent / 100, 1 + len(segments),
    )  # fmt: skip


def bands(people: Spenders) -> list[ScoreBand]:
    """What people spent, by their score, with nothing held."""
    rounded = np.floor(people.score + 0.5).astype(int)
    groups = [(int(score), rounded == score) for score in np.unique(rounded)]
    return [
        ScoreBand(score, int(group.sum()), float(people.after[group].mean()), float(people.before[group].mean()))
        for score, group in groups
    ]


def _segments(people: Spenders) -> list[Floats]:
    """A column of zeros and ones for each segment with enough buyers; all others are in the constant.

    Where these have too few buyers, the first of the segments is with them: a group that never buys has no mean.
    """
    names = np.array(people.segment)
    buyers = Counter(names[people.after > 0].tolist())
    large = sorted(name for name, number in buyers.items() if number >= SEGMENT_MIN)
    columns = [np.asarray(names == name, dtype=np.float64) for name in large]
    rest = sum(number for name, number in buyers.items() if name not in large)
    return columns if rest >= SEGMENT_MIN else columns[1:]


def _independent(columns: list[Floats], constant: Floats) -> list[Floats]:
    """Columns that are no sum of those before them: where everyone has bought before, one says nothing."""
    kept, basis = [], [constant / np.linalg.norm(constant)]
    for column in columns:
        values = np.asarray(column, dtype=np.float64)
        rest = values.copy()
        for _ in range(2):
            for direction in basis:
                rest -= (direction @ rest) * direction
        size = float(np.linalg.norm(rest))
        if size > 1e-6 * (1 + float(np.linalg.norm(values))):
            kept.append(values)
            basis.append(rest / size)
    return kept


def _slope(columns: list[Floats], amounts: Floats) -> Slope:
    found = fit(np.column_stack(columns), amounts)
    slope, error = float(found.slopes[0]), sqrt(float(found.covariance[0, 0]))
    low, middle, high = (100 * (exp(slope + z * error) - 1) for z in (-_Z, 0, _Z))
    return Slope(middle, low, high, erfc(abs(slope) / error / sqrt(2)))
