"""Where a change comes from: its exact split into groups that got worse, and a mix that shifted."""

from dataclasses import dataclass

import numpy as np

from touchstream.streams.watch.evidence.buckets import Floats

EXPLAINED = 0.8
"""Groups are named until they explain this share of the change."""


@dataclass(frozen=True)
class Split:
    """A change ΔM of a ratio as the sum of `rate` and `mix` over groups, in the ratio's unit; shapes (groups,)."""

    change: float
    rate: Floats
    mix: Floats

    @property
    def contribution(self) -> Floats:
        """What each group adds to the change; their sum is the change."""
        return self.rate + self.mix

    def explaining(self, share: float = EXPLAINED) -> list[int]:
        """The fewest groups, the largest first, whose contributions with the sign of the change make `share` of it."""
        signed = np.sign(self.change) * self.contribution
        order = [int(group) for group in np.argsort(-signed, kind="stable") if signed[group] > 0]
        reached, named = 0.0, []
        for group in order:
            if reached >= share * abs(self.change):
                break
            reached += signed[group]
            named.append(group)
        return named


def split(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> Split:
    """Split the change of Σs/Σk between two periods; each is (s, k) by group, shapes (groups,), k ≥ 0.

    ΔM = Σ w̄·Δm + Σ Δw·(m̄ − M̄), with w a group's share of Σk, m = s/k, bars the means of the two periods (Kitagawa
    1955; the reference M̄ makes it independent of the scale's zero). A group that is missing in one period takes its
    mean from the other, so that it is all mix. Raises ValueError where a period has no denominator.
    """
    (sums0, counts0), (sums1, counts1) = before, after
    total0, total1 = counts0.sum(), counts1.sum()
    if total0 <= 0 or total1 <= 0:
        raise ValueError("a period without a denominator has no mean: nothing to split")
    overall0, overall1 = sums0.sum() / total0, sums1.sum() / total1
    mean0 = np.divide(sums0, counts0, out=np.zeros(len(sums0)), where=counts0 > 0)
    mean1 = np.divide(sums1, counts1, out=np.zeros(len(sums1)), where=counts1 > 0)
    mean0, mean1 = np.where(counts0 > 0, mean0, mean1), np.where(counts1 > 0, mean1, mean0)
    weight0, weight1 = counts0 / total0, counts1 / total1
    rate = (weight0 + weight1) / 2 * (mean1 - mean0)
    mix = (weight1 - weight0) * ((mean0 + mean1) / 2 - (overall0 + overall1) / 2)
    return Split(float(overall1 - overall0), rate, mix)
