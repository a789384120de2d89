"""One answer for all viewers: the board of a selection, read again at most four times a second, whoever asks.

While ClickHouse is away, slow or refuses, the last board stays and its health says so.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.sinks.clickhouse.errors import Kind, first_line, kind, remedy
from touchstream.sinks.page.health import PageHealth, clickhouse_away

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 0.25
"""Interval of checks for newer numbers, in seconds; each is one cheap query."""
PATIENCE_SECONDS: Final = 4.0
"""Timeout of a viewer for ClickHouse, in seconds; then the page shows that it doesn't answer."""
SELECTIONS_MAX: Final = 256
"""Most boards in memory, about 300 kB each at most; the least recently requested is removed first."""
_VIEWS_AT_ONCE: Final = 4
_SILENT: Final = "it does not answer; trying again"


Asked = TypeVar("Asked", bound=Hashable, contravariant=True)
"""What a viewer has chosen."""
Read = TypeVar("Read")
"""What a board was made of."""


@dataclass(frozen=True)
class View:
    """What a viewer gets: the board as HTML, the same object as long as nothing newer was written, and its health."""

    board: str
    health: PageHealth


class Boards(Protocol[Asked, Read]):
    """Where views of one kind of page come from, such as `sinks.page.reader.Reader`. Blocking, for several threads."""

    def nothing(self, selection: Asked) -> str:
        """The board before anything was read."""

    def view(self, selection: Asked, before: tuple[Read, str] | None) -> tuple[Read, View]:
        """The view as of now, and what it was made of; the board before it where nothing newer was written."""


class Feed(Generic[Asked, Read]):
    """The newest view of each selection that has viewers; fresh_seconds: how old it may be."""

    def __init__(
        self,
        reader: Boards[Asked, Read],
        clock: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        self._reader, self._clock, self._patience_seconds = reader, clock, patience_seconds
        self._fresh_seconds = fresh_seconds
        self._selections: OrderedDict[Asked, _Watched[Read]] = OrderedDict()
        self._threads = ThreadPoolExecutor(_VIEWS_AT_ONCE, "page")

    @property
    def watched(self) -> int:
        """Selections that are remembered, at most SELECTIONS_MAX."""
        return len(self._selections)

    async def view(self, selection: Asked) -> View:
        """The view of `fresh_seconds` ago at most. Raises nothing of ClickHouse: its absence is a state of the view."""
        watched = self._watched(selection)
        if watched.reading is None and self._clock() - watched.read_at >= self._fresh_seconds:
            watched.reading = asyncio.create_task(self._read(selection, watched))
        if watched.reading is not None:
            answered, _ = await asyncio.wait({watched.reading}, timeout=self._patience_seconds)
            if not answered:
                watched.view = replace(watched.view, health=clickhouse_away(_SILENT))
        return watched.view

    def _watched(self, selection: Asked) -> "_Watched[Read]":
        watched = self._selections.get(selection)
        if watched is None:
            view = View(self._reader.nothing(selection), clickhouse_away(_SILENT))
            watched = self._selections[selection] = _Watched(view)
            if len(self._selections) > SELECTIONS_MAX:
                self._selections.popitem(last=False)
        self._selections.move_to_end(selection)
        return watched

    async def _read(self, selection: Asked, watched: "_Watched[Read]") -> None:
        before = None if watched.readings is None else (watched.readings, watched.view.board)
        try:
            watched.readings, watched.view = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._reader.view, selection, before
            )
        except Exception as error:  # whatever it is, viewers keep what they have and are told
            if watched.trouble != _words(error):
                watched.trouble = _words(error)
                log.warning("the page's numbers can't be read, trying again", error=watched.trouble)
            watched.view = replace(watched.view, health=clickhouse_away(_reason(error)))
        else:
            watched.trouble = None
        finally:
            watched.read_at = self._clock()
            watched.reading = None


@dataclass
class _Watched(Generic[Read]):
    """A selection that has viewers; `reading` while it is being read."""

    view: View
    readings: Read | None = None
    read_at: float = float("-inf")
    reading: "asyncio.Task[None] | None" = None
    trouble: str | None = None
    """The error as logged: once, not every second."""


def _reason(error: Exception) -> str:
    """The error shown to viewers; the log has the details."""
    if not isinstance(error, ClickHouseError):
        return "its answer can't be used; the log of this page says more"
    return remedy(error) if kind(error) is Kind.SETUP else _SILENT


def _words(error: Exception) -> str:
    return first_line(error) if isinstance(error, ClickHouseError) else repr(error)
