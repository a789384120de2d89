"""A broker and the local ClickHouse, once per test session and worker; every test has names of its own."""

import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest
import structlog
from hypothesis import settings

from deploy.local.clickhouse import ClickHouse
from deploy.local.ports import free_port
from deploy.local.process import running
from tests.kafka.choice import own_broker

settings.register_profile("whatever the load", deadline=None)
settings.load_profile("whatever the load")


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
