"""Two `touchstream up` on one machine: a command that names a data directory reaches the stack on it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka.choice import about_the_local_broker
from tests.support.stack import running_stack
from touchstream.schemas.times import now_ms

pytestmark = [pytest.mark.stack, pytest.mark.long, about_the_local_broker]


def command(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command that is told its data directory and no server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHSTREAM_")}
    return subprocess.run(
        [sys.executable, "-m", "touchstream.streams.cli", *arguments],
        env=environment | {"TOUCHSTREAM_DATA_DIR": str(directory / "data")},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def test_of_two_stacks_each_measures_what_was_published_to_its_directory(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for number, directory in enumerate((first, second), start=1):
        directory.mkdir()
        event = {"occurred_at": now_ms(), "customer_id": "ann", "channel": "web", "touchpoint": "p"}
        lines = [json.dumps(event | {"event_id": f"{number}-{one}"}) for one in range(number)]
        (directory / "events.ndjson").write_text("\n".join(lines) + "\n")
    with running_stack(first, workers=1), running_stack(second, workers=1):
        for number, directory in enumerate((first, second), start=1):
            for arguments in (["publish", str(directory / "events.ndjson")], ["wait"]):
                done = command(directory, *arguments)
                assert done.returncode == 0, done.stderr
            (group,) = json.loads(command(directory, "metrics", "--by", "none", "--json").stdout)
            assert group["touches"] == number
    assert not (first / "data" / "ready.json").exists()
