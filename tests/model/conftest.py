"""The writers' schemas that random logs use."""

from pathlib import Path

import pytest

from schemas.codec import WriterSchemas
from tests.oracle.strategies import WRITER_SCHEMAS


class Registry:
    """Schemas by number, as the oracle knows them."""

    def schema(self, number: int) -> str | None:
        return WRITER_SCHEMAS.by_id.get(number)


@pytest.fixture(scope="session")
def writers(tmp_path_factory: pytest.TempPathFactory) -> WriterSchemas:
    directory: Path = tmp_path_factory.mktemp("schemas")
    for number, text in enumerate(WRITER_SCHEMAS.known):
        (directory / f"{number}.avsc").write_text(text)
    return WriterSchemas(Registry(), directory)
