"""The writers' schemas that random logs use."""

import pytest

from schemas.codec import WriterSchemas
from tests.model.writing import writer_schemas


@pytest.fixture(scope="session")
def writers() -> WriterSchemas:
    return writer_schemas()
