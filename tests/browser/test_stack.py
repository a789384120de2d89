"""The whole way: events are published, workers measure them, and the page shows what the rolling rows say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.rolling_rows import DECLARED
from tests.browser.running_page import expect_state, figures, stages
from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.schemas import times
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.rolling.store import rolling_now

ALL = None


pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack"), workers=1) as running:
        yield running


def publish(stack: RunningStack, directory: Path, events: list[dict[str, Any]]) -> None:
    now_ms = times.now_ms()
    plain = {"channel": "web", "touchpoint": "page", "occurred_at": now_ms}
    lines = [
        json.dumps(plain | {"event_id": f"{now_ms}-{n}", "customer_id": f"c{n}"} | e) for n, e in enumerate(events)
    ]
    file = directory / "events.ndjson"
    file.write_text("\n".join(lines))
    stack.separate_command("publish", str(file))
    stack.separate_command("wait", "--timeout", "60")


def test_the_page_shows_exactly_what_the_rolling_rows_say(
    stack: RunningStack, open_page: OpenPage, tmp_path: Path
) -> None:
    answers = [{"stage": "support", "nps": n % 11, "csat": 1 + n % 5, "ces": 1 + n % 7} for n in range(120)]
    contacts = [{"stage": stage, "outcome": "success", "duration_ms": 900} for stage in (*DECLARED, "elsewhere")]
    publish(stack, tmp_path, answers + contacts)
    page = open_page(f"{stack.addresses['page']}/?window=1h")
    client = connect(stack.addresses["clickhouse"])

    def equal() -> bool:
        rows = rolling_now(client, "touchpoints", "1h", {"channel": ALL, "segment": ALL})
        said = {row["stage"]: row for row in rows if row["stage"] != ALL}
        shown = figures(page)
        # Until the first live tick is written there are rows of the hour before, in which nothing happened.
        return (
            bool(said)
            and said["support"]["touches"] == 121
            and all(
                figure["value"] == row[metric] for stage, row in said.items() for metric, figure in shown[stage].items()
            )
        )

    eventually(equal)
    assert stages(page) == [*DECLARED, "elsewhere"]
    expect_state(page, "live")


def test_newly_published_events_appear_without_a_reload(
    stack: RunningStack, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(f"{stack.addresses['page']}/?window=15m")
    page.evaluate("window.kept = 1")
    eventually(lambda: "loyalty" in figures(page))
    before = touches(page, "loyalty") or 0
    publish(stack, tmp_path, [{"stage": "loyalty", "channel": "<i>new</i>"}] * 7)
    eventually(lambda: touches(page, "loyalty") == before + 7)
    expect(page.get_by_label("Channel").locator("option", has_text="<i>new</i>")).to_have_count(1)
    assert page.evaluate("window.kept") == 1


def touches(page: Page, stage: str) -> int | None:
    value: int | None = figures(page)[stage]["touches"]["value"]
    return value
