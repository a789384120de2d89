"""The demo as one shows it to a colleague: `touchstream up --demo` and its page, from the first number to Ctrl-C."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import NARROW, WIDE
from tests.browser.conftest import OpenPage
from tests.browser.rolling_rows import DECLARED
from tests.browser.running_page import expect_state, figures, stages, too_wide
from tests.support.stack import READY_SECONDS, RunningStack, eventually

pytestmark = pytest.mark.stack

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
LIVE_SECONDS = 120
"""Half a minute on an idle machine; this one may be busy."""
ALERT_SECONDS = 300
"""The incident begins a minute after the first event and lasts for 75 s; a window of one minute has to be complete."""

Told = set[tuple[str, str, str]]
"""Alerts that are firing: rule, stage, since."""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[RunningStack]:
    """A demo that answers, in a session of its own, by which all of its processes are known."""
    ready_file, log_path = tmp_path / "ready.json", tmp_path / "up.log"
    arguments = ["up", "--demo", "--workers", "2", "--data", str(tmp_path / "data"), "--ready-file", str(ready_file)]
    with log_path.open("wb") as log:
        command = [sys.executable, "-m", "touchstream.streams.cli", *arguments]
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: ready_file.exists() or process.poll() is not None, READY_SECONDS)
        assert process.poll() is None, log_path.read_text()
        yield RunningStack(ready_file, process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def test_the_whole_story_from_the_first_numbers_over_an_incident_to_ctrl_c(
    demo: RunningStack, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(f"{demo.addresses['page']}/?window=1m")
    shows_live_numbers_of_simulated_customers(page)
    shows_the_stages_from_left_to_right(page)
    tells_of_the_incident_in_support(page, demo)
    take_pictures(demo, open_page)
    tells_that_it_is_over(page, demo)
    leaves_nothing_behind(demo, tmp_path)


def shows_live_numbers_of_simulated_customers(page: Page) -> None:
    expect(page.locator(".notice")).to_have_text("Simulated customers: none of them exists.")
    page.evaluate("window.kept = 1")
    eventually(lambda: all((touches(page, stage) or 0) > 0 for stage in DECLARED), LIVE_SECONDS)
    expect_state(page, "live", LIVE_SECONDS)
    before = touches(page, "use")
    eventually(lambda: touches(page, "use") != before, LIVE_SECONDS)
    assert page.evaluate("window.kept") == 1


def shows_the_stages_from_left_to_right(page: Page) -> None:
    assert stages(page) == DECLARED
    lefts = page.evaluate("[...document.querySelectorAll('.stage')].map((one) => one.getBoundingClientRect().left)")
    assert lefts == sorted(set(lefts))


def tells_of_the_incident_in_support(page: Page, demo: RunningStack) -> None:
    alert = page.locator(".alerts .alert", has_text="csat_low")
    expect(alert).to_be_visible(timeout=1_000 * ALERT_SECONDS)
    expect(alert).to_contain_text("in support since ")
    expect(alert).to_contain_text("csat below 60 over 1m")
    expect(page.locator(".stage.alarmed [class=alert]")).to_contain_text("csat_low")
    eventually(lambda: bool(shown := on_the_page(page)) and shown == as_commanded(demo))
    assert {stage for _, stage, _ in on_the_page(page)} == {"support"}


def take_pictures(demo: RunningStack, open_page: OpenPage) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for size, name in ((WIDE, "wide"), (NARROW, "narrow")):
        for scheme in ("light", "dark"):
            page = open_page(f"{demo.addresses['page']}/?window=1m", size, scheme)
            page.locator(".stage").first.wait_for()
            page.screenshot(path=SCREENSHOTS / f"demo-{name}-{scheme}.png", full_page=True)
            assert too_wide(page) == []
            page.close()


def tells_that_it_is_over(page: Page, demo: RunningStack) -> None:
    expect(page.locator(".alerts")).to_have_count(0, timeout=1_000 * ALERT_SECONDS)
    expect(page.locator(".alarmed")).to_have_count(0)
    alerts = json.loads(demo.separate_command("alerts", "--json"))
    states = {(alert["rule"], alert["stage"]): alert["state"] for alert in alerts}
    assert states["csat_low", "support"] == "resolved"


def leaves_nothing_behind(demo: RunningStack, directory: Path) -> None:
    ports = [urlsplit(url).port for url in urls(demo.addresses)]
    assert len(processes_of(demo)) > len(ports) > 5
    assert all(answers(port) for port in ports)
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(60) == 0
    assert processes_of(demo) == []
    assert not any(answers(port) for port in ports)
    assert not (directory / "ready.json").exists()


def touches(page: Page, stage: str) -> int | None:
    value: int | None = figures(page).get(stage, {}).get("touches", {}).get("value")
    return value


def on_the_page(page: Page) -> Told:
    """What the list above the journey says, read at one moment."""
    found = page.evaluate(
        """() => [...document.querySelectorAll(".alerts .alert")].map((one) => [
          ...[...one.querySelectorAll("bdi")].map((name) => name.textContent), one.querySelector("time").dateTime])"""
    )
    return {(rule, stage, since.replace("+00:00", "Z")) for rule, stage, since in found}


def as_commanded(demo: RunningStack) -> Told:
    """What `touchstream alerts --firing` says."""
    alerts = json.loads(demo.separate_command("alerts", "--firing", "--json"))
    return {(alert["rule"], alert["stage"], alert["since"]) for alert in alerts}


def urls(addresses: dict[str, Any]) -> set[str]:
    """One of each port."""
    named = (addresses[name] for name in ("kafka", "clickhouse", "gateway", "page", "watch"))
    return {*named, *addresses["workers_metrics"]}


def processes_of(demo: RunningStack) -> list[int]:
    """The processes of its session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it ended while we looked
            continue
        if int(session) == demo.process.pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def answers(port: int | None) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port or 0)) == 0
