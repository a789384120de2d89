"""Thresholds of evidence, from how many false alarms a week the file of rules allows."""

from math import log

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_WEEK
from touchstream.streams.watch.evidence.effect import MIXTURE

RECOVERY_EVIDENCE = 7.0
"""Evidence of the way back before a change is over, a logarithm: in a change that lasts, once in e⁷ = 1,100 buckets.

At full recovery it takes some (3.7 σ/δ)² answers.
"""


def threshold(false_alarms_per_week: float, series: int, detectors: int = len(MIXTURE)) -> float:
    """h: evidence (natural logarithm) at which a series fires.

    false_alarms_per_week: of all `series` together. detectors: of each series.
    An e-detector's average run length is at least e^h (Shin, Ramdas and Rinaldo, arXiv 2203.03532, theorem 2.4), so
    h = ln(buckets a week · detectors · series ÷ false alarms a week). Raises ValueError without a budget or a series.
    """
    if false_alarms_per_week <= 0 or series < 1 or detectors < 1:
        raise ValueError(
            f"no threshold for {false_alarms_per_week} false alarms a week of {series} series: both must be above 0"
        )
    return log(BUCKETS_PER_WEEK * detectors * series / false_alarms_per_week)


def silence_threshold(false_alarms_per_week: float, feeds: int) -> float:
    """Evidence at which one of `feeds` is silent: each bucket may begin a silence, and there is one detector."""
    return threshold(false_alarms_per_week, feeds, 1)
