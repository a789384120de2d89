"""Importance and performance together: what to do about a driver."""

from typing import Final

from touchstream.streams.insight.drivers.correlations import Floats

CONCENTRATE: Final = "concentrate here"
KEEP: Final = "keep up"
LOW: Final = "low priority"
OVERKILL: Final = "possible overkill"


def advice(parts: Floats, performance: Floats) -> list[str]:
    """A word for each driver; both of shape (drivers,), performance from 0 to 100.

    Important: a part of R² above the mean of the parts; good: performance above the mean of the drivers. Martilla and
    James (1977), Importance-Performance Analysis, Journal of Marketing 41(1), 77-79, from whom the words are.
    """
    words = {(True, False): CONCENTRATE, (True, True): KEEP, (False, False): LOW, (False, True): OVERKILL}
    important, good = parts >= parts.mean(), performance >= performance.mean()
    return [words[bool(one), bool(other)] for one, other in zip(important, good, strict=True)]
