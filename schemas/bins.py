"""What a rule by evidence counts: the bins of a metric in a bucket, and what an answer in each is worth.

A metric whose distribution is not in the panes (a mean of sums, an amount, a quantile) has no bins yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from touchstream.schemas.metrics import Metric, shipped


@dataclass(frozen=True)
class Bins:
    """Columns of `stage_panes` that give the bins, one after the other, and the value of each in the metric's unit.

    values: empty for a count, whose one bin is how many there were.
    """

    columns: tuple[str, ...]
    values: tuple[float, ...] = ()

    @property
    def is_count(self) -> bool:
        """Whether it is a count, not answers that have a mean."""
        return not self.values

    @property
    def number(self) -> int:
        """How many bins."""
        return len(self.values) or 1


@cache
def _of_answers() -> Mapping[str, Bins]:
    """Bins of the metrics that are means of what their answers are worth."""
    scale = {measure.name: measure.answers for measure in shipped().measures if measure.kind == "histogram"}
    nps, csat, ces = scale["nps_counts"], scale["csat_counts"], scale["ces_counts"]
    return {
        # Promoters less detractors; the two highest answers; the three highest: as metrics.yaml has it.
        "nps": Bins(("nps_counts",), tuple(100.0 * ((answer >= 9) - (answer <= 6)) for answer in nps)),
        "csat": Bins(("csat_counts",), tuple(100.0 * (answer >= 4) for answer in csat)),
        "csat_mean": Bins(("csat_counts",), tuple(map(float, csat))),
        "ces": Bins(("ces_counts",), tuple(map(float, ces))),
        "ces_easy": Bins(("ces_counts",), tuple(100.0 * (answer >= 5) for answer in ces)),
        "success_rate": Bins(("failure", "abandoned", "success"), (0.0, 0.0, 1.0)),
    }


def bins_of(metric: Metric) -> Bins | None:
    """The bins of a metric; None where panes keep no distribution of it."""
    if metric.name in _of_answers():
        return _of_answers()[metric.name]
    if metric.computed is not None and metric.computed.count is not None:
        return Bins((metric.computed.count,))
    return None
