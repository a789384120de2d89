"""The page outlives ClickHouse: it keeps what it has, says what is missing, and goes on by itself."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.rolling_rows import journey, write_lanes, write_round, write_rows
from tests.browser.running_page import expect_state, figures, running_page
from tests.support.stack import eventually
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Process, running
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, migrate

pytestmark = pytest.mark.stack


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[tuple[ClickHouse, Process]]:
    """A ClickHouse of one's own, with a journey in it."""
    server = ClickHouse(tmp_path / "data", free_port())
    with running(server.child(), tmp_path) as process:
        client = connect(server.url())
        migrate(client, Migrating())
        write_lanes(client)
        write_rows(client, journey())
        write_round(client)
        yield server, process


def test_the_page_says_that_clickhouse_is_away_keeps_its_numbers_and_recovers(
    clickhouse: tuple[ClickHouse, Process], tmp_path: Path, open_page: OpenPage
) -> None:
    server, process = clickhouse
    with running_page(tmp_path, server.url()) as served:
        page = open_page(served.url)
        expect_state(page, "live")
        process.terminate()
        process.wait_or_kill()
        expect_state(page, "clickhouse-away")
        expect(page.locator("#health")).to_contain_text("it does not answer; trying again")
        assert figures(page)["support"]["nps"]["value"] == 15.5
        newcomer = open_page(served.address(window="1h"))
        expect_state(newcomer, "clickhouse-away")
        assert figures(newcomer)["support"]["nps"]["value"] is None
        process.start()
        eventually(server.answers)
        expect_state(page, "live")
        expect_state(newcomer, "waiting")
        assert "Traceback" not in page.content() + served.log()


def test_the_page_does_not_wait_for_a_clickhouse_that_hangs(
    clickhouse: tuple[ClickHouse, Process], tmp_path: Path, open_page: OpenPage
) -> None:
    server, process = clickhouse
    with running_page(tmp_path, server.url()) as served:
        page = open_page(served.url)
        expect_state(page, "live")
        assert process.pid is not None
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            expect_state(page, "clickhouse-away")
        finally:
            os.killpg(process.pid, signal.SIGCONT)
        expect_state(page, "live", seconds=90)


def test_tables_that_are_missing_are_named_as_what_they_are(
    tmp_path: Path, clickhouse_url: str, unique_name: str, open_page: OpenPage
) -> None:
    with running_page(tmp_path, database_url(clickhouse_url, unique_name)) as served:
        page = open_page(served.url)
        expect_state(page, "clickhouse-away")
        expect(page.locator("#health")).to_contain_text("run `touchstream init`")
