"""What the page shows of rolling rows, and how it behaves: with ClickHouse, without workers."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import OpenPage
from tests.browser.rolling_rows import (
    DECLARED,
    STAYS_FRESH,
    journey,
    row,
    write_lanes,
    write_round,
    write_rows,
    write_visits,
)
from tests.browser.running_page import RunningPage, expect_state, figures, overlapping, running_page, stages, too_wide
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.page.live_page import VIEWERS_MAX

ALL = None


pytestmark = pytest.mark.stack

COUNTS = {"touches", "customers"}
TITLE = "Touchstream: the customer journey now"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@dataclass(frozen=True)
class Shown:
    page: RunningPage
    tables: Client


@pytest.fixture(scope="module")
def tables(clickhouse_url: str) -> Iterator[Client]:
    """A database for the page."""
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def shown(tables: Client, clickhouse_url: str, tmp_path: Path) -> Iterator[Shown]:
    """A page that has seen nothing of other tests, no rows yet, and lanes that have just been written."""
    tables.command("TRUNCATE TABLE stage_metrics")
    tables.command("TRUNCATE TABLE journey_metrics")
    tables.command("TRUNCATE TABLE watch_rounds")
    write_lanes(tables)
    write_round(tables)
    with running_page(tmp_path, database_url(clickhouse_url, tables.database or "")) as page:
        yield Shown(page, tables)


@pytest.fixture
def open_live(open_page: OpenPage) -> OpenPage:
    """Opens an address, and waits for its numbers: a page answers at once, however slow its tables are."""

    def opened(url: str, size: tuple[int, int] = WIDE, scheme: Literal["light", "dark"] = "light") -> Page:
        page = open_page(url, size, scheme)
        expect_state(page, "live")
        return page

    return opened


def test_the_stages_stand_in_the_journeys_order_with_their_owners_and_the_undeclared_after_them(
    shown: Shown, open_live: OpenPage
) -> None:
    write_rows(shown.tables, [*journey(), row("zeta"), row("alpha")])
    page = open_live(shown.page.url)
    assert stages(page) == [*DECLARED, "alpha", "zeta"]
    expect(page.locator("[data-stage=support] .owner")).to_have_text("Owner: customer service")
    expect(page.locator("[data-stage=alpha] .owner")).to_contain_text("undeclared")
    boxes = [box for one in page.locator(".stage").all() if (box := one.bounding_box())]
    places = [(round(box["y"]), box["x"]) for box in boxes]
    assert len(places) == 9
    assert places == sorted(places)


def test_every_value_is_exact_and_stands_with_its_n_and_interval(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, journey())
    support = figures(open_live(shown.page.url))["support"]
    assert support["nps"] == {"value": 15.5, "text": "+15.5", "n": "n 400", "interval": "4.5 to 19.8", "note": None}
    assert support["success_rate"]["value"] == 0.875
    assert support["success_rate"]["text"] == "87.5 %"
    assert support["success_rate"]["interval"] == "85.0 to 90.0"
    assert support["duration_ms_p50"]["text"] == "1 min 24 s"
    assert support["touches"]["text"] == "1,005"
    assert [name for name, figure in support.items() if figure["n"] is None] == sorted(COUNTS, reverse=True)


def test_a_value_on_too_few_answers_is_called_not_reliable(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, [row("support", nps=33.25, nps_n=12), row("use", nps=None, nps_n=0)])
    found = figures(open_live(shown.page.url))
    assert found["support"]["nps"]["note"] == "not reliable below n 50"
    assert found["support"]["csat"]["note"] is None
    assert (found["use"]["nps"]["text"], found["use"]["nps"]["n"]) == ("–", "n 0")


def test_a_stage_that_nobody_has_heard_of_is_there_without_values(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, [row("use")])
    page = open_live(shown.page.url)
    assert stages(page) == DECLARED
    expect(page.locator("[data-stage=loyalty] .completeness")).to_have_text("Never touched so far")
    assert {figure["value"] for figure in figures(page)["loyalty"].values()} == {None}


def test_newer_numbers_appear_without_a_reload_and_keep_the_focus(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, journey(), ticks=3)
    page = open_live(shown.page.url)
    page.evaluate("window.kept = 1")
    page.locator("[data-stage=use] h3 a").focus()
    write_rows(shown.tables, [row("use", touches=123_456)])
    expect(page.locator("[data-stage=use] [data-metric=touches] .value")).to_have_text("123,456", timeout=20_000)
    assert page.evaluate("window.kept") == 1
    assert page.evaluate("document.activeElement.closest('.stage').dataset.stage") == "use"


def test_a_trend_is_drawn_from_the_ticks_before(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, journey(), ticks=10)
    trend = open_live(shown.page.url).locator("[data-stage=use] [data-metric=nps] .trend")
    assert (trend.locator(".complete").get_attribute("d") or "").count("L") == 8
    assert (trend.locator(".open").get_attribute("d") or "").count("L") == 1
    assert trend.get_attribute("aria-label") == "NPS, trend: from +14.5 to +14.5, lowest +14.5, highest +14.5"


def test_window_channel_and_segment_are_chosen_and_stay_in_the_address(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, journey())
    write_rows(shown.tables, [row("support", touches=9)], window="1h")
    page = open_live(shown.page.url)
    page.evaluate("window.kept = 1")
    support = page.locator("[data-stage=support]")
    page.get_by_label("Channel").select_option("chat")
    expect(support.locator("[data-metric=touches] .value")).to_have_text("605")
    page.get_by_label("Channel").select_option(ALL)
    page.get_by_label("Segment").select_option("business")
    expect(support.locator("[data-metric=nps] .value")).to_have_text("−3.5")
    page.get_by_label("Segment").select_option(ALL)
    page.get_by_text("1h", exact=True).click()
    expect(support.locator("[data-metric=touches] .value")).to_have_text("9")
    assert "window=1h" in page.url
    page.go_back()
    expect(support.locator("[data-metric=touches] .value")).to_have_text("1,005")
    assert page.evaluate("window.kept") == 1


def test_a_stage_opens_to_its_channels_by_keyboard_and_closes_again(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, journey())
    page = open_live(shown.page.url)
    link = page.locator("[data-stage=support] h3 a")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".channel h4")).to_have_text(["call_centre", "chat"])
    expect(page.locator("[data-channel=chat] [data-metric=nps] .value")).to_have_text("+44.5")
    expect(link).to_have_attribute("aria-expanded", "true")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".channel")).to_have_count(0)


def test_at_most_30_stages_and_50_channels_are_shown_and_the_rest_is_called_other(
    shown: Shown, open_live: OpenPage
) -> None:
    many = [row(f"stage {number:03}", touches=number) for number in range(1000)]
    channels = [row("use", f"channel {number:03}", touches=number) for number in range(70)]
    write_rows(shown.tables, [*journey(), *many, *channels])
    page = open_live(shown.page.address(open="use"))
    assert len(stages(page)) == 30
    assert stages(page)[:8] == [*DECLARED, "stage 977"]
    rest = sum(range(977))
    expect(page.locator("main > .other")).to_contain_text(f"other: 977 more stages with {rest:,} touches")
    assert page.locator(".channel").count() == 50
    expect(page.locator("#channels .other")).to_contain_text("other: 20 more channels with 190 touches")
    expect(page.get_by_label("Channel").locator("option[disabled]")).to_have_text("other: 22 more")
    assert too_wide(page) == []


def test_names_that_have_no_rows_of_their_own_are_said_with_their_number(shown: Shown, open_live: OpenPage) -> None:
    key = [("journey", "customer"), ("stage", "use"), ("channel_other", "")]
    folded = row("use", touches=60_123, other_names=59_001) | {"group_key": key}
    plain = [one | {"other_names": 0} for one in (*journey(), row("use", "other", touches=3))]
    write_rows(shown.tables, [*plain, folded])
    page = open_live(shown.page.address(open="use"))
    expect(page.locator("#folded")).to_contain_text("about 59,001 more channels of a stage are counted as other")
    said = "About 59,001 more channels are counted as other, with 60,123 touches"
    expect(page.locator("#channels .other")).to_contain_text(said)
    assert page.locator(".channel").count() == 1
    assert too_wide(page) == []


HOSTILE = [
    "<script>document.title = 'owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "' onmouseover='document.title=1'",
    "</option></select><svg onload=\"document.title='owned'\">",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp;amp;",
    "javascript:document.title='owned'",
    "data: x\n\nevent: board\ndata: owned",
    "a\rb",
    "السلام עברית \u202eevil",
    "🧑‍🚀" * 20,
    "W" * 300,
    "  ",
    "#%2F?&=+;",
]


def as_shown(name: str) -> str:
    """HTML knows one kind of line break; what is blank is quoted, what is long is cut."""
    if not name.strip():
        return f"“{name}”"
    return name.replace("\r", "\n") if len(name) <= 80 else f"{name[:80]}…"


def test_names_from_events_are_shown_as_text_whatever_they_are(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, [row(name) for name in HOSTILE])
    page = open_live(shown.page.url, NARROW)
    assert stages(page) == [*DECLARED, *map(as_shown, sorted(HOSTILE))]
    assert page.title() == TITLE
    assert page.locator("main script, main img, main svg:not(.trend)").count() == 0
    assert too_wide(page) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_can_be_chosen_and_opened(shown: Shown, open_live: OpenPage, name: str) -> None:
    write_rows(shown.tables, [row(name), row(name, name), row(name, segment=name), row(name, name, name, touches=7)])
    page = open_live(shown.page.url, NARROW)
    page.get_by_label("Channel").select_option(index=1)
    expect(page.locator("[name=channel] option:checked")).to_have_attribute("value", name)
    page.get_by_label("Segment").select_option(index=1)
    stage = page.locator(".stage.undeclared")
    expect(stage.locator("[data-metric=touches] .value")).to_have_text("7")
    stage.locator("h3 a").click()
    expect(page.locator(".channel h4 bdi")).to_have_text(as_shown(name), use_inner_text=False)
    page.reload()
    expect(page.locator(".channel [data-metric=touches] .value")).to_have_text("7")
    assert page.title() == TITLE
    assert too_wide(page) == []


def test_the_page_says_that_workers_are_away_and_recovers_when_the_lanes_are_written_again(
    shown: Shown, open_page: OpenPage
) -> None:
    write_lanes(shown.tables, ago_ms=60_000)
    write_rows(shown.tables, journey())
    page = open_page(shown.page.url)
    expect_state(page, "workers-away")
    expect(page.locator("#health")).to_contain_text("Workers away")
    assert figures(page)["support"]["nps"]["value"] == 15.5
    write_lanes(shown.tables)
    expect_state(page, "live")


def test_lanes_that_fall_behind_and_rows_that_grow_old_are_stale(shown: Shown, open_page: OpenPage) -> None:
    write_rows(shown.tables, journey())
    page = open_page(shown.page.url)
    expect_state(page, "live")
    write_lanes(shown.tables, lanes=1, clock_ago_ms=90_000)
    expect_state(page, "stale")
    expect(page.locator("#health")).to_contain_text(re.compile("1 of 4 lanes are up to .+ behind their events"))
    write_lanes(shown.tables)
    expect_state(page, "live")
    shown.tables.command("TRUNCATE TABLE stage_metrics")
    expect_state(page, "waiting")
    write_rows(shown.tables, journey(), ago_ms=20_000)
    expect_state(page, "stale")
    expect(page.locator("#health")).to_contain_text(re.compile("last written .+ ago"))


def test_a_watch_that_is_dead_late_or_was_never_there_is_never_live(shown: Shown, open_page: OpenPage) -> None:
    write_rows(shown.tables, journey())
    page = open_page(shown.page.url)
    expect_state(page, "live")
    expect(page.locator("#health")).to_contain_text("alerts: none firing, judged up to")
    shown.tables.command("TRUNCATE TABLE watch_rounds")
    expect_state(page, "unjudged")
    expect(page.locator("#health")).to_contain_text("no watch has ever judged this topic")
    write_round(shown.tables, ago_ms=90_000, judged_ago_ms=95_000)
    expect(page.locator("#health")).to_contain_text(
        re.compile("Alerts not judged.*last heard of 1 min 3. s ago", re.DOTALL)
    )
    write_lanes(shown.tables)
    write_round(shown.tables, judged_ago_ms=STAYS_FRESH + 300_000)
    expect(page.locator("#health")).to_contain_text(re.compile("watch is [45] min.* behind", re.DOTALL))
    write_round(shown.tables, ago_ms=2 * STAYS_FRESH)
    expect_state(page, "live")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"journey": "custommer"}, "the journey custommer"),
        ({"channel": "chatt"}, "the channel chatt"),
        ({"segment": "bizness"}, "the segment bizness"),
        ({"open": "suport"}, "the stage suport"),
        ({"open": "<b>"}, "the stage <b>"),
    ],
)
def test_a_link_with_an_unknown_name_says_so(
    shown: Shown, open_live: OpenPage, address: dict[str, str], said: str
) -> None:
    write_rows(shown.tables, journey())
    page = open_live(shown.page.address(**address))
    expect(page.locator(".trouble")).to_contain_text(f"Nothing is known of {said}:")
    page = open_live(shown.page.address(channel="chat", open="support"))
    expect(page.locator("[data-channel=chat]").first).to_be_attached()
    expect(page.locator(".trouble")).to_have_count(0)


def test_the_501st_page_says_why_it_does_not_move_and_goes_on_once_there_is_room(
    shown: Shown, open_page: OpenPage
) -> None:
    write_rows(shown.tables, journey())
    place = urlsplit(shown.page.url)
    ask = f"GET /events HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
    with ExitStack() as others:
        for _ in range(VIEWERS_MAX):
            other = others.enter_context(socket.create_connection((str(place.hostname), int(place.port or 0))))
            other.sendall(ask)
            assert other.recv(64).startswith(b"HTTP/1.1 200")
        page = open_page(shown.page.url)
        expect(page.locator("#full")).to_have_text("500 pages are open already; close some")
        assert figures(page)["support"]["nps"]["value"] == 15.5
    expect(page.locator("#full")).to_be_hidden()
    expect_state(page, "live")


def test_a_page_whose_server_is_gone_says_so_and_keeps_its_numbers(
    shown: Shown, open_page: OpenPage, clickhouse_url: str, tmp_path: Path
) -> None:
    write_rows(shown.tables, journey())
    with running_page(tmp_path, database_url(clickhouse_url, shown.tables.database or "")) as served:
        page = open_page(served.url)
        expect_state(page, "live")
    expect_state(page, "lost")
    expect(page.locator("#lost")).to_contain_text("No word from this page's server")
    assert figures(page)["support"]["nps"]["value"] == 15.5


WIDTHS = [NARROW, (480, 900), (768, 1024), (1024, 768), WIDE, (2560, 1440)]


def test_no_text_is_drawn_over_another_at_any_width_with_every_row_filled(shown: Shown, open_live: OpenPage) -> None:
    rows = [*journey(), row("delivery", nps=-71.25, nps_n=9, customers=None, touches=123_456_789), row("über alles")]
    write_rows(shown.tables, rows, ticks=30)
    write_visits(shown.tables)
    page = open_live(shown.page.address(open="support"))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    expect(page.locator("[data-stage=use] [data-metric=conversion] .value")).to_have_text("40.4 %")
    for width, height in WIDTHS:
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=SCREENSHOTS / f"page-filled-{width}.png", full_page=True)
        assert (width, overlapping(page), too_wide(page)) == (width, [], [])


def test_texts_that_are_drawn_over_each_other_are_found(shown: Shown, open_live: OpenPage) -> None:
    write_rows(shown.tables, journey())
    page = open_live(shown.page.url)
    # A style sheet, since the next update of the page replaces an element together with its style.
    page.evaluate(
        """() => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(".stage .figures { grid-template-rows: repeat(7, 1rem) !important }");
            document.adoptedStyleSheets = [sheet];
        }"""
    )
    assert overlapping(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("size", "name"), [(WIDE, "wide"), (NARROW, "narrow"), ((768, 1024), "tablet")])
def test_nothing_overflows_and_everybody_can_read_it(
    shown: Shown, open_page: OpenPage, size: tuple[int, int], name: str, scheme: Literal["light", "dark"]
) -> None:
    rows = [*journey(), row("delivery", nps=-71.25, nps_n=9, customers=None, touches=123_456_789), row("über alles")]
    write_rows(shown.tables, rows, ticks=30)
    page = open_page(shown.page.address(open="support"), size, scheme)
    expect_state(page, "live")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"page-{name}-{scheme}.png", full_page=True)
    assert too_wide(page) == []
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
