"""How far a metric has moved, and whether that is more than chance. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from touchstream.schemas.metrics import Metric
from touchstream.sinks.page.figures import difference


@dataclass(frozen=True)
class Moved:
    """A difference, in words. verdict: better, worse, unclear (its interval holds 0, or there is none)."""

    value: float
    text: str
    interval: str | None
    verdict: str


def moved(now: Mapping[str, Any] | None, before: Mapping[str, Any] | None, metric: Metric) -> Moved | None:
    """How a metric's value differs from the one before; None where one of them is missing.

    The interval is made of those of the two values (MOVER; Zou and Donner 2008, doi:10.1002/sim.3095); values of
    counts have none, so that nothing is said of them but how much.
    """
    if now is None or before is None:
        return None
    one, other = now.get(metric.name), before.get(metric.name)
    if one is None or other is None:
        return None
    change = one - other
    if metric.unit in ("events", "customers", "minor_units"):
        part = f"{100 * change / other:+.0f} %".replace("-", "−") if other else "new"
        return Moved(change, part if change else "±0", None, "unclear")
    ends = [row.get(f"{metric.name}_{end}") for row in (now, before) for end in ("low", "high")]
    text = difference(change, metric.unit)
    if any(end is None for end in ends):
        return Moved(change, text, None, "unclear")
    low = change - math.hypot(one - ends[0], ends[3] - other)
    high = change + math.hypot(ends[1] - one, other - ends[2])
    verdict = "better" if (change > 0) == (metric.direction == "higher") else "worse"
    if low <= 0 <= high or metric.direction == "neither":
        verdict = "unclear"
    ends_said = f"{difference(low, metric.unit)} to {difference(high, metric.unit)}"
    return Moved(change, text, ends_said, verdict)
