"""Series in which nothing happens: how often the detector is wrong, and series in which something was planted."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from touchstream.streams.watch.series.detector import LEARNING, SeriesDetector

STEP_SECONDS: Final = 300
Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]


def _autoregressive(coefficient: float) -> Draw:
    def draw(random: np.random.Generator, values: int) -> NDArray[np.float64]:
        series = random.normal(size=values)
        for place in range(1, values):
            series[place] += coefficient * series[place - 1]
        return series

    return draw


def _day(values: int) -> NDArray[np.float64]:
    day: NDArray[np.float64] = np.sin(np.arange(values) * STEP_SECONDS / 86_400 * 2 * np.pi)
    return day


NOISE: Final[dict[str, Draw]] = {
    "white, normal": lambda random, values: random.normal(size=values),
    "white, uniform": lambda random, values: random.uniform(size=values),
    "AR(1), 0.7": _autoregressive(0.7),
    "AR(1), 0.95": _autoregressive(0.95),
    "a day's rhythm and normal noise": lambda random, values: 3 * _day(values) + random.normal(size=values),
    "noise with a day's rhythm": lambda random, values: (2 + _day(values)) * (10 + random.normal(size=values)),
    "gamma, shape 2": lambda random, values: random.gamma(2, size=values),
    "Student, 3 degrees": lambda random, values: random.standard_t(3, size=values),
    "lognormal": lambda random, values: random.lognormal(size=values),
}


def told(series: NDArray[np.float64]) -> Iterator[int]:
    """The places that are told."""
    detector = SeriesDetector()
    for place, value in enumerate(series.tolist()):
        if detector.see(1_700_000_000.0 + place * STEP_SECONDS, value).told:
            yield place


def false_alarms(name: str, series: int, values: int, seed: int) -> float:
    """False alarms per 1,000 values after those that are learnt from."""
    random = np.random.default_rng(seed)
    found = sum(len(list(told(NOISE[name](random, values)))) for _ in range(series))
    return 1_000 * found / (series * (values - LEARNING))
