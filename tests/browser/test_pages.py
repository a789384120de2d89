"""The pages beside the overview: one stage, alerts, the catalogue, the data path; with ClickHouse, without workers."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from clickhouse_connect.driver.client import Client
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.rolling_rows import journey, row, write_lanes, write_round, write_rows, write_visits
from tests.browser.running_page import RunningPage, expect_state, overlapping, running_page, too_wide
from tests.browser.test_page import SCREENSHOTS, WIDTHS
from tests.support.clickhouse_rows import dead_letter, panes_of, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas.alert_actions import Action, AlertTarget
from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.incidents import AlertIncident, Cause, CauseBy, CauseGroup, IncidentAlert, IncidentAnnotation
from touchstream.schemas.times import instant, now_ms
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable, LoggedAnnotation
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.metrics.exact import metrics

pytestmark = pytest.mark.stack

MINUTE_MS = 60_000
NOW_MS = now_ms() // MINUTE_MS * MINUTE_MS
FELL_MS = NOW_MS - 30 * MINUTE_MS
SUPPORT = Group("customer", "support")
HOSTILE = "<b>a</b> مرحبا &amp; " + "x" * 40
PAGES = {
    "stage": "/stages/support?metric=csat&last=6h",
    "stage-counts": "/stages/use?metric=touches&last=1h&by=touchpoint",
    "journey": "/journey?metric=nps&last=24h&compare=week&by=segment",
    "alerts": "/alerts",
    "alert": "/alerts/csat_low?journey=customer&stage=support",
    "annotations": "/annotations",
    "wall": "/wall",
    "catalogue": "/catalogue",
    "health": "/health",
}
STILL = ("annotations",)
"""Pages that don't move."""


@dataclass(frozen=True)
class Shown:
    page: RunningPage
    tables: Client


@pytest.fixture(scope="module")
def tables(clickhouse_url: str) -> Iterator[Client]:
    """Three hours of touches, the last half hour of support unhappy in the chat."""
    with migrated_database(clickhouse_url) as client:
        client.insert_arrow("stage_panes", table("stage_panes", panes_of(touches())))
        client.insert_arrow("touchpoints", table("touchpoints", touches()))
        yield client


@pytest.fixture
def shown(tables: Client, clickhouse_url: str, tmp_path: Path) -> Iterator[Shown]:
    """A page that has seen nothing of other tests; one alert is firing, one has ended."""
    for name in ("stage_metrics", "journey_metrics", "watch_rounds", "alerts", "alert_changes", "alert_deliveries"):
        tables.command(f"TRUNCATE TABLE {name}")
    write_lanes(tables)
    write_round(tables)
    for window in ("1m", "5m"):
        write_rows(tables, [*journey(), row("support", csat=31.5)], window=window)
    write_rows(tables, [row(None), row("support")], window="24h")
    write_visits(tables)
    record(tables, csat_low("firing", FELL_MS))
    record(
        tables,
        alert("touches_low", Group("customer", "delivery", HOSTILE), "firing", FELL_MS - 9 * MINUTE_MS, "touches"),
    )
    record(tables, alert("touches_low", Group("customer", "delivery", HOSTILE), "resolved", FELL_MS, "touches"))
    tables.command("TRUNCATE TABLE annotations")
    AnnotationTable(tables).record(
        LoggedAnnotation("touchpoints", one, NOW_MS, "log", at) for at, one in enumerate(NOTED)
    )
    with running_page(tmp_path, database_url(clickhouse_url, tables.database or "")) as page:
        yield Shown(page, tables)


def touches() -> list[dict[str, Any]]:
    found = []
    for number, at_ms in enumerate(range(NOW_MS - 180 * MINUTE_MS, NOW_MS - 1, 15_000)):
        for stage in ("use", "support"):
            channel = ("chat", "call_centre", HOSTILE)[number % 3]
            unhappy = stage == "support" and channel == "chat" and at_ms >= FELL_MS
            found.append(
                touchpoint(
                    2 * number + (stage == "use"), journey="customer", stage=stage, channel=channel,
                    touchpoint=f"t{number % 5}", segment=("", "business")[number % 2], occurred_at=at_ms,
                    record_at=at_ms, lane_clock=at_ms, customer_id=f"c{number}", action="feedback",
                    csat=1 + number % 2 if unhappy else (2, 4, 5, 4, 5)[number % 5], nps=number % 11, outcome="success",
                    duration_ms=1_000 * (number % 600),
                )
            )  # fmt: skip
    return found


NOTED = (
    Annotation(
        id="1", at=instant(FELL_MS), text="checkout 4.2", kind="deploy", stage="support", link="https://ci.example/42"
    ),
    Annotation(
        id="2", at=instant(FELL_MS - MINUTE_MS), until=instant(NOW_MS), text=HOSTILE, source=HOSTILE, exclude=True
    ),
    Annotation(id="3", at=instant(FELL_MS), text="of another stage", stage="use"),
)


def incident() -> AlertRow:
    """The incident of what fires in support: the chat explains it."""
    chat, hostile = (
        CauseGroup(name="chat", before=75.0, after=12.5, rate=-35.0, mix=0.5),
        CauseGroup(name=HOSTILE, before=70.0, after=None, rate=0.0, mix=-4.5),
    )
    by = CauseBy(by="channel", rate=-35.0, mix=-4.0, groups=(chat, hostile), of=7)
    cause = Cause(rule="csat_low", place="stage support", metric="csat", before=72.0, after=31.5, by=(by,))
    members = [
        IncidentAlert(rule=rule, severity="critical", place=place, condition="", since=since, until=until)
        for rule, place, since, until in (
            ("csat_low", "stage support", instant(FELL_MS), None),
            ("touches_low", f"stage delivery, channel {HOSTILE}", instant(FELL_MS - MINUTE_MS), instant(FELL_MS)),
        )
    ]
    noted = [IncidentAnnotation(id=one.id, kind=one.kind, at=one.at, text=one.text, link=one.link) for one in NOTED[:2]]
    said = AlertIncident(
        id="1f2e3d4c", version="1", journey="customer", opened=instant(FELL_MS), closed=None, number=2, firing=1,
        alerts=tuple(members), silent=("stage use, channel store",), causes=(cause,), annotations=tuple(noted),
    )  # fmt: skip
    about = About("csat", "5m", "alerts that belong together", "critical", "customer service", said.text)
    return AlertRow(
        "incident-1f2e3d4c", Group("customer"), FELL_MS, "firing", FELL_MS, "incident", about, Reading(None),
        incident=msgspec.json.encode(said).decode(),
    )  # fmt: skip


def alert(rule: str, group: Group, state: str, since_ms: int, metric: str) -> AlertRow:
    about = About(metric, "5m", f"{metric} below 60 over 5m", "critical", "customer service", "Customers are unhappy")
    reading = Reading(31.5, 404, 27.25, 36.0)
    return AlertRow(
        rule, group, since_ms, state, since_ms, "breach" if state == "firing" else "clear", about, reading,
        Baseline(72.0, 390, since_ms - 5 * MINUTE_MS),
    )  # fmt: skip


def csat_low(state: str, since_ms: int) -> AlertRow:
    return alert("csat_low", SUPPORT, state, since_ms, "csat")


def record(tables: Client, change: AlertRow) -> None:
    AlertTables(tables, "touchpoints").record([change], {change: ["webhook", "slack"]})


def exact(tables: Client, from_ms: int, to_ms: int) -> dict[str, Any]:
    return metrics(tables, from_ms, to_ms, where={"stage": "support"})[0]


def address_of(from_ms: int, to_ms: int) -> str:
    start, end = (
        datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") for at_ms in (from_ms, to_ms)
    )
    return f"/stages/support?metric=csat&from={start}&to={end}"


@pytest.mark.parametrize("name", PAGES)
def test_every_page_fits_six_widths_and_can_be_read_in_light_and_dark(
    shown: Shown, open_page: OpenPage, name: str
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    client = shown.tables
    client.command("TRUNCATE TABLE dead_letters")
    letters = [dead_letter(log_offset=place, reason="out_of_scale", detail=f"csat 9 {HOSTILE}") for place in range(3)]
    client.insert_arrow("dead_letters", table("dead_letters", [one | {"record_at": NOW_MS} for one in letters]))
    record(shown.tables, incident())
    for scheme in ("light", "dark"):
        page = open_page(shown.page.url + PAGES[name], WIDTHS[4], scheme)
        if name not in STILL:
            expect_state(page, "live")
        expect(page.locator("main section, main ol").first).to_be_visible()
        for width, height in WIDTHS if scheme == "light" else WIDTHS[:1]:
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
            assert (width, overlapping(page), too_wide(page)) == (width, [], [])
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_a_stage_says_what_a_metric_is_what_it_was_and_which_part_changed(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + address_of(FELL_MS, NOW_MS))
    expect(page.locator(".lead-value data")).to_be_visible()
    now, before = exact(shown.tables, FELL_MS, NOW_MS), exact(shown.tables, FELL_MS - 30 * MINUTE_MS, FELL_MS)
    lead = page.locator(".lead-value")
    assert float(lead.locator("data").get_attribute("value") or "nan") == pytest.approx(now["csat"])
    expect(lead.locator(".n")).to_have_text(f"n {now['csat_n']}")
    change = page.locator(".lead-before .moved")
    expect(change).to_have_class(re.compile("worse"))
    expect(change).to_contain_text(f"−{before['csat'] - now['csat']:.1f} %")
    changed = page.locator(".parts tbody tr", has=page.locator(".moved.worse"))
    assert changed.locator("td:first-child").all_text_contents() == ["chat"]


def test_a_chart_has_its_numbers_in_a_table_and_in_words(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + address_of(FELL_MS - 30 * MINUTE_MS, NOW_MS))
    page.get_by_text("The numbers", exact=True).click()
    rows = page.locator(".numbers tbody tr")
    expect(rows.first).to_be_visible()
    assert rows.count() == len(page.locator(".spot").all()) == 60
    found = sum(int(one) for one in page.locator(".numbers td:last-child").all_text_contents())
    assert found == exact(shown.tables, FELL_MS - 30 * MINUTE_MS, NOW_MS)["csat_n"]
    expect(page.locator("figcaption")).to_contain_text("an alert was firing")
    expect(page.locator("figcaption")).to_contain_text(re.compile("From .+ at .+ to .+; lowest"))


def test_from_an_alert_to_the_part_that_caused_it_and_back_in_three_clicks(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url)
    expect_state(page, "live")
    page.locator(".alerts a", has_text="csat_low").click()
    expect(page.locator(".alert-lead")).to_contain_text("firing")
    page.get_by_role("link", name="The stage at that time").click()
    expect(page.locator(".parts tbody tr", has=page.locator(".moved.worse")).locator("td:first-child")).to_have_text(
        "chat"
    )
    page.locator(".ways a", has_text="Alerts").click()
    expect(page.locator(".alert-list .firing")).to_contain_text("csat_low")


def test_the_page_of_an_alert_says_where_it_comes_from_and_what_was_noted(shown: Shown, open_page: OpenPage) -> None:
    record(shown.tables, incident())
    page = open_page(shown.page.url + PAGES["alert"])
    cause = section(page, "Where it comes from")
    expect(cause.locator("h3").first).to_have_text("CSAT in stage support: 72.0 % → 31.5 %")
    expect(cause.locator("table.cause tbody tr").first.locator("td")).to_have_text(
        ["chat", "75.0 %", "12.5 %", "−34.5 %", "−35.0 %", "+0.5 %"]
    )
    expect(cause).to_contain_text("and 5 more, which explain less")
    expect(cause).to_contain_text("Silent then: stage use, channel store")
    expect(cause.get_by_role("link", name="checkout 4.2")).to_have_attribute("href", "https://ci.example/42")
    cause.get_by_role("link", name="Incident 1f2e3d4c").click()
    expect(page.locator("#lead-name")).to_contain_text("incident-1f2e3d4c")
    expect(section(page, "Where it comes from").locator(".together li")).to_have_count(2)


def test_notes_of_a_stage_stand_on_its_chart(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + PAGES["stage"])
    expect(section(page, "What was noted").locator("li")).to_have_count(2)
    expect(page.locator(".plot .mark")).to_have_count(2)
    expect(page.locator("figcaption")).to_contain_text("upright: what was noted")


def test_an_operator_notes_what_happened_and_is_told_where_kafka_is_away(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + PAGES["alert"])
    page.get_by_role("link", name="Note what happened").click()
    form = page.locator(".act form")
    expect(form.get_by_label("Stage")).to_have_value("support")
    form.get_by_label("Your name").fill("Ann")
    form.get_by_label("What happened").fill("sale <b>")
    form.get_by_role("button", name="Note").click()
    expect(page.locator(".trouble")).to_contain_text("Nothing was noted", timeout=60_000)
    expect(form.get_by_label("What happened")).to_have_value("sale <b>")


def test_an_alert_that_ends_says_so_on_its_page_with_who_was_told(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + PAGES["alert"])
    expect(page.locator(".alert-lead .value")).to_have_text("firing")
    told = page.locator("section.rows tbody tr").last.locator("td").last
    expect(told).to_have_text("webhook: waiting, slack: waiting")
    key = csat_low("firing", FELL_MS).key("touchpoints")
    AlertTables(shown.tables, "touchpoints").record_delivery("webhook", key, "delivered", NOW_MS)
    expect(told).to_contain_text(re.compile(r"webhook \d\d:\d\d:\d\d, slack: waiting"))
    record(shown.tables, csat_low("resolved", NOW_MS))
    expect(page.locator(".alert-lead .value")).to_have_text("resolved")
    expect(section(page, "What happened").locator("tbody tr")).to_have_count(2)


def test_an_acknowledgement_stands_beside_the_alert_wherever_it_is_shown(shown: Shown, open_page: OpenPage) -> None:
    shown.tables.command("TRUNCATE TABLE alert_actions")
    one = csat_low("firing", FELL_MS)
    target = AlertTarget(("",), one.rule, one.group.key)
    act = Action("ack", one.id("touchpoints"), target, NOW_MS, "Ann <b>", "calling the desk", FELL_MS, 0)
    ActionTable(shown.tables, "touchpoints").record(act)
    for address in ("/", "/alerts", PAGES["alert"]):
        page = open_page(shown.page.url + address)
        expect(page.locator(".handled").first).to_contain_text("acknowledged by Ann <b>: calling the desk")
    shown.tables.command("TRUNCATE TABLE alert_actions")


def test_an_alert_is_acknowledged_and_silenced_on_its_page(shown: Shown, open_page: OpenPage) -> None:
    shown.tables.command("TRUNCATE TABLE alert_actions")
    page = open_page(shown.page.url + PAGES["alert"])
    form = page.locator(".act form")
    form.get_by_label("Your name").fill("Ann <b>")
    form.get_by_role("button", name="Acknowledge").click()
    expect(form.get_by_label("Your name")).to_have_value("Ann <b>")  # it isn't sent without a reason
    form.get_by_label("Why").fill("calling the desk")
    form.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".handled")).to_contain_text("acknowledged by Ann <b>: calling the desk")
    for label, words in (("Your name", "bob"), ("Why", "new shop")):
        form.get_by_label(label).fill(words)
    form.get_by_label("Silence for").select_option("1 day")
    form.get_by_role("button", name="Silence", exact=True).click()
    expect(page.locator(".handled")).to_contain_text(re.compile("silenced by bob until .* UTC: new shop"))
    shown.tables.command("TRUNCATE TABLE alert_actions")


def test_the_list_has_what_fires_what_ended_and_what_is_not_judged(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + "/alerts")
    expect(section(page, "Firing")).to_contain_text("csat_low")
    expect(section(page, "Ended within 24 hours")).to_contain_text(HOSTILE)
    unjudged = AlertRow(
        "nps_fell", SUPPORT, NOW_MS, "ok", NOW_MS, "learning", About("nps", "6h", "", "warning", "", ""), Reading(None)
    )
    AlertTables(shown.tables, "touchpoints").record([unjudged], {})
    expect(section(page, "Not judged")).to_contain_text("learning")


def test_a_name_that_there_is_not_is_said(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + "/alerts/csat_lo?journey=customer&stage=support")
    expect(page.locator(".trouble")).to_contain_text("no alert of the rule csat_lo")
    page = open_page(shown.page.url + "/stages/nowhere?metric=csat")
    expect(page.locator("figcaption")).to_contain_text("No value of CSAT")
    expect(page.locator(".owner")).to_contain_text("undeclared")


def test_the_data_path_says_which_part_is_late(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + "/health")
    expect(link(page, "Watch")).to_have_class(re.compile("good"))
    expect(link(page, "Notifications → slack")).to_contain_text("3 wait")
    write_round(shown.tables, ago_ms=90_000, judged_ago_ms=95_000)
    shown.tables.command("TRUNCATE TABLE watch_rounds")
    write_round(shown.tables, ago_ms=90_000, judged_ago_ms=95_000)
    expect(link(page, "Watch")).to_have_class(re.compile("away"))
    expect(page.locator("body")).to_have_attribute("data-state", "unjudged")
    write_lanes(shown.tables, lanes=1, clock_ago_ms=90_000)
    expect(link(page, "Kafka → workers")).to_contain_text("1 of 4 lanes are behind; partition 0")
    write_lanes(shown.tables, ago_ms=60_000)
    expect(link(page, "Workers → ClickHouse")).to_have_class(re.compile("away"))


def test_the_catalogue_has_every_metric_with_its_target_and_rules(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + "/catalogue")
    csat = page.locator(".metrics tr", has=page.locator("code", has_text=re.compile("^csat$")))
    expect(csat.locator("[data-label=Value]")).to_have_text("81.5 %")
    expect(csat.locator("[data-label=Rules]")).to_have_text("csat_low")
    headings = page.locator("main h2").all_text_contents()
    assert [one.split(":")[0] for one in headings] == [
        "Quality", "Effort", "Satisfaction", "Loyalty", "Advocacy", "Operations", "Business",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "/stages/support?metric=nothing", "/stages/support?last=3y", "/stages/support?by=person",
        "/stages/support?from=yesterday&to=today", "/stages/support?from=2026-01-02&to=2026-01-01",
        "/stages/support?compare=never", "/stages/support?from=1000-01-01&to=2026-01-01",
    ],
)  # fmt: skip
def test_a_choice_that_there_is_not_is_refused_in_a_sentence(shown: Shown, open_page: OpenPage, address: str) -> None:
    answer = open_page("about:blank").request.get(shown.page.url + address)
    assert answer.status == 400
    assert answer.text().count("\n") == 1


def section(page: Page, title: str) -> Any:
    return page.locator("section.rows", has=page.locator("h2", has_text=title))


def link(page: Page, name: str) -> Any:
    return page.locator("tr.link", has=page.locator("td:first-child", has_text=name))


def test_every_page_gives_its_numbers_to_programs(shown: Shown, open_page: OpenPage) -> None:
    request = open_page("about:blank").request

    def rows(address: str) -> list[dict[str, Any]]:
        mark = "&" if "?" in address else "?"
        as_csv = request.get(f"{shown.page.url}{address}{mark}format=csv")
        found: list[dict[str, Any]] = request.get(f"{shown.page.url}{address}{mark}format=json").json()["rows"]
        lines = list(csv.DictReader(io.StringIO(as_csv.text(), newline="")))
        assert len(lines) == len(found) > 0
        return found

    counted = exact(shown.tables, FELL_MS, NOW_MS)
    course = rows(address_of(FELL_MS, NOW_MS))
    assert sum(row["csat_n"] for row in course) == counted["csat_n"]
    assert [row["csat"] for row in rows("/?window=5m") if row["stage"] == "support"] == [31.5]
    assert {row["rule"]: row["state"] for row in rows("/alerts")} == {"csat_low": "firing", "touches_low": "resolved"}
    assert [row["waiting"] for row in rows(PAGES["alert"])] == [["webhook", "slack"]]
    assert {row["part"] for row in rows("/health")} >= {"Kafka → workers", "Watch"}
    assert [row["value"] for row in rows("/catalogue") if row["metric"] == "csat"] == [81.5]
    assert request.get(f"{shown.page.url}/alerts?format=xml").status == 400


def test_a_wall_turns_grey_when_its_numbers_are_not_of_now(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + "/wall")
    expect_state(page, "live")
    expect(page.locator("#choices")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.querySelector('main')).filter") == "none"
    write_lanes(shown.tables, ago_ms=60_000)
    expect_state(page, "workers-away")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).filter") == "grayscale(1)"


def test_a_time_has_the_viewers_own_beside_it(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url + "/alerts")
    expect_state(page, "live")
    since = page.locator(".alert-list .firing time")
    assert since.get_attribute("title") == page.evaluate(f"new Date({FELL_MS}).toLocaleString()")


def test_every_metric_that_leads_to_a_course_has_one(shown: Shown, open_page: OpenPage) -> None:
    page = open_page(shown.page.url)
    expect_state(page, "live")
    links = page.locator("[data-stage=support] .figure a")
    addresses = [link.get_attribute("href") for link in links.all()]
    assert len(addresses) >= 5
    assert {page.request.get(f"{shown.page.url}/{address}").status for address in addresses} == {200}
