"""docs/asyncapi.yaml, as the tests hold messages against it."""

import json
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
from ruamel.yaml import YAML

# Through JSON: the schemas are plain values, whatever YAML makes of them.
DOCUMENT: Final[dict[str, Any]] = json.loads(
    json.dumps(YAML(typ="safe").load((Path(__file__).parents[2] / "docs/asyncapi.yaml").read_text()))
)
MESSAGES: Final[dict[str, Any]] = DOCUMENT["components"]["messages"]
SCHEMAS: Final[dict[str, Any]] = DOCUMENT["components"]["schemas"]


def wrong(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value by a schema of the document."""
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(value)]
