"""The data path as ClickHouse has it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.clickhouse.upkeep.dead_letters import RefusedReason, refused_lately
from touchstream.sinks.page.feed import View
from touchstream.sinks.page.pipeline.view import PipelineRead, PipelineView, pipeline_view
from touchstream.sinks.page.rows import instant_text
from touchstream.sinks.page.surroundings import SELDOM_SECONDS, Kept, Surroundings

_REASONS_MAX: Final = 30


class PipelineReader:
    """Reads it; blocking, for several threads."""

    def __init__(self, surroundings: Surroundings, draw: Callable[[PipelineView], str]) -> None:
        self._surroundings, self._draw = surroundings, draw
        self._windows = Kept[Mapping[str, live.Newest]](SELDOM_SECONDS)
        self._waiting = Kept[list[tuple[str, int, int]]](SELDOM_SECONDS)
        self._refused = Kept[list[RefusedReason]](SELDOM_SECONDS)

    def nothing(self, _: None) -> str:
        """The page before anything was read."""
        nothing = {window.name: live.Newest(0, 0, 0) for window in WINDOWS}
        return self._draw(pipeline_view(PipelineRead(0, (), nothing, None, (), ())))

    def view(self, _: None, before: tuple[PipelineRead, str] | None) -> tuple[PipelineRead, View]:  # noqa: ARG002
        """The data path as of now: every second it is another one. Raises ClickHouseError."""
        health = self._surroundings.health_now()
        read = self.read()
        return read, View(self._draw(pipeline_view(read)), health)

    def rows(self, _: None) -> list[dict[str, Any]]:
        """Each part of the data path. Raises ClickHouseError."""
        links = pipeline_view(self.read()).links
        return [
            {"part": one.name, "state": one.state, "detail": one.detail}
            | {"up_to": instant_text(one.up_to_ms) if one.up_to_ms else None}
            for one in links
        ]

    def read(self) -> PipelineRead:
        """What ClickHouse says of it. Raises ClickHouseError."""
        client, topic = self._surroundings.client(), self._surroundings.topic
        here = self._surroundings.read()
        windows = self._windows.get("", lambda: _newest(client, topic))
        return PipelineRead(
            now_ms=live.newest(client, topic, WINDOWS[0]).now_ms,
            lanes=here.lanes,
            windows=windows,
            round=here.round,
            waiting=self._waiting.get("", AlertTables(client, topic).waiting_notifications),
            refused=self._refused.get("", lambda: refused_lately(client, _REASONS_MAX)),
        )


def _newest(client: Client, topic: str) -> dict[str, live.Newest]:
    return {window.name: live.newest(client, topic, window) for window in WINDOWS}
