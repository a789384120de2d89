"""What a rule by evidence counts: the bins of a metric in a bucket, and what an answer in each is worth.

A metric whose distribution is not in the panes (a mean of sums, an amount, a quantile) has no bins yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from touchstream.schemas.instruments import Instrument
from touchstream.schemas.measures import Statistic
from touchstream.schemas.metrics import Metric, shipped
from touchstream.schemas.touchpoint import MICRO


@dataclass(frozen=True)
class Bins:
    """Columns of `stage_panes` that give the bins, one after the other, and the value of each in the metric's unit.

    values: empty for a count, whose one bin is how many there were.
    """

    columns: tuple[str, ...]
    values: tuple[float, ...] = ()
    instrument: Instrument | None = None
    """Whose answers they are, where these are of a declared one."""

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


def _of_instrument(instrument: Instrument, statistic: Statistic) -> Bins:
    """Bins of a metric that is made of the answers to a declared instrument."""
    counts, top, bottom = instrument.counts, statistic.top, statistic.bottom
    if top is None:
        return Bins((counts.name,), tuple(one / MICRO for one in counts.micro), instrument)
    good = [one <= top if statistic.low else one >= top for one in counts.answers]
    bad = [bottom is not None and one <= bottom for one in counts.answers]
    return Bins((counts.name,), tuple(100.0 * (one - other) for one, other in zip(good, bad, strict=True)), instrument)


def bins_of(metric: Metric) -> Bins | None:
    """The bins of a metric; None where panes keep no distribution of it."""
    if metric.instrument is not None and metric.statistic is not None:
        return _of_instrument(metric.instrument, metric.statistic)
    if metric.name in _of_answers():
        return _of_answers()[metric.name]
    if metric.computed is not None and metric.computed.count is not None:
        return Bins((metric.computed.count,))
    return None
