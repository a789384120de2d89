"""The access that the example of a KafkaUser gives is what Touchstream needs, by Kafka's own authorizer."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from ruamel.yaml import YAML
from typer.testing import CliRunner

from tests.kafka.apache import ApacheKafka
from tests.kafka.choice import about_apache_kafka
from tests.support.gateway_process import running_gateway
from tests.support.stack import eventually
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.process import Child, running
from touchstream.schemas import times
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import ensure_topics, topic_specs
from touchstream.streams.cli.main import app
from touchstream.streams.process.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.stack, about_apache_kafka]

ROOT = Path(__file__).parents[2]
RESOURCES = list(YAML(typ="safe").load_all((ROOT / "deploy/helm/examples/kafka-strimzi.yaml").read_text()))
USER = next(one for one in RESOURCES if one["kind"] == "KafkaUser")
LANES = 2


def guarded(directory: Path) -> tuple[ApacheKafka, int]:
    """A Kafka that asks who one is at a port of its own, and lets whoever asks at the other do everything."""
    kafka, port = ApacheKafka.of(directory), free_port()
    (node,) = kafka.nodes
    listeners = f"PLAINTEXT://{LOOPBACK}:{node.port},SASL_PLAINTEXT://{LOOPBACK}:{port}"
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_touchstream="secret";'
    return replace(
        kafka,
        settings={
            "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{node.controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": login,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        },
    ), port


def acls() -> Iterator[ACL]:
    """As Strimzi makes them of the user."""
    for rule in USER["spec"]["authorization"]["acls"]:
        resource = ResourcePattern(ResourceType[rule["resource"]["type"].upper()], rule["resource"]["name"])
        for operation in rule["operations"]:
            name = "".join(f"_{letter}" if letter.isupper() else letter for letter in operation).lstrip("_").upper()
            yield ACL("User:touchstream", "*", ACLOperation[name], ACLPermissionType.ALLOW, resource)


def prepared(kafka: ApacheKafka) -> None:
    """Topics as the example has them, but with fewer partitions, and the user's access."""
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    topics = {
        one["metadata"]["name"]: {
            "num_partitions": LANES,
            "replication_factor": 1,
            "configs": {
                key: str(value) for key, value in one["spec"]["config"].items() if key != "min.insync.replicas"
            },
        }
        for one in RESOURCES
        if one["kind"] == "KafkaTopic"
    }
    admin.create_topics(topics)
    given = list(acls())
    assert admin.create_acls(given)["failed"] == []
    # Asked for and known are two things: a broker learns of both from the controller's log, a moment later.
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    everything = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, anything)
    eventually(
        lambda: len(admin.describe_acls(everything)[0]) == len(given) and set(topics) <= set(admin.list_topics())
    )
    admin.close()


def test_the_user_of_the_example_may_do_what_touchstream_does_and_no_more(
    tmp_path: Path, clickhouse_url: str, unique_name: str
) -> None:
    kafka, port = guarded(tmp_path / "kafka")
    values = {
        "KAFKA_URL": f"kafka://{LOOPBACK}:{port}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN",
        "KAFKA_SASL_USERNAME": "touchstream",
        "KAFKA_SASL_PASSWORD": "secret",
        "CLICKHOUSE_URL": clickhouse_url.rpartition("/")[0] + f"/{unique_name}",
        "CONTROL_KEY_FILE": str(tmp_path / "control_key"),
        "PARTITIONS": str(LANES),
        "LATENESS_SECONDS": "0",
    }
    environment = {f"TOUCHSTREAM_{name}": value for name, value in values.items()}

    def command(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, env=environment)
        assert done.exit_code == 0, done.output
        return done.stdout

    with running(kafka.child(), tmp_path):
        prepared(kafka)
        command("init")
        worker, watch = (ready_child(name, environment, free_port()) for name in ("worker", "watch"))
        with (
            running(worker, tmp_path),
            running(watch, tmp_path),
            running_gateway(tmp_path, values["KAFKA_URL"], "touchpoints", values) as gateway,
        ):
            eventually(gateway.ready)
            event = {"customer_id": "ann", "channel": "web", "touchpoint": "checkout", "occurred_at": times.now_ms()}
            sent = [event | {"event_id": "1"}, event | {"event_id": "2", "csat": 77}]
            assert gateway.post(sent[0]).status_code == 202
            gateway.post(sent[1])  # refused: it becomes a dead letter
            eventually(lambda: counted(command) == 1)
            command("wait")
            eventually(lambda: dead_letters(command) == 1)
            command("forget", "ann", "--yes")
        settings = Settings(**{name.lower(): value for name, value in values.items()})
        other = settings.model_copy(update={"topic": "another"})
        with pytest.raises(TopicError, match="another"):
            ensure_topics(other.kafka_connection(), topic_specs(other))


def ready_child(name: str, environment: dict[str, str], port: int) -> Child:
    """A component with health checks, ready when it says so."""
    prefix = "METRICS" if name == "worker" else "WATCH"
    url = f"http://{LOOPBACK}:{port}/readyz"

    def ready() -> bool:
        try:
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            return False

    argv = (sys.executable, "-m", "touchstream.streams.cli", name)
    variables = environment | {f"TOUCHSTREAM_{prefix}_PORT": str(port)}
    return Child(name, argv, ready, env=variables, ready_seconds=300)


def counted(command: Any) -> int:
    (total,) = json.loads(command("metrics", "--json")) or [{"touches": 0}]
    return int(total["touches"])


def dead_letters(command: Any) -> int:
    return len(json.loads(command("dead-letters", "list", "--json")))
