"""Makes the picture of the page for the README: `python -m tests.browser.picture docs/page.png`.

Simulated customers, the whole stack, a real browser. The last twenty minutes are published at once, and what the
rolling windows would have said in them is written afterwards, so that the trends do not have to be waited for.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.clickhouse.client import connect
from sinks.clickhouse.queries import TOPIC
from sinks.clickhouse.rolling import BY_NAME, write_rolling
from sinks.console.board import TREND_TICKS
from tests.browser.chromium import WIDE, chromium
from tests.browser.running_page import expect_state, running_page
from tests.stack import running_stack

WINDOW: Final = BY_NAME["5m"]
PAST_SECONDS: Final = 20 * 60
NOTICE: Final = "Simulated customers"


def main(picture: Path) -> None:
    """Write the picture, a PNG of 1440 × 900."""
    with tempfile.TemporaryDirectory() as directory, running_stack(Path(directory), workers=1) as stack:
        stack.command("simulate", "--fast", "--for", str(PAST_SECONDS))
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
    now_ms = time.time_ns() // 1_000_000
    live_tick_ms = WINDOW.live_tick(now_ms)
    for back in range(1, TREND_TICKS):
        write_rolling(client, TOPIC, WINDOW, live_tick_ms - back * WINDOW.step_ms)


def _take(address: str, picture: Path) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme="light")
        page.goto(address)
        expect_state(page, "live", seconds=120)
        page.locator(".stage .trend").first.wait_for()
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.browser.picture FILE.png")
    main(Path(sys.argv[1]))
