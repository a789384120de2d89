"""Rolling rows as Prometheus gauges: by journey and stage, over all channels and segments, of a few windows.

Bounded whatever names events bring: the GROUPS_MAX busiest groups of a window have series of their own. The others are
summed where they add up, as `by="other"` without journey and stage; ratios and quantiles don't. The label `by` says
what a series is of, for a stage may be called anything: `journey`, `journey,stage` or `other`. Each window is replaced
as a whole, so that a group that has gone leaves no gauge behind.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from touchstream.schemas.metrics import Catalogue, shipped
from touchstream.schemas.metrics import Metric as Declared

OTHER: Final = "other"
GROUPS_MAX: Final = 50
"""Most groups that are exported: about 6,000 series with three windows, a small load for Prometheus."""
PREFIX: Final = "touchstream_stage_"

_LABELS: Final = ("by", "journey", "stage", "window")
_SCOPE: Final = (
    f"Live rolling window; by=journey is the whole journey; groups beyond the {GROUPS_MAX} busiest are summed as"
    f" by={OTHER} where they add up."
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Shown:
    """A window's rows at a tick (milliseconds since 1970)."""

    tick_ms: int
    completeness: float
    groups: Sequence[Row]
    hidden: Sequence[Row]


class RollingGauges(Collector):
    """The newest rows of each window. Shown by the worker that leads; one that leads no more shows none."""

    def __init__(self, catalogue: Catalogue, computed: Catalogue | None = None) -> None:
        """catalogue: says what a gauge means; a metric that it doesn't have has no gauge.

        computed: says which metrics rows have; unless given, the shipped one.
        """
        self._catalogue, self._computed = catalogue, computed
        self._windows: dict[str, _Shown] = {}

    def show(self, window: str, tick_ms: int, rows: Sequence[Row]) -> None:
        """Show these rows instead of the window's older ones; those of single channels and segments are passed over."""
        totals = [row for row in rows if row["channel"] is None and row["segment"] is None]
        totals.sort(key=lambda row: (row["stage"] is not None, -row["touches"], row["journey"], row["stage"] or ""))
        own, folded = [row for row in totals if not row["other"]], [row for row in totals if row["other"]]
        shown, hidden = own[:GROUPS_MAX], own[GROUPS_MAX:] + folded
        completeness = min((float(row["completeness"]) for row in rows), default=0.0)
        self._windows[window] = _Shown(tick_ms, completeness, shown, hidden)

    def clear(self) -> None:
        """Show nothing any more."""
        self._windows.clear()

    @property
    def _rolling(self) -> Sequence[Declared]:
        return (self._computed or shipped()).rolling_numbers

    @property
    def _helps(self) -> dict[str, str]:
        """Also of instruments that were declared since the process began."""
        known = self._catalogue.metrics
        return _helps([known[one.name] for one in self._rolling if one.name in known])

    def describe(self) -> Iterator[Metric]:
        """Every gauge that there can be, without values."""
        for name, text in self._helps.items():
            yield GaugeMetricFamily(name, text, labels=_LABELS)
        yield from _about_windows({})

    def collect(self) -> Iterator[Metric]:
        """The gauges as they are now."""
        windows = dict(sorted(self._windows.items()))
        add_up = frozenset(one.name for one in self._rolling if one.computed and one.computed.count)
        for name, text in self._helps.items():
            family = GaugeMetricFamily(name, text, labels=_LABELS)
            field = name.removeprefix(PREFIX)
            _add(family, field, windows, adds_up=field in add_up)
            yield family
        yield from _about_windows(windows)


def _helps(declared: Sequence[Declared]) -> dict[str, str]:
    """Each gauge's name and help text, by the catalogue."""
    helps: dict[str, str] = {}
    for metric in declared:
        helps[PREFIX + metric.name] = f"{metric.formula.strip()} Unit: {metric.unit}. {_SCOPE}"
    for metric in declared:
        if metric.n is not None:
            helps.setdefault(
                PREFIX + metric.n, f"How many answers, events or customers {metric.name} rests on. {_SCOPE}"
            )
        if metric.interval:
            for bound in ("low", "high"):
                text = f"The {bound} end of the 95 per cent interval of {metric.name}. {_SCOPE}"
                helps[f"{PREFIX}{metric.name}_{bound}"] = text
    return helps


def _add(family: GaugeMetricFamily, field: str, windows: Mapping[str, _Shown], *, adds_up: bool) -> None:
    for window, shown in windows.items():
        for row in shown.groups:
            if row.get(field) is not None:
                family.add_metric([*_place(row), window], float(row[field]))
        if shown.hidden and adds_up:
            # The row of a whole journey would count its stages again.
            hidden = sum(row[field] for row in shown.hidden if row["stage"] is not None)
            family.add_metric([OTHER, "", "", window], float(hidden))


def _place(row: Row) -> tuple[str, str, str]:
    """by, journey and stage of a group; to Prometheus an empty label is none."""
    if row["stage"] is None:
        return "journey", row["journey"], ""
    return "journey,stage", row["journey"], row["stage"]


def _about_windows(windows: Mapping[str, _Shown]) -> Iterator[Metric]:
    completeness = GaugeMetricFamily(
        PREFIX + "completeness",
        "Share of lanes whose watermark has passed the end of the live window; below 1 while it is being filled.",
        labels=["window"],
    )
    tick = GaugeMetricFamily(
        PREFIX + "tick_timestamp_seconds", "End of the live window, in seconds since 1970.", labels=["window"]
    )
    hidden = GaugeMetricFamily(
        PREFIX + "hidden_groups", f"Groups of the live window that are summed as {OTHER}.", labels=["window"]
    )
    for window, shown in windows.items():
        completeness.add_metric([window], shown.completeness)
        tick.add_metric([window], shown.tick_ms / 1000)
        # A row of names that have none of their own counts for each of them.
        hidden.add_metric([window], sum(row["other_names"] if row["other"] else 1 for row in shown.hidden))
    yield from (completeness, tick, hidden)
