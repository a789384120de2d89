"""How long ClickHouse takes over what the page asks, seven days by stage and channel, and over what people ask.

The page's own functions are called, without what it keeps between two looks. Each question is asked once before it is
timed, but for those of exact unique customers: they read every raw event of the week, take seconds, are asked less
often and are listed apart.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.table import Table

from tests.bench.events import PLACES, SEGMENTS
from tests.bench.filled import JOURNEY, WEEK_MS, Filled, fill
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import running
from touchstream.schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import DEFAULT_FILE as DEFAULT_METRICS
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.client import connect_directly
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS, OF_AN_INTERVAL, TOPIC, Cut, lanes, metrics
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, migrate
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.clickhouse.rolling.live import LiveTick
from touchstream.sinks.clickhouse.rolling.store import journeys_now, rolling_now
from touchstream.sinks.clickhouse.sql import query_text
from touchstream.sinks.page.board import CHANNELS_MAX, NAMES_MAX, STAGES_MAX, TREND_TICKS
from touchstream.sinks.page.drawing import Drawing, Frame
from touchstream.sinks.page.figures import shown
from touchstream.sinks.page.reader import Reader
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.sign_in import Visitor
from touchstream.sinks.page.surroundings import Surroundings
from touchstream.streams.cli.page import _firing

ALL = None


MEDIAN_MS_AIM: Final = 100.0
"""Of what the page asks."""
TIMES: Final = 30
TIMES_EXACT: Final = 3
_WINDOW: Final = BY_NAME["7d"]
_STAGE, _CHANNEL, _ = PLACES[5]
_BY: Final = ("stage", "channel")


@dataclass(frozen=True)
class Question:
    """Something to ask. of_page: the aim holds for it; exact_uniques: it reads raw events, and takes its time."""

    name: str
    ask: Callable[[], object]
    of_page: bool = True
    exact_uniques: bool = False


@dataclass(frozen=True)
class Answered:
    """A question, how many rows of tables it had read each time, and how long it took each time, in milliseconds."""

    question: Question
    rows_read: int
    milliseconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The middle one."""
        return self._cuts[49]

    @property
    def p99_ms(self) -> float:
        """Of thirty, all but the slowest."""
        return self._cuts[98]

    @property
    def misses(self) -> bool:
        """Whether the page waits longer than it should."""
        return self.question.of_page and self.median_ms >= MEDIAN_MS_AIM

    @property
    def _cuts(self) -> list[float]:
        return quantiles(self.milliseconds, n=100, method="inclusive")


@dataclass(frozen=True)
class Asked:
    """All questions, and the tables that they were asked of."""

    filled: Filled
    answered: Sequence[Answered]
    load_average: float

    def document(self) -> dict[str, Any]:
        """As `build/bench.json` has it."""
        return {
            "load_average": self.load_average,
            "tables": dict(self.filled.rows),
            "filling_seconds": self.filled.seconds,
            "median_ms_aim": MEDIAN_MS_AIM,
            "questions": {
                one.question.name: {
                    "of_page": one.question.of_page,
                    "exact_uniques": one.question.exact_uniques,
                    "times": len(one.milliseconds),
                    "rows_read": one.rows_read,
                    "median_ms": one.median_ms,
                    "p99_ms": one.p99_ms,
                }
                for one in self.answered
            },
        }


def measure_queries(directory: Path, events: int, times: int, say: Callable[[str], None]) -> Asked:
    """Start ClickHouse with its data in the directory, fill it with so many raw events, ask. times: at least two."""
    clickhouse = ClickHouse(directory / "clickhouse", free_port())
    with running(clickhouse.child(), directory):
        url = clickhouse.url()
        migrate(connect_directly(url), Migrating())
        client = connect(url)
        say(f"filling: {events:,} raw events of seven days")
        filled = fill(client, events)
        load_average = os.getloadavg()[0]
        answered = []
        for question in questions(client, url, filled.end_ms):
            say(f"asking: {question.name}")
            answered.append(_timed(client, question, min(times, TIMES_EXACT) if question.exact_uniques else times))
        return Asked(filled, answered, load_average)


def questions(client: Client, url: str, end_ms: int) -> list[Question]:
    """What is asked of the week before a time (ms), by the functions that page and command line ask with."""
    tick = LiveTick(TOPIC, _WINDOW, live.newest(client, TOPIC, _WINDOW).tick_ms, JOURNEY)
    on_page = shown(Catalogue.load()).rolling
    declared = list(dict.fromkeys(stage for stage, _, _ in PLACES))
    week = (client, end_ms - WEEK_MS, end_ms)
    return [
        Question("look for newer rows", lambda: live.newest(client, TOPIC, _WINDOW)),
        Question("stages", lambda: live.stages(client, tick, ALL, ALL, declared, STAGES_MAX)),
        Question("stages of a channel", lambda: live.stages(client, tick, _CHANNEL, ALL, declared, STAGES_MAX)),
        Question("channels of a stage", lambda: live.channels(client, tick, _STAGE, ALL, CHANNELS_MAX)),
        Question("trend lines", lambda: live.trend(client, tick, declared, ALL, ALL, TREND_TICKS, on_page)),
        Question("names to choose from", lambda: live.names(client, tick, NAMES_MAX)),
        Question("journeys", lambda: journeys_now(client, TOPIC, _WINDOW.name)),
        Question("lanes", lambda: lanes(client, TOPIC)),
        Question("alerts", lambda: _firing(TOPIC, client)),
        Question("the whole page", _page(url, Selection("7d"))),
        Question("the whole page, to the next viewer", _page(url, Selection("7d"), keeping=True)),
        Question("the whole page, stage opened", _page(url, Selection("7d", opened=_STAGE))),
        Question(
            "the whole page, channel and segment chosen",
            _page(url, Selection("7d", channel=_CHANNEL, segment=SEGMENTS[0])),
        ),
        Question("rolling rows of all groups", lambda: rolling_now(client, TOPIC, _WINDOW.name), of_page=False),
        Question("panes by stage and channel", partial(_of_panes, *week), of_page=False),
        Question("exact, by stage and channel", lambda: metrics(*week, _BY), of_page=False, exact_uniques=True),
        Question("exact, one total", lambda: metrics(*week), of_page=False, exact_uniques=True),
    ]


def _page(url: str, selection: Selection, *, keeping: bool = False) -> Callable[[], str]:
    """The whole document of a selection, read and drawn as for the first viewer since the page was started.

    keeping: with the lanes, alerts, names and journeys that the page has read for others within five seconds.
    """
    catalogue = Catalogue.load(DEFAULT_METRICS)
    drawing = Drawing(catalogue)
    journeys = Journeys.load(DEFAULT_JOURNEY).journeys
    surroundings = Surroundings(url, TOPIC, partial(_firing, TOPIC))
    reader = Reader(surroundings, journeys, catalogue, drawing.board)

    def document() -> str:
        for kept in (surroundings._everywhere, reader._of_journeys):
            if not keeping:
                kept._values.clear()
        _, view = reader.view(selection, None)
        return drawing.document("page.html", Frame("./", "events", Visitor()), selection, view.board, view.health)

    return document


def _of_panes(client: Client, from_ms: int, to_ms: int) -> list[Any]:
    """What `metrics` reads of panes: every metric but the unique customers and what is a share of them."""
    kept: dict[str, list[str]] = {f"{name}s": [] for name in DIMENSIONS}
    parameters = {**vars(Cut.of(from_ms, to_ms)), "by": list(_BY), **kept}
    return list(client.query(query_text("metrics_of_sums", **OF_AN_INTERVAL), parameters).named_results())


def _timed(client: Client, question: Question, times: int) -> Answered:
    before = _rows_selected(client)
    milliseconds = [_milliseconds(question)]
    rows_read = _rows_selected(client) - before
    if not question.exact_uniques:
        milliseconds.clear()
    while len(milliseconds) < times:
        milliseconds.append(_milliseconds(question))
    return Answered(question, rows_read, tuple(milliseconds))


def _milliseconds(question: Question) -> float:
    started = time.perf_counter()
    question.ask()
    return (time.perf_counter() - started) * 1000


def _rows_selected(client: Client) -> int:
    """By all queries so far; nobody else asks."""
    query = "SELECT sum(value) FROM system.events WHERE event = 'SelectedRows'"
    return int(client.query(query).result_rows[0][0])


def print_queries(console: Console, asked: Asked) -> None:
    """A line for each question: what the page asks, what others ask, exact unique customers."""
    rows = ", ".join(f"{count:,} {name}" for name, count in asked.filled.rows.items())
    table = Table(
        title="Seven days by stage and channel, milliseconds",
        caption=f"{rows}; filled in {asked.filled.seconds:.0f} s; load average {asked.load_average:.1f};"
        f" aim of what the page asks: median below {MEDIAN_MS_AIM:g}",
        box=None,
    )
    for name in ("", "rows read", "median", "p99", "times"):
        table.add_column(name, justify="right" if name else "left")
    for kind in (_of_page, _of_others, _exact):
        table.add_section()
        for one in filter(kind, asked.answered):
            table.add_row(
                one.question.name + (" (exact uniques: every raw event is read)" if one.question.exact_uniques else ""),
                f"{one.rows_read:,}",
                f"{one.median_ms:,.1f}" + (" too slow" if one.misses else ""),
                f"{one.p99_ms:,.1f}",
                str(len(one.milliseconds)),
            )
    console.print(table)


def _of_page(one: Answered) -> bool:
    return one.question.of_page


def _of_others(one: Answered) -> bool:
    return not one.question.of_page and not one.question.exact_uniques


def _exact(one: Answered) -> bool:
    return one.question.exact_uniques
