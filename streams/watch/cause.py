"""Where the change that an alert tells of comes from: its exact split over the groups of each dimension. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from touchstream.schemas.bins import Bins
from touchstream.schemas.incidents import CauseBy, CauseGroup
from touchstream.streams.watch.evidence.buckets import Floats
from touchstream.streams.watch.evidence.split import Split, split

BY: Final = ("stage", "channel", "touchpoint", "segment")
AFTER: Final = 0
"""The period of an alert; those before have numbers from 1 on."""
GROUPS_MAX: Final = 10
"""Most groups of a dimension that are named."""
PeriodSums = Mapping[tuple[str, int], Sequence[float]]
"""By the name of a group and the number of a period, what was counted in each bin."""


def cause_by(by: str, bins: Bins, sums: PeriodSums) -> tuple[float, float, CauseBy] | None:
    """The metric before and after, and what each group adds to its change; None where there is nothing to compare.

    Of answers a mean, before: all periods before together. Of a count the sum, before: the mean of the periods before
    in which there was anything. The parts of all groups add up to the change.
    """
    names = sorted({name for name, _ in sums})
    before, after = _tables(names, sums, bins.number)
    if bins.is_count:
        periods = {period for (_, period), counts in sums.items() if period != AFTER and any(counts)}
        if not periods:
            return None
        was, now, one = before[:, 0] / len(periods), after[:, 0], np.ones(len(names))
        parts = Split(float((now - was).sum()), now - was, np.zeros(len(names)))
        return float(was.sum()), float(now.sum()), _named(by, names, parts, (was, one), (now, one))
    if not before.sum() or not after.sum():
        return None
    values = np.array(bins.values)
    was, answers_before = before @ values, before.sum(axis=1)
    now, answers_after = after @ values, after.sum(axis=1)
    parts = split((was, answers_before), (now, answers_after))
    whole = float(was.sum() / answers_before.sum()), float(now.sum() / answers_after.sum())
    return *whole, _named(by, names, parts, (was, answers_before), (now, answers_after))


def _tables(names: Sequence[str], sums: PeriodSums, bins: int) -> tuple[Floats, Floats]:
    """Counts before and after by group and bin; shapes (groups, bins)."""
    places = {name: place for place, name in enumerate(names)}
    before, after = np.zeros((len(names), bins)), np.zeros((len(names), bins))
    for (name, period), counts in sums.items():
        (after if period == AFTER else before)[places[name]] += counts
    return before, after


def _named(
    by: str, names: Sequence[str], parts: Split, before: tuple[Floats, Floats], after: tuple[Floats, Floats]
) -> CauseBy:
    groups = tuple(
        CauseGroup(
            name=names[at],
            before=float(before[0][at] / before[1][at]) if before[1][at] else None,
            after=float(after[0][at] / after[1][at]) if after[1][at] else None,
            rate=float(parts.rate[at]),
            mix=float(parts.mix[at]),
        )
        for at in parts.explaining()[:GROUPS_MAX]
    )
    return CauseBy(by=by, rate=float(parts.rate.sum()), mix=float(parts.mix.sum()), groups=groups, of=len(names))
