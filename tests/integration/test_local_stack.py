"""Commands find the local stack that is meant, and never take another one for it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.broker_identity import stack_of
from touchstream.deploy.local.data_directory import DataDirectory, holder, stack_id
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.process import running
from touchstream.streams.cli.local.identity import addressed, ready, refuse_broker_of_a_stack
from touchstream.streams.process.settings import Settings, SettingsError
from touchstream.streams.process.settings_sources import READY_FILE

STACK = """
import os, sys, pathlib
from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.data_directory import DataDirectory
from touchstream.deploy.local.ports import free_port, note
from touchstream.deploy.local.process import running
from touchstream.streams.cli.local.ready_file import ReadyFile
directory, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
with DataDirectory(directory) as data:
    assert free_port(port) == port
    note(port, data.path)
    broker = Broker(port, data.id)
    with running(broker.child(), data.logs):
        ReadyFile(data.path / "ready.json").keep(
            {"id": data.id, "pid": os.getpid(), "kafka": broker.url, "clickhouse": "http://default@127.0.0.1:1/own"}
        )
        print("ready", flush=True)
        sys.stdin.read()
"""
"""A stack of a broker alone."""


@contextmanager
def stack(directory: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", STACK, str(directory), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def unset(directory: Path, default_port: int, **origins: str) -> Settings:
    """Settings that name no servers, where Kafka's default port is another one than on other people's machines."""
    kafka_url = f"kafka://{LOOPBACK}:{default_port}"
    return Settings().model_copy(update={"kafka_url": kafka_url, "data_dir": directory, "origins": origins})


def test_the_stack_on_the_data_directory_is_meant_whatever_its_port_and_whoever_has_the_default_one(
    tmp_path: Path,
) -> None:
    default, port = free_port(), free_port()
    with stack(tmp_path / "other", default), stack(tmp_path / "mine", port):
        found = addressed(unset(tmp_path / "mine", default))
        assert found.kafka_url == f"kafka://{LOOPBACK}:{port}"
        assert found.clickhouse_url == "http://default@127.0.0.1:1/own"
        assert "mine" in found.origins["clickhouse_url"]


def test_without_a_stack_of_ones_own_the_one_on_the_default_port_is_meant_with_its_directory(tmp_path: Path) -> None:
    default = free_port()
    with stack(tmp_path / "other", default):
        found = addressed(unset(tmp_path / "nothing", default))
        assert (found.clickhouse_url, found.data_dir) == ("http://default@127.0.0.1:1/own", tmp_path / "other")


def test_where_ones_own_stack_is_down_another_ones_is_not_taken_for_it(tmp_path: Path) -> None:
    default, mine = free_port(), tmp_path / "mine"
    with stack(mine, free_port()) as process:
        process.kill()
        process.wait()
    assert (mine / READY_FILE).exists()  # of the one that was killed
    assert ready(mine) is None
    with stack(tmp_path / "other", default) as other:
        said = rf"no stack runs on {mine}, and kafka://{LOOPBACK}:{default} is that of {tmp_path}/other .*{other.pid}"
        with pytest.raises(SettingsError, match=said):
            addressed(unset(mine, default))
        with pytest.raises(SettingsError, match="no stack runs on"):
            addressed(unset(tmp_path / "named", default, data_dir="environment"))


def test_an_address_that_is_set_is_asked_and_nothing_else(tmp_path: Path) -> None:
    default = free_port()
    with stack(tmp_path / "mine", default):
        settings = unset(tmp_path / "mine", default, clickhouse_url="environment")
        assert addressed(settings) is settings


def test_a_stack_that_is_starting_is_said_to_be(tmp_path: Path) -> None:
    with DataDirectory(tmp_path), pytest.raises(SettingsError, match=rf"process {os.getpid()}\) isn't ready yet"):
        addressed(unset(tmp_path, free_port()))


def test_a_broker_of_another_stack_in_place_of_ones_own_is_noticed(tmp_path: Path) -> None:
    port = free_port()
    with stack(tmp_path / "mine", free_port()), stack(tmp_path / "other", port):
        path = tmp_path / "mine" / READY_FILE
        path.write_text(json.dumps(json.loads(path.read_text()) | {"kafka": f"kafka://{LOOPBACK}:{port}"}))
        with pytest.raises(SettingsError, match=rf"broker of another local stack \({tmp_path}/other\)"):
            addressed(unset(tmp_path / "mine", free_port()))


def test_a_stack_refuses_to_work_on_the_broker_of_another_one(tmp_path: Path) -> None:
    port = free_port()
    with stack(tmp_path, port), pytest.raises(SettingsError, match=rf"broker of another local stack \({tmp_path}\)"):
        refuse_broker_of_a_stack(f"kafka://{LOOPBACK}:{port}")


def test_a_broker_is_ready_only_as_that_of_its_own_stack(tmp_path: Path) -> None:
    port = free_port()
    with running(Broker(port, "a" * 32).child(), tmp_path):
        assert stack_of(LOOPBACK, port) == "a" * 32
        assert Broker(port).answers()
        assert not Broker(port, "b" * 32).answers()
    assert stack_of(LOOPBACK, port) is None


def test_the_id_of_a_stack_stays_and_no_two_are_the_same(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "a") as data, DataDirectory(tmp_path / "b") as other:
        first = data.id
        assert first != other.id
    with DataDirectory(tmp_path / "a") as data:
        assert data.id == first == stack_id(tmp_path / "a")


def test_looking_for_a_stack_keeps_none_from_starting(tmp_path: Path) -> None:
    look = (
        "import sys, pathlib; from touchstream.deploy.local.data_directory import holder\n"
        "while True: holder(pathlib.Path(sys.argv[1]))"
    )
    with DataDirectory(tmp_path):
        assert holder(tmp_path) == os.getpid()
    with subprocess.Popen([sys.executable, "-c", look, str(tmp_path)]) as looking:
        try:
            for _ in range(200):
                with DataDirectory(tmp_path):
                    pass
        finally:
            looking.kill()
    assert holder(tmp_path) is None
