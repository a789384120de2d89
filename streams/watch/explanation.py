"""Where a change of a mean comes from, by one dimension: groups that got worse, and a mix that shifted. Pure."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from touchstream.streams.insight.change.places import PlaceSums
from touchstream.streams.watch.evidence.split import split

DRAWS: Final = 500
SILENT_PEOPLE_MIN: Final = 10
"""A group that had so many people before and none afterwards has fallen silent: by chance that is once in e^10."""
_SEED: Final = 20_260_102
_Z: Final = 1.959964


@dataclass(frozen=True)
class GroupChange:
    """What a group adds to a change, in the metric's unit. rate: what its own mean did; mix: what its share did.

    contribution = rate + mix, with its interval of 95 %. before, after: its means, None without values. named: one of
    the few groups that make four fifths of the change. vanished: it had SILENT_PEOPLE_MIN people or more, and has none.
    """

    name: str
    people_before: int
    people_after: int
    before: float | None
    after: float | None
    rate: float
    mix: float
    contribution: float
    low: float
    high: float
    named: bool
    vanished: bool


@dataclass(frozen=True)
class Explanation:
    """The groups of a dimension, those that add most in the direction of the change first. rate, mix: their sums."""

    change: float
    rate: float
    mix: float
    groups: tuple[GroupChange, ...]

    @property
    def named(self) -> int:
        """How many groups make four fifths of the change."""
        return sum(group.named for group in self.groups)


@dataclass(frozen=True)
class WholeChange:
    """A mean in two periods, and its change with an interval of 95 % over people."""

    people_before: int
    people_after: int
    before: float
    after: float
    change: float
    low: float
    high: float


def whole_change(total: PlaceSums) -> WholeChange:
    """The change of one place that is all of them. Raises ValueError with fewer than ten people in a period."""
    if not len(total) or not total.enough().all():
        people = [0, 0] if not len(total) else [int(total.people_b[0]), int(total.people_a[0])]
        raise ValueError(f"too few people: {people[0]} before and {people[1]} after; at least 10 are needed in each")
    (before,), (after,) = total.means()
    (change,), (variance,) = total.changes()
    width = _Z * sqrt(float(variance))
    return WholeChange(
        int(total.people_b[0]), int(total.people_a[0]), float(before), float(after), float(change),
        float(change) - width, float(change) + width,
    )  # fmt: skip


def explain(names: tuple[str, ...], sums: PlaceSums) -> Explanation:
    """Split a change exactly: the contributions of all groups add up to it. Raises ValueError as `split` does."""
    found = split((sums.sb, sums.kb), (sums.sa, sums.ka))
    draws = [
        split((sb, kb), (sa, ka)).contribution
        for sb, kb, sa, ka in zip(*sums.drawn(DRAWS, np.random.default_rng(_SEED)), strict=True)
        if kb.sum() > 0 and ka.sum() > 0
    ]
    width = _Z * np.std(draws, axis=0, ddof=1)
    named = set(found.explaining())
    direction = np.sign(found.change) or 1.0
    groups = [
        GroupChange(
            name, int(sums.people_b[at]), int(sums.people_a[at]),
            float(sums.sb[at] / sums.kb[at]) if sums.kb[at] else None,
            float(sums.sa[at] / sums.ka[at]) if sums.ka[at] else None,
            float(found.rate[at]), float(found.mix[at]), float(found.contribution[at]),
            float(found.contribution[at] - width[at]), float(found.contribution[at] + width[at]),
            at in named, bool(sums.people_b[at] >= SILENT_PEOPLE_MIN and sums.people_a[at] == 0),
        )
        for at, name in enumerate(names)
    ]  # fmt: skip
    groups.sort(key=lambda group: -direction * group.contribution)
    return Explanation(found.change, float(found.rate.sum()), float(found.mix.sum()), tuple(groups))
