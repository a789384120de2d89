"""`.ci/run` goes through all of its parts, whatever fails, and says at the end what did."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).parents[3] / ".ci" / "run"


def program(file: Path, script: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def run(directory: Path, make: str, python: str = "exit 0", pytest: str = "exit 0") -> subprocess.CompletedProcess[str]:
    """`.ci/run` of a project whose programs are these scripts; nothing is installed, for it isn't run by root."""
    copy = directory / ".ci" / "run"
    copy.parent.mkdir()
    shutil.copy(RUN, copy)
    program(directory / "bin" / "id", "echo 1000")
    program(directory / "bin" / "make", f'echo "made $*"; {make}')
    program(directory / ".venv" / "bin" / "python", f'echo "python $*"; {python}')
    program(directory / ".venv" / "bin" / "pytest", f'echo "pytest $* on $TEST_KAFKA"; {pytest}')
    environment = os.environ | {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run([copy], env=environment, capture_output=True, text=True, check=False)


def test_all_parts_run_and_pass(tmp_path: Path) -> None:
    done = run(tmp_path, "exit 0")
    assert done.returncode == 0
    for part in ("lint", "test", "test-browser"):
        assert f"{part}\n" in done.stdout
    assert "pytest tests/kafka tests/integration on apache" in done.stdout
    assert "tests.kafka.failures" in done.stdout
    assert done.stdout.endswith("all passed\n")


@pytest.mark.parametrize("failing", ["lint", "test", "test-browser"])
def test_a_part_that_fails_hides_no_other_and_is_named_at_the_end(tmp_path: Path, failing: str) -> None:
    done = run(tmp_path, f'for last; do :; done; [ "$last" != {failing} ]', pytest="exit 1")
    assert done.returncode == 1
    for part in ("lint", "test", "test-browser"):
        assert f"{part}\n" in done.stdout
    assert "python -m tests.kafka.failures" in done.stdout
    named = done.stdout.partition("2 failed:\n")[2].splitlines()
    assert [line.split()[-1] for line in named] == [failing, "tests/integration"]


def test_without_apache_kafka_the_rest_is_tested(tmp_path: Path) -> None:
    done = run(tmp_path, "exit 0", python="exit 1")
    assert done.returncode == 0
    assert "skipped: the tests on Apache Kafka" in done.stdout
    assert "pytest" not in done.stdout
