"""The values of the catalogue's metrics as ClickHouse has them."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.rolling.store import journeys_now, rolling_now
from touchstream.sinks.page.feed import View
from touchstream.sinks.page.portfolio.view import PortfolioRead, PortfolioView, portfolio_view
from touchstream.sinks.page.surroundings import SELDOM_SECONDS, Kept, Surroundings

WINDOW: Final = "24h"


class PortfolioReader:
    """Reads it; blocking, for several threads. The selection is a journey, None for the first one declared."""

    def __init__(
        self,
        surroundings: Surroundings,
        journeys: Sequence[Journey],
        catalogue: Catalogue,
        draw: Callable[[PortfolioView], str],
    ) -> None:
        self._surroundings, self._journeys, self._catalogue, self._draw = surroundings, journeys, catalogue, draw
        self._read = Kept[PortfolioRead](SELDOM_SECONDS)

    def nothing(self, journey: str | None) -> str:
        """The page before anything was read."""
        return self._drawn(PortfolioRead(journey or self._journeys[0].id))

    def view(self, journey: str | None, before: tuple[PortfolioRead, str] | None) -> tuple[PortfolioRead, View]:
        """The catalogue as of now. Raises ClickHouseError."""
        health = self._surroundings.health_now()
        chosen = journey or self._journeys[0].id
        read = self._read.get(chosen, lambda: self._read_anew(chosen))
        if before and before[0] == read:
            return read, View(before[1], health)
        return read, View(self._drawn(read), health)

    def rows(self, journey: str | None) -> list[dict[str, Any]]:
        """Every metric of the catalogue with its value. Raises ClickHouseError."""
        chosen = journey or self._journeys[0].id
        view = portfolio_view(self._journeys, self._catalogue, self._read.get(chosen, lambda: self._read_anew(chosen)))
        return [
            {"category": entry.metric.category, "metric": entry.metric.name, "unit": entry.metric.unit}
            | {"value": entry.figure.value if entry.figure else None, "n": entry.figure.n if entry.figure else None}
            | {"target": entry.metric.target, "owner": entry.metric.owner, "rules": list(entry.rules)}
            for category in view.categories
            for entry in category.entries
        ]

    def _drawn(self, read: PortfolioRead) -> str:
        return self._draw(portfolio_view(self._journeys, self._catalogue, read))

    def _read_anew(self, journey: str) -> PortfolioRead:
        client, topic = self._surroundings.client(), self._surroundings.topic
        whole = {"journey": journey, "stage": None, "channel": None, "segment": None}
        rows = [row for row in rolling_now(client, topic, WINDOW, whole) if row["journey"] == journey]
        visits = [
            row for row in journeys_now(client, topic, WINDOW) if row["journey"] == journey and row["stage"] is None
        ]
        rules: dict[str, list[str]] = {}
        for alert in AlertTables(client, topic, None).alerts():
            names = rules.setdefault(alert.about.metric, [])
            if alert.rule not in names and not alert.incident:
                names.append(alert.rule)
        return PortfolioRead(journey, rows[0] if rows else None, visits[0] if visits else None, rules)
