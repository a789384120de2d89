"""The writers' schemas that random logs use, as a lane finds them."""

import tempfile
from pathlib import Path

from tests.oracle.strategies import WRITER_SCHEMAS
from touchstream.schemas.codec import WriterSchemas


class Registry:
    """Schemas by number, as the oracle knows them."""

    def schema(self, number: int) -> str | None:
        return WRITER_SCHEMAS.by_id.get(number)


def writer_schemas() -> WriterSchemas:
    """Those of the registry, and those that files hold."""
    with tempfile.TemporaryDirectory() as directory:
        for number, text in enumerate(WRITER_SCHEMAS.known):
            (Path(directory) / f"{number}.avsc").write_text(text)
        return WriterSchemas(Registry(), Path(directory))
