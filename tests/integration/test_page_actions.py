"""The form on an alert's page, as browsers send it, and as others try to."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.databases import migrated_database
from touchstream.schemas.alert_actions import WORDS_MAX, Action, Actions
from touchstream.schemas.alert_state import About, AlertRow, Group, Reading
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.actions import ActionTable
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.page.app import Console
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.pages import live_pages
from touchstream.sinks.page.sign_in import SignIn, Visitor, for_visitors
from touchstream.sinks.page.surroundings import Surroundings

pytestmark = pytest.mark.stack

TOPIC, NOW_MS = "touchpoints", now_ms()
HOUR_MS = 3_600_000
CATALOGUE = Catalogue.load()
PAGE = "/alerts/csat_low?journey=customer&stage=a%20%26%C3%A9"
GROUP = Group("customer", "a &é")
OURS = {"Sec-Fetch-Site": "same-origin"}
OPERATOR = Visitor(operator=True)
ACK = {"do": "ack", "by": "anna", "reason": "on it"}


@dataclass(frozen=True)
class Asked:
    tables: Client
    send: Callable[..., httpx.Response]

    @property
    def recorded(self) -> list[Action]:
        return ActionTable(self.tables, TOPIC).since(0)

    @property
    def actions(self) -> Actions:
        return ActionTable(self.tables, TOPIC).actions(now_ms())


def alert(state: str = "firing", since_ms: int = NOW_MS) -> AlertRow:
    return AlertRow(
        "csat_low", GROUP, since_ms, state, since_ms, "breach" if state == "firing" else "clear",
        About("csat", "1m", "csat below 60", "critical", "ops", "CSAT is low"), Reading(31.5, 30, 33, 404),
    )  # fmt: skip


@pytest.fixture(scope="module")
def tables(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def page(tables: Client, clickhouse_url: str) -> Asked:
    """A page that takes actions, and an alert that fires."""
    for name in ("alerts", "alert_changes", "alert_actions"):
        tables.command(f"TRUNCATE TABLE {name}")
    AlertTables(tables, TOPIC).record([alert()], {})
    return Asked(tables, sender(database_url(clickhouse_url, tables.database or "")))


def raw(headers: Mapping[str, str | bytes]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), one if isinstance(one, bytes) else one.encode()) for name, one in headers.items()]


def sender(url: str, visitor: Visitor = OPERATOR, sign_in: SignIn | None = None) -> Callable[..., httpx.Response]:
    def send(
        form: dict[str, str] | bytes,
        headers: Mapping[str, str | bytes] = OURS,
        path: str = PAGE,
        kind: str | None = None,
    ) -> httpx.Response:
        async def sent() -> httpx.Response:
            pages, taker = live_pages(Surroundings(url, TOPIC), Journeys.load().journeys, CATALOGUE, Drawing(CATALOGUE))
            application = for_visitors(Console(pages, taker.routes()).application(), sign_in, visitor)
            transport = httpx.ASGITransport(application, client=("127.0.0.1", 40_000))
            async with httpx.AsyncClient(transport=transport, base_url="http://page:8090") as client:
                if isinstance(form, bytes):
                    type_ = {"Content-Type": kind or "application/x-www-form-urlencoded"}
                    return await client.post(path, content=form, headers=raw({**headers, **type_}))
                return await client.post(path, data=form, headers=raw(headers))

        return asyncio.run(sent())

    return send


def test_an_acknowledgement_is_recorded_once_with_name_and_reason_and_leads_back(page: Asked) -> None:
    answer = page.send(ACK)
    assert (answer.status_code, answer.headers["location"]) == (303, "?journey=customer&stage=a%20%26%C3%A9")
    page.send(ACK | {"by": "bob"})
    (only,) = page.recorded
    assert (only.kind, only.by, only.reason, only.since_ms) == ("ack", "anna", "on it", NOW_MS)
    assert page.actions.acknowledgement(alert()) == only


def test_a_silence_lasts_as_chosen_is_for_this_alert_alone_and_can_be_ended(page: Asked) -> None:
    assert page.send(ACK | {"do": "silence", "hours": "4"}).status_code == 303
    (silence,) = page.actions.silences(now_ms())
    assert silence.until_ms - silence.at_ms == 4 * HOUR_MS
    assert (silence.target.namespaces, silence.target.rule, silence.target.group_key) == (("",), "csat_low", GROUP.key)
    assert page.send(ACK | {"do": "unsilence"}).status_code == 303
    assert page.actions.silences(now_ms() + 1) == []
    again = page.send(ACK | {"do": "unsilence"})
    assert (again.status_code, "no silence of this alert alone holds" in again.text) == (400, True)


def test_an_alert_that_does_not_fire_is_not_acknowledged(page: Asked) -> None:
    AlertTables(page.tables, TOPIC).record([alert("resolved", NOW_MS + 1)], {})
    answer = page.send(ACK)
    assert (answer.status_code, page.recorded) == (400, [])
    assert "there is nothing to acknowledge" in answer.text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"by": ""}, "your name takes one line"),
        ({"by": " \t "}, "your name takes one line"),
        ({"reason": "x" * (WORDS_MAX + 1)}, "the reason takes one line"),
        ({"reason": "bell \a"}, "the reason takes one line"),
        ({"do": "erase"}, "choose one of ack, silence, unsilence"),
        ({"do": ""}, "choose one of"),
        ({"do": "silence", "hours": "100000"}, "silence for one of 1, 4, 24, 168 hours"),
        ({"do": "silence"}, "silence for one of"),
    ],
)
def test_a_form_that_makes_no_sense_says_why_and_keeps_what_was_written(
    page: Asked, changed: dict[str, str], said: str
) -> None:
    answer = page.send({"by": "<b>ann</b>", "reason": 'said "no"', "do": "ack"} | changed)
    assert (answer.status_code, page.recorded) == (400, [])
    assert f"Nothing was done: {said}" in answer.text
    assert ("&lt;b&gt;ann&lt;/b&gt;" in answer.text) == ("by" not in changed)
    assert ("said &#34;no&#34;" in answer.text) == ("reason" not in changed)


def test_the_longest_name_and_reason_are_taken(page: Asked) -> None:
    assert page.send(ACK | {"by": "é" * WORDS_MAX, "reason": "x" * WORDS_MAX}).status_code == 303
    assert page.recorded[0].by == "é" * WORDS_MAX


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://page:8090"}, 403),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://page"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://page:8090"}, 303),
        (OURS | {"Origin": "null"}, 303),
    ],
)
def test_a_form_of_another_site_does_nothing(page: Asked, headers: dict[str, str], status: int) -> None:
    assert page.send(ACK, headers).status_code == status
    assert len(page.recorded) == (status == 303)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"do=ack&by=anna&reason=x&other=" + b"x" * 20_000, None),
        (b"do=ack&by=anna&reason=%ff", None),
        (b"do=ack&by=\xc3\xa9&reason=x", None),
        (b"&".join(b"a%d=1" % n for n in range(50)), None),
        (b'{"do": "ack"}', "application/json"),
        (b"do=ack&by=anna&reason=x", "text/plain"),
    ],
)
def test_a_body_that_is_no_form_is_refused(page: Asked, body: bytes, kind: str | None) -> None:
    assert page.send(body, kind=kind).status_code == 400
    assert page.recorded == []


def test_an_alert_that_there_is_not_is_said(page: Asked) -> None:
    answer = page.send(ACK, path="/alerts/csat_low?journey=customer&stage=other")
    assert (answer.status_code, "there is no such alert any more" in answer.text) == (400, True)


def test_a_page_that_takes_no_actions_shows_no_form_and_refuses_it(page: Asked, clickhouse_url: str) -> None:
    send = sender(database_url(clickhouse_url, page.tables.database or ""), Visitor())
    assert send(ACK).status_code == 403
    assert page.recorded == []


def test_who_is_signed_in_acts_by_that_name_whatever_the_form_says(page: Asked, clickhouse_url: str) -> None:
    sign_in = SignIn("X-Forwarded-User", ("127.0.0.1",), operators=frozenset({"zoë"}))
    send = sender(database_url(clickhouse_url, page.tables.database or ""), Visitor(), sign_in)
    named = {"X-Forwarded-User": "zoë".encode()}
    assert send(ACK, OURS | {"X-Forwarded-User": "bob"}).status_code == 403
    assert send(ACK).status_code == 401
    assert page.recorded == []
    assert send(ACK, {**OURS, **named}).status_code == 303
    assert [one.by for one in page.recorded] == ["zoë"]


def test_while_clickhouse_is_away_nothing_is_said_to_be_done() -> None:
    answer = sender("http://default@127.0.0.1:9/none")(ACK)
    assert answer.status_code == 503
    assert "nothing was done" in answer.text
    assert 'value="anna"' in answer.text
