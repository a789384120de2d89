"""What the models know of each customer: repeat purchases, in columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class FitError(ValueError):
    """A model can't be fitted to these customers; the message says why and what to do."""


@dataclass(frozen=True)
class RepeatPurchases:
    """One entry for each customer who has bought at all, in each of four columns of the same length.

    repeats: x, days with a purchase after the first one. recency_weeks: t_x, from the first purchase to the last, 0
    without repeats. age_weeks: T, from the first purchase to the end of the observation; 0 <= t_x <= T.
    mean_minor: the mean value of the repeat purchases, in minor units; 0 without repeats.
    """

    repeats: Floats
    recency_weeks: Floats
    age_weeks: Floats
    mean_minor: Floats

    def __len__(self) -> int:
        return len(self.repeats)
