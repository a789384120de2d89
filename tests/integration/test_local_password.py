"""ClickHouse's password in the local stack: found by commands of the same user, and nowhere else."""

import http.client
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.stack import RunningStack, running_stack

pytestmark = [pytest.mark.stack, pytest.mark.any_kafka]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack"), workers=1) as stack:
        yield stack


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_commands_find_the_stack_by_its_data_directory_alone(stack: RunningStack) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHSTREAM_")}
    command = [sys.executable, "-m", "touchstream.streams.cli", "metrics", "--json"]
    found = subprocess.run(
        command, env={**kept, "TOUCHSTREAM_DATA_DIR": str(stack.data)}, capture_output=True, text=True, check=False
    )
    assert (found.returncode, json.loads(found.stdout)) == (0, []), found.stderr


def test_nothing_is_answered_without_the_password(stack: RunningStack) -> None:
    place = urlsplit(stack.addresses["clickhouse"])
    connection = http.client.HTTPConnection(str(place.hostname), place.port)
    connection.request("POST", "/", "SELECT 1")
    answer = connection.getresponse()
    assert (answer.status, place.password in answer.read().decode()) == (403, False)
    connection.close()


def test_only_its_owner_may_look_into_what_holds_the_password(stack: RunningStack) -> None:
    own = stack.data / "ready.json"
    assert json.loads(own.read_text()) == stack.addresses
    assert {mode(path) for path in (own, stack.data / "netrc", stack.ready_file)} == {0o600}
    assert {mode(path) for path in (stack.data, stack.data / "clickhouse", stack.data / "logs")} == {0o700}


def test_the_password_is_on_no_command_line_and_in_no_log(stack: RunningStack) -> None:
    password = str(urlsplit(stack.addresses["clickhouse"]).password).encode()
    assert len(password) >= 32
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.stat().st_uid == os.getuid()]
    assert any(b"touchstream.deploy.local.clickhouse.server" in line for line in lines)
    assert not any(password in line for line in lines)
    logs = [*stack.data.rglob("*.log"), stack.ready_file.with_name("up.log")]
    assert len(logs) > 5
    assert not any(password in log.read_bytes() for log in logs)
