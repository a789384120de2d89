"""Annotations from each door through the log into ClickHouse: the last of an id counts, what is none is left out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from tests.support.databases import migrated_database
from tests.support.gateway_process import create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.schemas.alert_state import Group
from touchstream.schemas.times import now_ms, since_epoch
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable
from touchstream.sinks.clickhouse.client import database_url
from touchstream.streams.broker.annotations import AnnotationReader
from touchstream.streams.broker.topics import ANNOTATIONS_TOPIC, ensure_topics, topic_specs
from touchstream.streams.channels.gateway.key_lines import Permission, key_line, new_key
from touchstream.streams.channels.judged import Bounds
from touchstream.streams.cli.main import app
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings
from touchstream.streams.watch.noted import Noted

pytestmark = pytest.mark.stack

TOPIC = "noted"
FAR = 1 << 41


@pytest.fixture(scope="module")
def client(clickhouse_url: str, kafka_url: str) -> Iterator[Client]:
    create_topic(kafka_url, TOPIC)
    specs = [one for one in topic_specs(Settings()) if one.name == ANNOTATIONS_TOPIC]
    ensure_topics(KafkaConnection.from_url(kafka_url), specs)
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture(scope="module")
def environment(client: Client, clickhouse_url: str, kafka_url: str) -> dict[str, str]:
    return {
        "TOUCHSTREAM_KAFKA_URL": kafka_url,
        "TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database)),
        "TOUCHSTREAM_TOPIC": TOPIC,
    }


def run(environment: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env=environment)


def listed(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    ran = run(environment, "annotations", "list", "--json")
    assert ran.exit_code == 0, ran.output
    return {one["id"]: one for one in json.loads(ran.stdout)}


def test_an_annotation_of_the_command_line_is_listed_and_one_of_the_same_id_takes_its_place(
    client: Client, environment: dict[str, str], kafka_url: str
) -> None:
    reader = AnnotationReader(KafkaConnection.from_url(kafka_url), AnnotationTable(client))
    reader.step()  # what other tests have said on this Kafka
    for text in ("checkout 4.2", "checkout 4.2, rolled back"):
        ran = run(
            environment, "annotate", text, "--kind", "deploy", "--channel", "web", "--id", "ci-42", "--at", "-10m",
            "--link", "https://ci.example/42",
        )  # fmt: skip
        assert ran.exit_code == 0, ran.output
    other = KafkaProducer(bootstrap_servers=kafka_url)
    for value in (
        b"no JSON",
        b'{"topic": "noted", "annotation": {"id": "x", "at": "1066-10-14T09:00:00Z", "text": "x"}}',
    ):
        other.send(ANNOTATIONS_TOPIC, value).get(30)
    other.close()
    assert reader.step() == 2
    assert reader.step() == 0
    again = AnnotationReader(KafkaConnection.from_url(kafka_url), AnnotationTable(client))
    again.step()
    found = listed(environment)["ci-42"]
    assert (found["text"], found["channel"], found["kind"]) == ("checkout 4.2, rolled back", "web", "deploy")
    assert client.command("SELECT count() FROM annotations FINAL WHERE id = 'ci-42'") == 1
    noted = Noted(AnnotationTable(client), TOPIC)
    assert [one.id for one in noted([Group("shop", "use", "web")], 0, FAR)] == ["ci-42"]
    assert noted([Group("shop", "use", "chat")], 0, FAR) == []
    assert Noted(AnnotationTable(client), "other")([Group("shop")], 0, FAR) == []
    wrong = run(environment, "annotate", "x", "--kind", "party")
    assert (wrong.exit_code, "party" in wrong.output) == (2, True)


def test_the_gateway_takes_annotations_of_those_who_may_send(
    client: Client, environment: dict[str, str], kafka_url: str, tmp_path: Path
) -> None:
    keys = {"free": new_key(), "web": new_key(), "reader": new_key()}
    lines = [
        key_line("free", keys["free"]),
        key_line("web", keys["web"], bounds=Bounds(frozenset({"web"}))),
        key_line("reader", keys["reader"], [Permission.READ]),
    ]
    file = tmp_path / "keys"
    file.write_text("\n".join(lines) + "\n")
    with running_gateway(tmp_path, kafka_url, TOPIC, {"GATEWAY_KEYS_FILE": str(file)}) as gateway:
        eventually(gateway.ready)

        def post(key: str, content: Any) -> tuple[int, dict[str, Any]]:
            answer = gateway.client.post(
                "/v1/annotations", json=content, headers={"Authorization": f"Bearer {keys[key]}"}
            )
            return answer.status_code, answer.json()

        status, taken = post("free", {"text": "sale", "kind": "campaign", "source": "another team"})
        assert status == 202
        assert post("web", {"text": "new page", "channel": "web", "id": "page"})[0] == 202
        assert post("web", {"text": "all is down", "kind": "outage"})[0] == 403
        assert post("reader", {"text": "x"})[0] == 403
        status, problem = post("free", {"text": "x", "at": "yesterday"})
        assert (status, problem["title"]) == (400, "No annotation")
        assert post("free", {"text": "x" * 20_000})[0] == 413
        without = gateway.client.post("/v1/annotations", json={"text": "x"})
        assert without.status_code == 401
    AnnotationReader(KafkaConnection.from_url(kafka_url), AnnotationTable(client)).step()
    found = listed(environment)
    assert (found[taken["id"]]["text"], found[taken["id"]]["source"]) == ("sale", "free")
    assert (found["page"]["channel"], found["page"]["source"]) == ("web", "web")
    (campaign,) = (one for one in AnnotationTable(client).between(TOPIC, 0, FAR) if one.kind == "campaign")
    assert abs(since_epoch(campaign.at) - now_ms()) < 600_000
