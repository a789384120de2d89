"""`.ci/run` goes through all of its parts, whatever fails, and says at the end what did."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RUN = ROOT / ".ci" / "run"
PARTS = ("lint", "sbom", "site", "test", "test-browser", "test-helm")


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
    program(directory / "bin" / "npm", "exit 0")
    program(directory / "bin" / "make", f'echo "made $*"; {make}')
    program(directory / ".venv" / "bin" / "python", f'echo "python $*"; {python}')
    program(directory / ".venv" / "bin" / "pytest", f'echo "pytest $* on $TEST_KAFKA"; {pytest}')
    environment = os.environ | {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run([copy], env=environment, capture_output=True, text=True, check=False)


def test_all_parts_run_and_pass(tmp_path: Path) -> None:
    done = run(tmp_path, "exit 0")
    assert done.returncode == 0
    for part in PARTS:
        assert f"{part}\n" in done.stdout
    assert "pytest tests/kafka tests/integration on apache" in done.stdout
    assert "tests.kafka.failures" in done.stdout
    assert done.stdout.endswith("all passed\n")


@pytest.mark.parametrize("failing", PARTS)
def test_a_part_that_fails_hides_no_other_and_is_named_at_the_end(tmp_path: Path, failing: str) -> None:
    done = run(tmp_path, f'for last; do :; done; [ "$last" != {failing} ]', pytest="exit 1")
    assert done.returncode == 1
    for part in PARTS:
        assert f"{part}\n" in done.stdout
    assert "python -m tests.kafka.failures" in done.stdout
    named = done.stdout.partition("2 failed:\n")[2].splitlines()
    assert [line.split()[-1] for line in named] == [failing, "tests/integration"]


def test_a_bare_pytest_runs_every_folder_of_tests_but_those_of_the_browser_the_chart_and_the_benchmarks() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    there = {f"tests/{file.relative_to(ROOT / 'tests').parts[0]}" for file in (ROOT / "tests").rglob("test_*.py")}
    assert there - {*options["testpaths"]} == {"tests/bench", "tests/browser", "tests/helm"}


def test_without_apache_kafka_the_rest_is_tested(tmp_path: Path) -> None:
    done = run(tmp_path, "exit 0", python="exit 1")
    assert done.returncode == 0
    assert "skipped: the tests on Apache Kafka" in done.stdout
    assert "pytest" not in done.stdout


def made(target: str) -> list[str]:
    """The commands of a target, none of which is run; a make that runs this test would say more."""
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-n", target], cwd=ROOT, env=alone, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_make_test_is_a_bare_pytest_whose_log_names_the_ten_slowest() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert made("test")[-1] == ".venv/bin/pytest"
    assert "--durations=10" in options["addopts"].split()


def test_every_night_runs_the_large_numbers() -> None:
    assert 'TEST_NUMBERS=large .venv/bin/pytest -m ""' in made("nightly")


def test_long_tests_run_in_ci_and_every_night_but_not_in_make_test() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert "-m 'not long'" in options["addopts"]
    assert made("test-long")[-1] == ".venv/bin/pytest -m long"
    assert "part make test-long" in (ROOT / ".ci/run").read_text().splitlines()
    assert any(line.startswith('TEST_KAFKA=apache .venv/bin/pytest -m "" tests/kafka') for line in made("nightly"))


def test_processes_that_tests_start_write_what_they_compile() -> None:
    probe = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    assert subprocess.run(probe, check=True, capture_output=True, text=True).stdout == "False\n"
    assert not sys.dont_write_bytecode
