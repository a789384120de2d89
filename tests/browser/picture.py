"""Makes the picture of the page for the README: `python -m tests.browser.picture docs/page.png`.

Simulated customers, the whole stack, a real browser. The last twenty minutes are published at once, and what the
rolling windows would have said in them is written afterwards, so that the trends do not have to be waited for. Then
customers live on as in the demo, and the picture is taken when the incident's alerts fire.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

import httpx
from clickhouse_connect.driver.client import Client
from playwright.sync_api import expect

from tests.browser.chromium import WIDE, chromium
from tests.browser.running_page import expect_state, running_page
from tests.support.stack import eventually, running_stack
from touchstream.schemas import times
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import TOPIC
from touchstream.sinks.clickhouse.rolling.store import write_rolling
from touchstream.sinks.page.board import TREND_TICKS
from touchstream.streams.channels.simulate.scenario import DEFAULT_FILE
from touchstream.streams.cli.local.stack import DEMO_LATENESS_SECONDS

WINDOW: Final = BY_NAME["1m"]
PAST_SECONDS: Final = 20 * 60
NOTICE: Final = "Simulated customers: none of them exists."
ALERT_SECONDS: Final = 300
COMPLETE: Final = f'touchstream_complete_tick_timestamp_seconds{{window="{WINDOW.name}"}}'
"""Once it is there windows complete as of now; before, the worker would begin with those of the past, one by one."""
INCIDENTS: Final = "\nincidents:"
"""The last part of the scenario."""


def main(picture: Path) -> None:
    """Write the picture, a PNG that is 1440 wide and as high as the page."""
    os.environ["TOUCHSTREAM_LATENESS_SECONDS"] = str(DEMO_LATENESS_SECONDS)
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory), workers=1) as stack:
        eventually(lambda: COMPLETE in httpx.get(stack.addresses["metrics"]).text)
        calm = Path(directory) / "calm.yaml"
        calm.write_text(DEFAULT_FILE.read_text(encoding="utf-8").partition(INCIDENTS)[0], encoding="utf-8")
        stack.command("simulate", "--fast", "--for", str(PAST_SECONDS), "--scenario", str(calm))
        live = stack.start("simulate")
        try:
            stack.command("wait", "--timeout", "120")
            clickhouse_url = stack.addresses["clickhouse"]
            with running_page(Path(directory), clickhouse_url, "--notice", NOTICE) as served:
                _write_past(connect(clickhouse_url))
                _take(served.address(window=WINDOW.name), picture)
        finally:
            live.terminate()
            live.communicate(timeout=60)


def _write_past(client: Client) -> None:
    now_ms = times.now_ms()
    live_tick_ms = WINDOW.live_tick(now_ms)
    for back in range(1, TREND_TICKS):
        write_rolling(client, TOPIC, [(WINDOW, live_tick_ms - back * WINDOW.step_ms)])


def _take(address: str, picture: Path) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme="light")
        page.goto(address)
        alerts = page.locator(".alerts .alert", has_text="in support")
        expect(alerts).to_have_count(2, timeout=1_000 * ALERT_SECONDS)
        expect_state(page, "live", seconds=120)
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture, full_page=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.browser.picture FILE.png")
    main(Path(sys.argv[1]))
