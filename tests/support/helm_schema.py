"""The settings that the chart takes: `python -m tests.support.helm_schema` writes them into values.schema.json."""

import json
from pathlib import Path
from typing import Any, Final

from touchstream.streams.process.settings import Settings, declared
from touchstream.streams.process.settings_sources import SECRETS

SCHEMA: Final = Path(__file__).parents[2] / "deploy" / "helm" / "touchstream" / "values.schema.json"
OF_THE_CHART: Final = frozenset(
    {"data_dir", "log_format", "page_hosts"}
    | {name for name in declared() if name.endswith(("_file", "_host")) or name in SECRETS}
    | {name for name in declared() if name.endswith("_port")}
)
"""Settings that templates give by themselves, or not at all: addresses, ports, files, and secrets, which are files."""


def settings_schema() -> dict[str, Any]:
    """The JSON schema of `settings` in values.yaml: names and bounds are those of the product."""
    found = Settings.model_json_schema()["properties"]
    properties = {}
    for name in declared():
        if name in OF_THE_CHART:
            continue
        one = found[name]
        # A setting that may be unset is left out of the values.
        kinds = [kind for kind in one.get("anyOf", [one]) if kind.get("type") != "null"]
        (kind,) = kinds
        properties[name] = {key: value for key, value in kind.items() if key not in ("default", "title", "description")}
    return {
        "type": "object",
        "description": "docs/settings.md, in lower case without the prefix.",
        "additionalProperties": False,
        "required": ["kafka_url"],
        "properties": properties,
    }


def written(schema: dict[str, Any]) -> str:
    """The schema's text with the settings as they are now."""
    return json.dumps(schema | {"$defs": schema["$defs"] | {"settings": settings_schema()}}, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(written(json.loads(SCHEMA.read_text())))
