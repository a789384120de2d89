"""`make asyncapi` keeps each schema of the event once, under the next number."""

import json
import shutil
from pathlib import Path

from tests.support.schema_history import SCHEMAS, keep


def test_a_schema_is_kept_once_and_another_one_under_the_next_number(tmp_path: Path) -> None:
    schemas = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, schemas, ignore=shutil.ignore_patterns("__pycache__"))
    before = sorted((schemas / "history").iterdir())
    assert keep(schemas) is None
    file = schemas / "touchpoint.avsc"
    content = json.loads(file.read_text("utf-8"))
    content["fields"].append({"name": "mood", "type": ["null", "int"], "default": None})
    file.write_text(json.dumps(content), "utf-8")
    kept = keep(schemas)
    assert kept == schemas / "history" / f"touchpoint-{len(before) + 1}.avsc"
    assert kept.read_bytes() == file.read_bytes()
    assert keep(schemas) is None
    assert len(list((schemas / "history").iterdir())) == len(before) + 1
