"""Grafana's panels ask ClickHouse what it can answer: their SQL runs on the tables as the migrations make them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.browser.rolling_rows import journey, write_rows
from tests.support.databases import migrated_database

pytestmark = pytest.mark.stack

DASHBOARD = json.loads(
    (Path(__file__).parents[2] / "deploy/grafana/dashboards/touchstream.json").read_text(encoding="utf-8")
)
QUERIES = {
    panel["title"]: target["rawSql"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
    if "rawSql" in target
} | {variable["name"]: variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"}


@pytest.fixture(scope="module")
def tables(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        write_rows(client, journey(), ticks=3)
        yield client


@pytest.mark.parametrize("title", QUERIES)
def test_a_panel_finds_rows(tables: Client, title: str) -> None:
    sql = QUERIES[title].replace("${window}", "5m").replace("${journey}", "customer")
    sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= now() - toIntervalHour(1)", sql)
    assert "$" not in sql
    assert tables.query(sql).result_rows
