"""The page of one customer: everything that is known, for those who may see it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Browser, expect

from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import OpenPage
from tests.browser.running_page import RunningPage, running_page, too_wide
from tests.integration.test_journeys import write
from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, lane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.deploy.local.ports import free_port
from touchstream.schemas.journey import Journeys
from touchstream.schemas.paths import stage_paths
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.lanes.definitions import record_definitions
from touchstream.sinks.clickhouse.metrics.journeys import record_stages

pytestmark = pytest.mark.stack

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
STRANGE = "<script>alert(1)</script>/.. \u202e\"'&#%41 " + "x" * 200
STEPS = ["awareness", "consideration", "purchase", "use", "support", "use"]


@dataclass(frozen=True)
class Shown:
    page: RunningPage
    tables: Client

    def customer(self, name: str, query: str = "") -> str:
        return f"{self.page.url}/customers/{quote(name, safe='')}{query}"


@pytest.fixture(scope="module")
def shown(clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A page on a database with a few people in it."""
    with migrated_database(clickhouse_url) as client:
        record_definitions(client, "v1", "{}", in_force=True)
        record_stages(client, "v1", stage_paths(Journeys.load().journeys))
        write(client, people())
        client.insert_arrow("lanes", table("lanes", [lane(watermark=NOON_MS + 40 * HOUR_MS)]))
        url = database_url(clickhouse_url, client.database or "")
        with running_page(tmp_path_factory.mktemp("page"), url) as page:
            yield Shown(page, client)


def people() -> list[dict[str, object]]:
    """Ann with a journey, somebody with a strange name, and ids that are disputed."""
    steps = [
        touchpoint(
            n, occurred_at=NOON_MS + 5 * n * HOUR_MS, stage=stage, channel="web" if n % 2 else "shop",
            segment="premium", nps=9 if n == 3 else None, ces=6 if n == 4 else None,
            sentiment_micro=300_000 * n - 500_000,
        )
        for n, stage in enumerate(STEPS)
    ]  # fmt: skip
    bought = touchpoint(
        20,
        occurred_at=NOON_MS + 11 * HOUR_MS,
        stage="purchase",
        action="purchase",
        revenue_minor=19_990,
        currency="EUR",
    )
    claims = [
        touchpoint(30 + n, customer_id=who, anonymous_id="laptop", action="identify", occurred_at=NOON_MS + n)
        for n, who in enumerate(("ann", "bob"))
    ]
    strange = touchpoint(40, customer_id=STRANGE, channel=STRANGE, stage=STRANGE, segment=STRANGE, journey=STRANGE)
    dots = [touchpoint(50 + n, customer_id=name) for n, name in enumerate((".", ".."))]
    return [*steps, bought, *claims, strange, *dots, touchpoint(60, customer_id="", anonymous_id="ann", channel="app")]


def test_the_form_leads_to_the_person(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url)
    page.get_by_role("link", name="Customers").click()
    page.get_by_label("Customer or anonymous id").fill("ann")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("h2").first).to_have_text("ann")
    expect(page.get_by_role("table", name="Journeys")).to_contain_text("15 h")
    titles = page.locator(".rows h2").all_text_contents()
    assert [title.partition(",")[0] for title in titles] == [
        "Journeys",
        "Stages",
        "Channels",
        "Scores",
        "Value",
        "Touches",
    ]
    visits = page.get_by_role("table", name="Stages").locator("tbody tr td:first-child").all_text_contents()
    assert visits == STEPS[::-1]
    expect(page.locator(".person")).to_contain_text("premium")
    expect(page.locator(".doubt").nth(1)).to_contain_text("laptop was identified as 2 customers (ann, bob)")
    page.get_by_role("link", name="Overview").click()
    expect(page).to_have_url(f"{shown.page.url}/")


def test_a_namesake_is_shown_when_asked_for(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.customer("ann"))
    expect(page.locator(".doubt").first).to_contain_text("also an anonymous id")
    page.get_by_label("anonymous ids only").check()
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".person")).to_contain_text("Anonymous id")
    expect(page.get_by_role("table", name="Channels")).to_contain_text("app")


def test_the_page_of_a_customer_needs_no_javascript(shown: Shown, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{shown.page.url}/customers")
        page.get_by_label("Customer or anonymous id").fill("ann")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("table", name="Value")).to_contain_text("19,990")
    finally:
        context.close()


@pytest.mark.parametrize("name", [STRANGE, ".", ".."])
def test_any_id_can_be_asked_for_and_is_text(shown: Shown, open_page: OpenPage, name: str) -> None:
    page = open_page(f"{shown.page.url}/customers?id={quote(name, safe='')}", NARROW)
    expect(page.locator(".person dl dd").first).to_contain_text(name[:40].strip())
    expect(page.get_by_label("Customer or anonymous id")).to_have_value(name)
    assert page.locator("main script").count() == 0
    assert too_wide(page) == []


def test_a_strange_id_can_stand_in_the_path(shown: Shown, open_page: OpenPage) -> None:
    # One up, and no more: a proxy may have put the page under a path of its own.
    assert 'href="../static/page.css"' in httpx.get(shown.customer(STRANGE)).text
    page = open_page(shown.customer(STRANGE))
    expect(page.get_by_label("Customer or anonymous id")).to_have_value(STRANGE)
    assert page.evaluate("getComputedStyle(document.querySelector('.person')).borderTopWidth") == "3px"
    page.get_by_role("link", name="Overview").click()
    expect(page).to_have_url(f"{shown.page.url}/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_page_of_a_customer_fits_the_screen_and_anybody_can_read_it(
    shown: Shown, open_page: OpenPage, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    page = open_page(shown.customer("ann"), size, scheme)
    expect(page.locator(".person")).to_be_visible()
    assert too_wide(page) == []
    # Axe is a script of ours, which the page's policy would not let in; its findings are of the page.
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"customer-{'wide' if size == WIDE else 'narrow'}-{scheme}.png", full_page=True)


def test_people_are_kept_by_no_cache_and_their_ids_by_no_log(shown: Shown) -> None:
    for name, status in (("ann", 200), ("anna-lisa-4711", 404), ("x" * 1001, 400)):
        answer = httpx.get(shown.customer(name))
        assert (answer.status_code, answer.headers.get_list("cache-control")) == (status, ["no-store"])
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "anna-lisa" not in shown.page.log()


def test_without_clickhouse_the_page_says_so(tmp_path: Path) -> None:
    with running_page(tmp_path, f"http://127.0.0.1:{free_port()}/x") as served:
        answer = httpx.get(f"{served.url}/customers/ann")
        assert answer.status_code == 503
        assert "ClickHouse does not answer" in answer.text


@pytest.mark.parametrize(
    ("host", "setting", "status"),
    [("127.0.0.1", None, 200), ("127.0.0.1", "false", 404), ("0.0.0.0", None, 404), ("0.0.0.0", "true", 200)],  # noqa: S104
)
def test_people_are_shown_on_loopback_only_unless_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, setting: str | None, status: int
) -> None:
    monkeypatch.setenv("TOUCHSTREAM_PAGE_HOST", host)
    if setting is not None:
        monkeypatch.setenv("TOUCHSTREAM_PAGE_CUSTOMERS", setting)
    with running_page(tmp_path, f"http://127.0.0.1:{free_port()}/x") as served:
        assert httpx.get(f"{served.url}/customers").status_code == status
        assert ('href="./customers"' in httpx.get(served.url).text) == (status == 200)
