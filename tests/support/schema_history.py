"""The history of the event's schema: what was once written stays readable.

    python -m tests.support.schema_history

keeps `schemas/touchpoint.avsc` under the next number, unless it is kept already (`make asyncapi`).
"""

import shutil
from pathlib import Path

from touchstream.schemas.codec import fingerprint

SCHEMAS = Path(__file__).parents[2] / "schemas"


def keep(schemas: Path) -> Path | None:
    """Copy the schema into `history`, unless one that reads the same events is there; the copy."""
    current, history = schemas / "touchpoint.avsc", schemas / "history"
    kept = {fingerprint(path.read_text("utf-8")) for path in history.glob("*.avsc")}
    if fingerprint(current.read_text("utf-8")) in kept:
        return None
    numbers = [int(path.stem.rpartition("-")[2]) for path in history.glob("*.avsc")]
    copy = history / f"touchpoint-{max(numbers, default=0) + 1}.avsc"
    shutil.copy(current, copy)
    return copy


if __name__ == "__main__":
    keep(SCHEMAS)
