"""What operators note on the page: through Kafka into ClickHouse, and back onto the page."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.databases import migrated_database
from tests.support.gateway_process import create_topic
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import now_ms, since_epoch
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.page.annotations import Annotate, AnnotationPage
from touchstream.sinks.page.app import Console
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.sign_in import Visitor, for_visitors
from touchstream.sinks.page.surroundings import Surroundings
from touchstream.streams.broker.annotations import AnnotationReader
from touchstream.streams.broker.topics import ANNOTATIONS_TOPIC, ensure_topics, topic_specs
from touchstream.streams.cli.page import written_to_kafka
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

pytestmark = pytest.mark.stack

TOPIC = "noted_on_the_page"
OURS = {"Sec-Fetch-Site": "same-origin"}
OPERATOR = Visitor(operator=True)
NOTE = {"by": "Ann <b>", "text": "checkout 4.2 & more", "kind": "deploy", "channel": "web"}
NO_KAFKA = "kafka://127.0.0.1:9"


@dataclass(frozen=True)
class Noted:
    tables: Client
    settings: Settings

    def ask(
        self,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = OURS,
        visitor: Visitor = OPERATOR,
        path: str = "/annotations",
        annotate: Annotate | None = None,
    ) -> httpx.Response:
        """The page, or with a form what it answers to that."""

        async def asked() -> httpx.Response:
            surroundings = Surroundings(self.settings.clickhouse_url, TOPIC)
            write = annotate or (lambda said: written_to_kafka(self.settings, said))
            routes = AnnotationPage(surroundings, Drawing(Catalogue.load()), write).routes()
            transport = httpx.ASGITransport(for_visitors(Console([], routes).application(), None, visitor))
            async with httpx.AsyncClient(transport=transport, base_url="http://page:8090") as client:
                if form is None:
                    return await client.get(path)
                return await client.post(path, data=dict(form), headers=dict(headers))

        return asyncio.run(asked())

    def read(self) -> list[Annotation]:
        """What the log holds, by way of the table."""
        AnnotationReader(self.settings.kafka_connection(), AnnotationTable(self.tables)).step()
        return AnnotationTable(self.tables).between(TOPIC, 0, 1 << 41)


@pytest.fixture(scope="module")
def noted(clickhouse_url: str, kafka_url: str) -> Iterator[Noted]:
    create_topic(kafka_url, TOPIC)
    specs = [one for one in topic_specs(Settings()) if one.name == ANNOTATIONS_TOPIC]
    ensure_topics(KafkaConnection.from_url(kafka_url), specs)
    with migrated_database(clickhouse_url) as client:
        url = database_url(clickhouse_url, str(client.database))
        yield Noted(client, Settings(kafka_url=kafka_url, clickhouse_url=url, topic=TOPIC))


def refused(_: Annotation) -> None:
    raise AssertionError("nothing should have been noted")


def test_a_note_of_the_page_is_in_the_log_and_then_on_the_page(noted: Noted) -> None:
    answer = noted.ask(NOTE | {"at": "2026-11-30T14:00", "until": "2026-11-30T15:30:30", "exclude": "true"})
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert "will stand here when watch has read it" in noted.ask(path=f"/{place}").text
    (said,) = noted.read()
    assert place == f"annotations?noted={said.id}"
    assert (said.text, said.kind, said.channel, said.stage) == ("checkout 4.2 & more", "deploy", "web", None)
    assert (said.source, said.exclude) == ("Ann <b>", True)
    assert [f"{one:%m-%d %H:%M:%S %z}" for one in (said.at, said.end)] == [
        "11-30 14:00:00 +0000", "11-30 15:30:30 +0000",
    ]  # fmt: skip
    shown = noted.ask(path=f"/{place}").text
    assert "will stand here" not in shown
    assert "Ann &lt;b&gt;" in shown
    (row,) = noted.ask(path="/annotations?format=json").json()["rows"]
    assert (row["at"], row["text"], row["stage"]) == ("2026-11-30T14:00:00Z", "checkout 4.2 & more", None)


def test_a_note_without_a_time_is_of_now(noted: Noted) -> None:
    before_ms = now_ms()
    assert noted.ask(NOTE | {"text": "now"}).status_code == 303
    said = next(one for one in noted.read() if one.text == "now")
    assert before_ms <= since_epoch(said.at) <= now_ms()
    assert said.until is None


def test_who_is_signed_in_notes_by_that_name(noted: Noted) -> None:
    assert noted.ask(NOTE | {"text": "by zoë"}, visitor=Visitor("zoë", operator=True)).status_code == 303
    assert next(one for one in noted.read() if one.text == "by zoë").source == "zoë"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"by": ""}, "your name takes one line"),
        ({"text": ""}, "what happened takes one line"),
        ({"text": "x" * 501}, "what happened takes one line"),
        ({"kind": "party"}, "kind takes one of deploy"),
        ({"at": "yesterday"}, "at takes a date and time"),
        ({"at": "1066-10-14T09:00"}, "at must be between 2000"),
        ({"at": "2026-11-30T14:00", "until": "2026-11-30T13:00"}, "until must be at or after at"),
        ({"exclude": "true"}, "exclude needs until"),
        ({"link": "javascript:alert(1)"}, "link must be an address"),
        ({"stage": "x" * 256}, "stage may have 255 characters"),
        ({"channel": "a\x00b"}, "channel has a control character"),
    ],
)
def test_a_note_that_makes_no_sense_says_why_and_keeps_what_was_written(
    noted: Noted, changed: dict[str, str], said: str
) -> None:
    answer = noted.ask({"by": "Q&A", "text": "<i>sale</i>", "kind": "deploy"} | changed, annotate=refused)
    assert answer.status_code == 400
    assert f"Nothing was noted: {said}" in answer.text
    assert ("&lt;i&gt;sale&lt;/i&gt;" in answer.text) == ("text" not in changed)
    assert ("Q&amp;A" in answer.text) == ("by" not in changed)


@pytest.mark.parametrize(
    ("headers", "visitor"),
    [({"Sec-Fetch-Site": "cross-site"}, OPERATOR), ({}, OPERATOR), (OURS, Visitor()), (OURS, Visitor("bob"))],
)
def test_nothing_is_noted_from_elsewhere_or_by_those_who_may_only_look(
    noted: Noted, headers: dict[str, str], visitor: Visitor
) -> None:
    assert noted.ask(NOTE, headers, visitor, annotate=refused).status_code == 403


def test_who_may_only_look_sees_what_was_noted_and_no_form(noted: Noted) -> None:
    assert noted.ask(NOTE | {"text": "seen by all"}).status_code == 303
    noted.read()
    shown = noted.ask(visitor=Visitor()).text
    assert ("seen by all" in shown, "<form" in shown) == (True, False)


def test_while_kafka_is_away_nothing_is_said_to_be_noted(noted: Noted) -> None:
    away = Noted(noted.tables, noted.settings.model_copy(update={"kafka_url": NO_KAFKA}))
    answer = away.ask(NOTE)
    assert answer.status_code == 503
    assert "Nothing was noted" in answer.text
    assert "checkout 4.2 &amp; more" in answer.text


def test_while_clickhouse_is_away_the_page_says_so(noted: Noted) -> None:
    away = Noted(noted.tables, noted.settings.model_copy(update={"clickhouse_url": "http://default@127.0.0.1:9/none"}))
    assert "ClickHouse does not answer" in away.ask().text
    assert away.ask(path="/annotations?format=csv").status_code == 503
    assert away.ask(path="/annotations?format=xml").status_code in (400, 503)
