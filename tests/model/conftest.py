"""The writers' schemas that random logs use, and a core to stay on."""

from collections.abc import Iterator

import pytest

from tests.model.cores import on_one_core
from tests.model.writing import writer_schemas
from touchstream.schemas.codec import WriterSchemas


@pytest.fixture(scope="session")
def writers() -> WriterSchemas:
    return writer_schemas()


@pytest.fixture
def one_core(worker_id: str) -> Iterator[None]:
    """The test stays on one core, each process of pytest-xdist on its own; what it starts would too."""
    with on_one_core(int(worker_id.removeprefix("gw")) if worker_id != "master" else 0):
        yield
