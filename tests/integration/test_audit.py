"""Who looked at which person: kept before the person is shown, and erased with them."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from typer.testing import CliRunner

from tests.support.clickhouse_rows import NOON_MS, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas.alert_actions import Action, AlertTarget
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.customers.person import person_of
from touchstream.sinks.clickhouse.customers.person_views import Onlooker, PersonViews
from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.clickhouse.upkeep.erasure import erase
from touchstream.sinks.page.app import Console
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.people import People
from touchstream.sinks.page.sign_in import SignIn, Visitor, for_visitors
from touchstream.streams.cli.main import app

pytestmark = pytest.mark.stack

FAR = 1 << 41
SIGN_IN = SignIn("X-User", ("127.0.0.1",), people=frozenset({"zoë"}))
ZOE = {"X-User": "zoë".encode()}


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        rows = [
            touchpoint(1, customer_id="ann", event_id="1"),
            touchpoint(2, customer_id="ann", anonymous_id="phone", action="identify", event_id="2"),
            touchpoint(3, customer_id="", anonymous_id="guest", event_id="3"),
        ]
        client.insert_arrow("touchpoints", table("touchpoints", rows))
        yield client


@pytest.fixture
def url(client: Client, clickhouse_url: str) -> str:
    return database_url(clickhouse_url, str(client.database))


def looked(client: Client) -> list[tuple[str, bool, str, str]]:
    """By whom, whether there was one, and who; the oldest first."""
    found = reversed(PersonViews(client).between(0, FAR))
    return [(one.onlooker.by, one.found, one.customer_id, one.anonymous_id) for one in found]


def page(url: str, path: str, headers: dict[str, bytes], sign_in: SignIn | None = SIGN_IN) -> httpx.Response:
    async def asked() -> httpx.Response:
        routes = People(CustomerReader(url, "touchpoints"), Drawing(Catalogue.load())).routes()
        application = for_visitors(Console([], routes).application(), sign_in, Visitor(people=True))
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.get(path, headers=[(name.encode(), one) for name, one in headers.items()])

    return asyncio.run(asked())


def run(url: str, *arguments: str) -> list[dict[str, Any]]:
    ran = CliRunner().invoke(app, ["audit", *arguments, "--json"], env={"TOUCHSTREAM_CLICKHOUSE_URL": url})
    assert ran.exit_code == 0, ran.output
    return list(json.loads(ran.stdout))


def test_a_look_at_a_person_is_kept_with_the_name_and_whom_the_id_led_to(client: Client, url: str) -> None:
    for path in ("/customers/ann", "/customers/phone", "/customers/guest", "/customers/nothing"):
        page(url, path, ZOE)
    assert looked(client) == [
        ("zoë", True, "ann", ""), ("zoë", True, "ann", "phone"), ("zoë", True, "", "guest"), ("zoë", False, "", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/customers", "/customers/" + "x" * 2_000])
def test_a_page_that_shows_no_person_keeps_nothing(client: Client, url: str, path: str) -> None:
    page(url, path, ZOE)
    assert looked(client) == []


def test_who_may_see_no_persons_leaves_no_look(client: Client, url: str) -> None:
    assert page(url, "/customers/ann", {"X-User": b"bob"}).status_code == 404
    assert looked(client) == []


def test_without_sign_in_the_look_is_kept_without_a_name(client: Client, url: str) -> None:
    assert page(url, "/customers/ann", {}, None).status_code == 200
    assert looked(client) == [("", True, "ann", "")]


def test_a_person_is_not_shown_where_the_look_cannot_be_kept(client: Client, url: str) -> None:
    client.command("DROP TABLE person_views")
    answer = page(url, "/customers/ann", ZOE)
    assert answer.status_code == 503
    assert "Touches, the newest first" not in answer.text
    with pytest.raises(ClickHouseError):
        asyncio.run(CustomerReader(url, "touchpoints").view("ann", False, Onlooker("gateway", "crm")))


def test_an_erased_person_is_gone_from_the_looks_and_that_there_was_one_stays(client: Client, url: str) -> None:
    for path in ("/customers/ann", "/customers/phone", "/customers/guest"):
        page(url, path, ZOE)
    ann = person_of(client, "ann", anonymous=False)
    at = datetime.fromtimestamp(now_ms() / 1000 + 1, UTC)
    names = ["log_id", "partition", "log_offset", "id_hash", "erased_at"]
    client.insert("erasures", [["log", 0, 7, one, at] for one in ann.hashes(None)], column_names=names)
    assert {one.table: one.rows for one in erase(client)}["person_views"] == 2
    assert looked(client) == [("zoë", True, "", ""), ("zoë", True, "", ""), ("zoë", True, "", "guest")]
    assert {one.table: one.rows for one in erase(client)}["person_views"] == 0
    assert [row["about"] for row in run(url)] == ["guest", "(erased)", "(erased)"]


def test_the_command_lists_looks_and_actions_by_person_and_by_name(client: Client, url: str) -> None:
    asyncio.run(CustomerReader(url, "touchpoints").view("phone", False, Onlooker("gateway", "crm")))
    page(url, "/customers/ann", ZOE)
    page(url, "/customers/guest", ZOE)
    target = AlertTarget(("",), "csat_low", (("journey", "customer"), ("stage", "support")))
    ActionTable(client, "touchpoints").record(Action("ack", "1", target, now_ms(), "bob", "on it", NOON_MS))
    everything = run(url)
    assert [(row["by"], row["did"]) for row in everything] == [
        ("bob", "ack"), ("zoë", "looked at a person"), ("zoë", "looked at a person"), ("crm", "looked at a person"),
    ]  # fmt: skip
    assert (everything[0]["about"], everything[0]["why"]) == ("csat_low journey=customer stage=support", "on it")
    assert [(row["door"], row["by"]) for row in run(url, "--customer", "ann")] == [("page", "zoë"), ("gateway", "crm")]
    assert [row["by"] for row in run(url, "--customer", "phone")] == ["crm"]
    assert [row["about"] for row in run(url, "--by", "bob")] == ["csat_low journey=customer stage=support"]
    assert run(url, "--to", "-1h") == []
