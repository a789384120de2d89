"""What is missing for Apache Kafka is said in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka.distribution import KafkaMissingError, java


def fetched(path: Path, cache: Path) -> "subprocess.CompletedProcess[str]":
    """Fetching with the programs of one directory and another cache."""
    environment = os.environ | {"PATH": str(path), "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "tests.kafka.distribution"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def program(directory: Path, name: str, script: str) -> None:
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_without_java_or_with_an_old_one_it_says_which_it_needs(tmp_path: Path) -> None:
    said = fetched(tmp_path, tmp_path / "cache")
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("Apache Kafka needs a Java 17 runtime")
    program(tmp_path, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    said = fetched(tmp_path, tmp_path / "cache")
    assert said.returncode == 1
    assert "Java 17 or newer; " in said.stderr
    assert "11.0.2" in said.stderr
    assert said.stderr.count("\n") == 1


def test_without_maven_it_says_so_and_one_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    try:
        program(tmp_path, "java", f'exec {java()} "$@"')
    except KafkaMissingError as error:
        pytest.skip(str(error))
    cache = tmp_path / "cache"
    said = fetched(tmp_path, cache)
    assert said.returncode == 1
    assert "needs Maven" in said.stderr
    program(tmp_path, "mvn", "echo '[ERROR] Could not resolve' ; exit 1")
    said = fetched(tmp_path, cache)
    assert said.returncode == 1
    assert "Maven can't fetch Apache Kafka: [ERROR] Could not resolve" in said.stderr
    assert [file.name for file in (cache / "touchstream").iterdir() if not file.name.endswith(".lock")] == []
