"""docs/architecture.md names every folder of the packages, every topic and every table."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.test_tables import made
from touchstream.streams.broker.topics import topic_specs
from touchstream.streams.process.settings import Settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NO_TABLES = re.compile("_feed$|^stage_(now|complete)$|^journey_(now|visits)$|^customers$")
"""Views: docs/tables.md has them."""


def folders(package: str) -> set[str]:
    return {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}


@pytest.mark.parametrize("package", ["streams", "sinks", "sinks/clickhouse", "streams/channels", "deploy"])
def test_the_architecture_page_names_every_folder_of(package: str) -> None:
    assert folders(package), "a package without folders"
    assert {name for name in folders(package) if not re.search(rf"\b{name}/", PAGE)} == set()


def test_the_architecture_page_names_every_topic() -> None:
    assert {topic.name for topic in topic_specs(Settings()) if f"`{topic.name}`" not in PAGE} == set()


def test_the_architecture_page_names_every_table() -> None:
    tables = {name for name in made() if not NO_TABLES.search(name)}
    assert {name for name in tables if f"`{name}`" not in PAGE} == set()
