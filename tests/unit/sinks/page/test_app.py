"""What the page's server answers: to browsers, to addresses that make no sense, and to pages of other sites."""

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.rolling.live import Newest
from touchstream.sinks.http.server import HostNames, only_for
from touchstream.sinks.page.app import Console
from touchstream.sinks.page.board import Readings, board
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.feed import Feed, View
from touchstream.sinks.page.health import PageHealth, State
from touchstream.sinks.page.live_page import LivePage, event
from touchstream.sinks.page.selection import Selection

CATALOGUE = Catalogue.load()
DRAWING = Drawing(CATALOGUE, notice="Simulated customers & <friends>")


class NoNumbers:
    """A ClickHouse without any rows."""

    on_view: Callable[[], None]

    def nothing(self, selection: Selection) -> str:
        return DRAWING.board(board(Journeys.load().journeys, CATALOGUE, selection, Readings(Newest(0, 0, 0))))

    def view(self, selection: Selection, before: tuple[Readings, str] | None) -> tuple[Readings, View]:  # noqa: ARG002
        self.on_view()
        readings = Readings(Newest(0, 0, 0))
        return readings, View(self.nothing(selection), PageHealth(State.WAITING, "No numbers yet", "soon"))


def console_of(reader: NoNumbers) -> Console:
    """A console that has the overview."""
    return Console(
        [LivePage("", "page.html", Feed(reader), DRAWING, lambda asked: Selection.of(asked.query_params), lambda _: [])]
    )


Get = Callable[..., httpx.Response]


@pytest.fixture
def get() -> Get:
    """What the server answers to a path, asked for as localhost or as another `host`."""

    def got(path: str, host: str = "localhost:8090") -> httpx.Response:
        async def asked() -> httpx.Response:
            reader = NoNumbers()
            console = console_of(reader)
            reader.on_view = console.stop
            transport = httpx.ASGITransport(only_for(HostNames.of("127.0.0.1"), console.application(), "PAGE_HOSTS"))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.get(path)

        return asyncio.run(asked())

    return got


def test_a_page_without_numbers_has_its_stages_and_says_so(get: Get) -> None:
    answer = get("/")
    assert answer.status_code == 200
    assert "<strong>No numbers yet</strong>" in answer.text
    assert answer.text.count('class="stage"') == 7
    assert "Simulated customers &amp; &lt;friends&gt;" in answer.text


def test_nothing_is_loaded_from_elsewhere_and_no_script_or_style_stands_in_the_page(get: Get) -> None:
    answer = get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"https?://", answer.text) == []
    assert re.findall(r" (?:style|on\w+)=|<style|<script(?! type=\"module\" src=\"./static/)", answer.text) == []
    for path in set(re.findall(r'(?:src|href)="\./(static/[^"]+)"', answer.text)):
        assert get(f"/{path}").status_code == 200


def test_the_morphing_library_comes_with_its_licence(get: Get) -> None:
    directory = re.findall(r'from "\./([^/]+)/', get("/static/page.js").text)[0]
    assert "Zero-Clause BSD" in get(f"/static/{directory}/LICENSE").text


@pytest.mark.parametrize("path", ["/?window=3m", "/events?window=3m", "/?channel=" + "c" * 2000])
def test_an_address_that_makes_no_sense_is_refused_in_a_sentence(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.count("\n") == 1


def test_a_page_of_another_site_cannot_pass_itself_off_as_this_server(get: Get) -> None:
    assert get("/", host="rebound.example:8090").status_code == 400
    assert get("/", host="localhost:8090").status_code == 200


def test_prometheus_is_told_how_many_watch_and_what_is_kept(get: Get) -> None:
    get("/events")
    answer = get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    said = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line.startswith("touchstream_page_"))
    assert said["touchstream_page_viewers"] == "0.0"
    assert said["touchstream_page_selections"] == "0.0"


def test_a_viewer_and_its_selection_are_counted_while_it_watches() -> None:
    counted = []

    async def watch() -> None:
        reader = NoNumbers()
        console = console_of(reader)

        def on_view() -> None:
            console.stop()
            counted.append(
                tuple(REGISTRY.get_sample_value(f"touchstream_page_{one}") for one in ("viewers", "selections"))
            )

        reader.on_view = on_view
        transport = httpx.ASGITransport(only_for(HostNames.of("127.0.0.1"), console.application(), "PAGE_HOSTS"))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get("/events")

    asyncio.run(watch())
    assert counted == [(1, 1)]
    assert REGISTRY.get_sample_value("touchstream_page_viewers") == 0


def test_a_stream_begins_with_board_and_health_and_ends_when_the_server_stops(get: Get) -> None:
    answer = get("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert re.findall("^event: (.*)$", answer.text, re.MULTILINE) == ["board", "health"]


def received(stream: str) -> tuple[str, str]:
    """How a browser reads one event (HTML Living Standard, 9.2.6)."""
    name, lines = "message", []
    for line in re.split(r"\r\n|\r|\n", stream):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            lines.append(value)
    return name, "\n".join(lines)


@settings(deadline=None)
@given(st.text(st.sampled_from("a:\r\n \0\u2028\x0b\x85🧑data: event: board")))
def test_no_text_breaks_out_of_its_event(text: str) -> None:
    stream = event("board", text)
    assert received(stream) == ("board", re.sub(r"\r\n|\r", "\n", text))
    assert len(re.split(r"(?:\r\n|\r|\n){2}", stream)) == 2
