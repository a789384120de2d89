"""The image holds what runs there, in the versions that were tested, and none of the tools of tests."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TESTED = (ROOT / "requirements.lock").read_text()
IMAGE = (ROOT / "deploy" / "docker" / "requirements.lock").read_text()


def test_the_image_has_every_package_in_the_version_that_was_tested() -> None:
    assert names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["clv"]) <= names(pins(IMAGE))
    assert pins(IMAGE) <= pins(TESTED)


def test_the_image_has_no_tools_of_tests() -> None:
    assert names(PROJECT["optional-dependencies"]["dev"]) <= names(pins(TESTED))
    assert not names(PROJECT["optional-dependencies"]["dev"]) & names(pins(IMAGE))


def test_files_that_the_image_copies_are_there_and_are_sent_to_its_builder() -> None:
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    copied = [source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.M) for source in line.split()]
    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.split("/")[0] for source in copied} <= sent


def pins(lock: str) -> set[str]:
    """Such as `numpy==2.5.5`; a package may have one for each version of Python."""
    return set(re.findall(r"^([\w.-]+==[^\s;]+)", lock, re.M))


def names(requirements: Iterable[str]) -> set[str]:
    """Of packages, spelt as in a lock."""
    return {re.split(r"[^\w.-]", one)[0].replace(".", "-").replace("_", "-").lower() for one in requirements}
