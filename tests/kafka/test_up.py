"""`touchstream up --kafka URL`: the stack on a Kafka that is there already."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from touchstream.streams.broker.topics import ensure_topics, topic_specs
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings


def up(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {f"TOUCHSTREAM_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "touchstream.streams.cli", "up", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.stack
def test_the_stack_runs_on_a_kafka_that_is_there_with_the_lanes_that_its_topic_has(
    kafka_url: str, unique_name: str, tmp_path: Path
) -> None:
    connection = KafkaConnection.from_url(kafka_url)
    ensure_topics(connection, topic_specs(Settings(topic=unique_name, partitions=2)))
    # It ends well only if every lane has an owner: two, whatever the setting asks for.
    said = up(
        "--kafka", kafka_url, "--data", str(tmp_path), "--for", "0.1",
        TOPIC=unique_name, GROUP=unique_name, PARTITIONS="3",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert kafka_url in said.stderr
    assert f"warning: {unique_name} has 2 partitions, not 3" in said.stderr
    assert not (tmp_path / "logs" / "broker.log").exists()


def test_a_kafka_url_that_is_none_is_wrong_use(tmp_path: Path) -> None:
    said = up("--kafka", "http://127.0.0.1:9092", "--data", str(tmp_path))
    assert said.returncode == 2
    assert "must begin with kafka://" in said.stderr
