"""The catalogue as its page shows it: every metric with its value against its target. Pure: rows in, a view out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue, Metric
from touchstream.sinks.page.figures import Figure, figures
from touchstream.sinks.page.stage.view import metrics_of_course

CATEGORIES: Final[Mapping[str, str]] = {
    "quality": "Quality: did the touch do what it was for?",
    "effort": "Effort: how hard was it?",
    "satisfaction": "Satisfaction: how was it?",
    "loyalty": "Loyalty: do they stay?",
    "advocacy": "Advocacy: do they tell others?",
    "operations": "Operations: does the machine run?",
    "business": "Business: what does it bring?",
}
"""From what is done to what it leads to, in this order."""


@dataclass(frozen=True)
class PortfolioRead:
    """The newest rows of the whole journey over a day; rules: of alerts, by the metric that they look at."""

    journey: str
    row: Mapping[str, Any] | None = None
    visits: Mapping[str, Any] | None = None
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class CatalogueEntry:
    """A metric of the catalogue. figure None: rolling windows don't have it; address: of its course, or None."""

    metric: Metric
    label: str
    figure: Figure | None
    rules: tuple[str, ...]
    address: str | None


@dataclass(frozen=True)
class Category:
    """The metrics of a category, in the file's order; met and missed: how many targets."""

    title: str
    entries: tuple[CatalogueEntry, ...]
    met: int
    missed: int


@dataclass(frozen=True)
class PortfolioView:
    """The whole catalogue, by category."""

    journey: str
    categories: tuple[Category, ...]


def portfolio_view(journeys: Sequence[Journey], catalogue: Catalogue, read: PortfolioRead) -> PortfolioView:
    """Put together what the page shows."""
    of_course = frozenset(metrics_of_course(catalogue))
    found: dict[str, list[CatalogueEntry]] = {}
    for metric in catalogue.metrics.values():
        row = {"stage_metrics": read.row, "journey_metrics": read.visits}.get(metric.rolling or "")
        figure = figures(row, catalogue, [metric.name])[0] if metric.rolling and metric.one_number else None
        found.setdefault(metric.category, []).append(
            CatalogueEntry(
                metric=metric,
                label=catalogue.title(metric.name),
                figure=figure,
                rules=tuple(read.rules.get(metric.name, ())),
                address=f"journey?metric={metric.name}&last=24h" if metric.name in of_course else None,
            )
        )
    categories = tuple(
        Category(title, tuple(entries), *(_count(entries, state) for state in ("met", "missed")))
        for name, title in CATEGORIES.items()
        if (entries := found.get(name))
    )
    return PortfolioView(read.journey or journeys[0].id, categories)


def _count(entries: Sequence[CatalogueEntry], state: str) -> int:
    return sum(
        entry.figure is not None and entry.figure.target is not None and entry.figure.target.state == state
        for entry in entries
    )
