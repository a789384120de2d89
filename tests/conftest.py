"""A broker and the local ClickHouse, once per test session and worker; every test has names of its own."""

import logging
import os
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest
import structlog
from hypothesis import settings

from tests.kafka.choice import APACHE, own_broker
from tests.support.clickhouse_wire import Wire
from tests.support.turns import turn
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import running

STARTS_KAFKA = {"ApacheKafka", "own_broker", "running_stack"}
"""Whoever imports one of these has a Kafka of its own."""

# Images often say that no bytecode is written: then each of the hundreds of processes that tests start would compile
# our modules anew, and each process of pytest-xdist all tests, which is half of their collection.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("whatever the load", deadline=None)
settings.load_profile("whatever the load")


def talks_to_kafka(item: pytest.Item) -> bool:
    """Whether the result may depend on which Kafka it is."""
    assert isinstance(item, pytest.Function)
    if item.get_closest_marker("any_kafka") is not None:
        return False
    return "kafka_url" in item.fixturenames or not STARTS_KAFKA.isdisjoint(vars(item.module))


def runs_alone(item: pytest.Item) -> bool:
    """Whether it promises a time, of which others would take some."""
    return item.get_closest_marker("alone") is not None


def pytest_report_header() -> str | None:
    """Says which tests are left out on Apache Kafka."""
    return (
        "Apache Kafka: tests that talk to Kafka, without those marked any_kafka; the rest is the same on any"
        if APACHE
        else None
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What runs alone comes last, when nobody waits. On Apache Kafka only what talks to it: the rest is the same."""
    items.sort(key=runs_alone)
    if APACHE:
        others = [item for item in items if not talks_to_kafka(item)]
        items[:] = [item for item in items if talks_to_kafka(item)]
        config.hook.pytest_deselected(items=others)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test marked `alone` runs, with what it sets up, while no other process of pytest-xdist runs one."""
    turns = item.config.rootpath / ".pytest_cache" / "turns"  # not by the cache plugin, which may be switched off
    turns.mkdir(parents=True, exist_ok=True)
    with turn(turns, alone=runs_alone(item)):
        return (yield)


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`kafka://127.0.0.1:port` of a broker that all tests share."""
    directory = tmp_path_factory.mktemp("broker")
    shared = own_broker(directory)
    with running(shared.child(), directory):
        yield shared.url


@pytest.fixture(scope="session")
def clickhouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`http://default@127.0.0.1:port/default` of a ClickHouse that all tests share; name a database of your own."""
    data = tmp_path_factory.mktemp("clickhouse")
    clickhouse = ClickHouse(data / "data", free_port())
    with running(clickhouse.child(), data):
        yield clickhouse.url("default")


@pytest.fixture
def wire(clickhouse_url: str) -> Iterator[Wire]:
    """A connection to the local ClickHouse that is kept."""
    wire = Wire(clickhouse_url)
    yield wire
    wire.connection.close()


@pytest.fixture
def unique_name() -> str:
    """A name for a database or a topic that no other test has."""
    return f"test_{uuid4().hex}"


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command run within this process sets up its logs, and onto a standard error that ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
