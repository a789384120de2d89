"""`touchstream publish -`: what nobody else has is kept where it is refused, in a file whose name is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway_process import create_topic
from touchstream.streams.channels.files.compressed import FileProblem
from touchstream.streams.channels.files.refused_lines import RefusedLines


def event(number: int, **fields: Any) -> dict[str, Any]:
    plain = {"event_id": str(number), "occurred_at": 1_790_000_000_000, "customer_id": "ann"}
    return plain | {"channel": "web", "touchpoint": "t"} | fields


@pytest.fixture
def environment(kafka_url: str, unique_name: str) -> dict[str, str]:
    create_topic(kafka_url, unique_name)
    return os.environ | {"TOUCHSTREAM_KAFKA_URL": kafka_url, "TOUCHSTREAM_TOPIC": unique_name}


def test_refused_lines_are_kept_and_their_file_told_and_nothing_is_left_where_none_was(
    environment: dict[str, str], tmp_path: Path
) -> None:
    def publish(*events: dict[str, Any], options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[bytes]":
        command = [sys.executable, "-m", "touchstream.streams.cli", "publish", "-", *options]
        lines = b"".join(json.dumps(one).encode() + b"\n" for one in events)
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        return subprocess.run(
            command, input=lines, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=False
        )

    assert (publish(event(1)).returncode, list(tmp_path.iterdir())) == (0, [])
    done = publish(event(2), event(3, nps=11), event(4))
    (file,) = tmp_path.iterdir()
    assert (done.returncode, file.name.encode() in done.stderr) == (1, True)
    assert file.stat().st_mode & 0o777 == 0o600
    (line,) = map(json.loads, file.read_text().splitlines())
    assert (line["file"], line["line"], json.loads(line["text"])) == ("standard input", 2, event(3, nps=11))
    said = json.loads(publish(event(5, nps=11), options=("--json", "--refused", "asked.ndjson")).stdout)
    assert (said["refused"], said["refused_file"]) == (1, "asked.ndjson")
    assert {found.name for found in tmp_path.iterdir()} == {file.name, "asked.ndjson"}


def test_where_nothing_can_be_kept_nothing_is_read_and_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"can't be written: .*; lines of standard input .* with --refused"):
        RefusedLines().kept_in(tmp_path / "nowhere").__enter__()
