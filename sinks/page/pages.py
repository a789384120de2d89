"""The live pages, and where each is."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from starlette.requests import Request

from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.page.alerts.actions import ActionForm
from touchstream.sinks.page.alerts.reader import AlertReader, AlertsReader, alert_asked
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.feed import Feed
from touchstream.sinks.page.live_page import LivePage
from touchstream.sinks.page.pipeline.reader import PipelineReader
from touchstream.sinks.page.portfolio.reader import PortfolioReader
from touchstream.sinks.page.reader import Reader
from touchstream.sinks.page.rows import Rows
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.stage.reader import StageReader
from touchstream.sinks.page.stage.selection import StageSelection
from touchstream.sinks.page.surroundings import Surroundings

_SLOWLY_SECONDS: Final = 1.0
"""Interval of checks for newer numbers on pages of longer times, in seconds."""


def live_pages(
    surroundings: Surroundings, journeys: Sequence[Journey], catalogue: Catalogue, drawing: Drawing
) -> tuple[list[LivePage[Any, Any]], ActionForm]:
    """All of them, and what takes the form of an alert's page."""
    overview = Reader(surroundings, journeys, catalogue, drawing.board)

    stage = StageReader(surroundings, journeys, catalogue, partial(drawing.part, "stage_board.html"))

    def stage_asked(request: Request) -> StageSelection:
        return stage.checked(StageSelection.of(request.path_params.get("stage"), request.query_params))

    alerts = AlertsReader(surroundings, catalogue, partial(drawing.part, "alerts_board.html"))
    alert = AlertReader(surroundings, catalogue, partial(drawing.part, "alert_board.html"))

    pipeline = PipelineReader(surroundings, partial(drawing.part, "pipeline_board.html"))
    portfolio = PortfolioReader(surroundings, journeys, catalogue, partial(drawing.part, "portfolio_board.html"))
    slowly = partial(Feed[Any, Any], fresh_seconds=_SLOWLY_SECONDS)
    overviews, stages, one_alert = Feed(overview), slowly(stage), slowly(alert)
    pages: list[tuple[str, str, Feed[Any, Any], Callable[[Request], Any], Callable[[Any], Rows]]] = [
        ("", "page.html", overviews, lambda asked: Selection.of(asked.query_params), overview.rows),
        ("wall", "wall.html", overviews, lambda asked: Selection.of(asked.query_params), overview.rows),
        ("journey", "stage.html", stages, stage_asked, stage.rows),
        ("stages/{stage:path}", "stage.html", stages, stage_asked, stage.rows),
        ("alerts", "alerts.html", slowly(alerts), lambda _: None, alerts.rows),
        ("alerts/{rule:path}", "alert.html", one_alert, alert_asked, alert.rows),
        (
            "catalogue",
            "portfolio.html",
            slowly(portfolio),
            lambda asked: asked.query_params.get("journey"),
            portfolio.rows,
        ),
        ("health", "pipeline.html", slowly(pipeline), lambda _: None, pipeline.rows),
    ]
    form = ActionForm(surroundings, one_alert, drawing)
    return [LivePage(path, template, feed, drawing, asked, rows) for path, template, feed, asked, rows in pages], form
