"""All viewers of a selection share one reading, and none waits for ClickHouse longer than it has to."""

import asyncio
import threading
from dataclasses import dataclass, field

from clickhouse_connect.driver.exceptions import OperationalError

from touchstream.sinks.clickhouse.rolling.live import Newest
from touchstream.sinks.page.board import Readings
from touchstream.sinks.page.feed import FRESH_SECONDS, SELECTIONS_MAX, Feed, View
from touchstream.sinks.page.health import PageHealth, State
from touchstream.sinks.page.selection import Selection

LIVE = PageHealth(State.LIVE, "Live", "")
SUPPORT = Selection(opened="support")


@dataclass
class FakeReader:
    """Counts its readings; `away` makes them fail, `gate` holds them up."""

    readings: list[Selection] = field(default_factory=list)
    away: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def nothing(self, selection: Selection) -> str:
        return f"empty {selection.opened}"

    def view(self, selection: Selection, before: tuple[Readings, str] | None) -> tuple[Readings, View]:  # noqa: ARG002
        self.readings.append(selection)
        self.gate.wait(10)
        if self.away:
            raise self.away
        return Readings(Newest(0, 0, 0)), View(f"board {len(self.readings)}", LIVE)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_hundred_viewers_cost_as_much_as_one() -> None:
    reader, clock = FakeReader(), Clock()

    async def watch() -> None:
        feed = Feed(reader, clock)
        for second in range(3):
            clock.now = 100 + second * FRESH_SECONDS
            views = await asyncio.gather(*(feed.view(SUPPORT) for _ in range(100)))
            assert {view.board for view in views} == {f"board {second + 1}"}
            await asyncio.gather(*(feed.view(SUPPORT) for _ in range(100)))

    asyncio.run(watch())
    assert len(reader.readings) == 3


def test_another_selection_is_another_reading() -> None:
    reader = FakeReader()

    async def watch() -> None:
        feed = Feed(reader)
        await asyncio.gather(feed.view(SUPPORT), feed.view(Selection()))

    asyncio.run(watch())
    assert sorted(reader.readings, key=str) == sorted([SUPPORT, Selection()], key=str)


def test_while_clickhouse_is_away_the_last_board_stays() -> None:
    reader, clock = FakeReader(), Clock()

    async def watch() -> None:
        feed = Feed(reader, clock)
        await feed.view(SUPPORT)
        for error in (OperationalError("connection refused"), KeyError("a defect of ours")):
            reader.away, clock.now = error, clock.now + FRESH_SECONDS
            away = await feed.view(SUPPORT)
            assert (away.board, away.health.state) == ("board 1", State.CLICKHOUSE_AWAY)
            assert "refused" not in away.health.detail
        reader.away, clock.now = None, clock.now + FRESH_SECONDS
        assert (await feed.view(SUPPORT)).health == LIVE

    asyncio.run(watch())


def test_a_reading_that_hangs_is_waited_for_once_and_told() -> None:
    reader = FakeReader()
    reader.gate.clear()

    async def watch() -> None:
        feed = Feed(reader, patience_seconds=0.05)
        views = await asyncio.gather(*(feed.view(SUPPORT) for _ in range(10)))
        assert {(view.board, view.health.state) for view in views} == {("empty support", State.CLICKHOUSE_AWAY)}
        reader.gate.set()
        while (await feed.view(SUPPORT)).health != LIVE:
            pass

    asyncio.run(watch())
    assert len(reader.readings) == 1


def test_addresses_without_end_do_not_fill_the_memory() -> None:
    reader = FakeReader()

    async def watch() -> int:
        feed = Feed(reader)
        for number in range(SELECTIONS_MAX + 50):
            await feed.view(Selection(channel=str(number)))
        return feed.watched

    assert asyncio.run(watch()) == SELECTIONS_MAX
