"""docs/asyncapi.yaml, as the tests hold messages against it.

    python -m tests.support.asyncapi

writes again what of it the code says: the schemas of events and of rolling metrics (`make asyncapi`).
"""

import io
import json
import re
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
from ruamel.yaml import YAML

from touchstream.schemas.metrics import Catalogue, Metric, shipped
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.rolling.live import OTHER
from touchstream.streams.channels.gateway.touchpoint_schema import touchpoint_schema

Schema = dict[str, Any]

FILE: Final = Path(__file__).parents[2] / "docs/asyncapi.yaml"
# Through JSON: the schemas are plain values, whatever YAML makes of them.
DOCUMENT: Final[Schema] = json.loads(json.dumps(YAML(typ="safe").load(FILE.read_text())))
MESSAGES: Final[Schema] = DOCUMENT["components"]["messages"]
SCHEMAS: Final[Schema] = DOCUMENT["components"]["schemas"]

_N: Final[Schema] = {"type": "integer", "minimum": 0}
_WHOLE_OR_NULL: Final = {"customers": {"minimum": 0}, "revenue_minor": {}}
"""Metrics that are whole numbers, or not known."""
_PLACE: Final[Schema] = {
    "topic": {"type": "string", "description": "The topic of the events that were measured."},
    "window": {"enum": [window.name for window in WINDOWS], "description": "Length of the rolling window."},
    "tick": {
        "type": "string",
        "format": "date-time",
        "description": "End of the interval [tick - window, tick), UTC; event time.",
    },
    "journey": {"type": "string", "description": "Which path."},
    "stage": {"type": "string", "description": "Which phase; absent for all stages together."},
    "channel": {"type": "string", "description": "Where; absent for all channels together."},
    "segment": {
        "type": "string",
        "description": "Which kind of customer, empty for none given; absent for all segments together.",
    },
    "other": {
        "type": "array",
        "minItems": 1,
        "items": {"enum": list(OTHER)},
        "description": (
            "Present where the row is of all names of a dimension that have no rows of their own, because there are too"
            " many: its name is then (other), whatever a channel may be called."
        ),
    },
    "other_names": _N | {"description": "How many names these are, about."},
    "design_effects": {
        "type": "object",
        "additionalProperties": {"type": "number", "minimum": 0},
        "description": (
            "By what intervals were widened because people answer more than once: metric to design effect, as measured"
            " lately in windows of this length; absent: 1, or not measured yet. NAME_spread: variance of the answers,"
            " where sums don't tell it."
        ),
    },
    "completeness": {
        "const": 1.0,
        "description": "Share of lanes that have passed the tick: complete rows only.",
    },
}
_ALWAYS: Final = ("topic", "window", "tick", "journey", "completeness")


def wrong(schema: Schema, value: Any) -> list[str]:
    """What is wrong with a value by a schema of the document."""
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    return [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(value)]


def event_schema() -> Schema:
    """An event in the topic: as the gateway takes it, with its identity."""
    schema = touchpoint_schema()
    return schema | {"required": ["event_id", *schema["required"]]}


def stage_metrics_schema(catalogue: Catalogue) -> Schema:
    """A complete rolling row, with every metric that the catalogue says it has."""
    fields: Schema = {}
    for metric in catalogue.of_table("stage_metrics"):
        fields[metric.name] = _metric(metric)
        for name in metric.fields[1:]:
            fields.setdefault(name, _N if name == metric.n else {"type": ["number", "null"]})
    return {
        "type": "object",
        "description": (
            "What one rolling window says of one group, once every lane has passed its end. Null: not known, or no"
            " answers."
        ),
        "properties": _PLACE | fields,
        "required": [*_ALWAYS, *fields],
        "additionalProperties": False,
    }


def _metric(metric: Metric) -> Schema:
    said = {"description": f"{metric.formula.strip()} Unit: {metric.unit}."}
    if not metric.one_number:
        return {"type": "object", "additionalProperties": {"type": "integer"}} | said
    if metric.computed and metric.computed.count:
        return _N | said
    if metric.name in _WHOLE_OR_NULL:
        return {"type": ["integer", "null"], **_WHOLE_OR_NULL[metric.name]} | said
    return {"type": ["number", "null"]} | said


def written() -> str:
    """The file with the two schemas as the code says them."""
    text = FILE.read_text()
    for name, schema in (("touchpoint", event_schema()), ("stageMetrics", stage_metrics_schema(shipped()))):
        yaml = YAML()
        yaml.width, yaml.default_flow_style = 118, None
        body = io.StringIO()
        yaml.dump({name: json.loads(json.dumps(schema))}, body)
        lines = "".join(f"    {line}".rstrip() + "\n" for line in body.getvalue().splitlines())
        found = re.search(rf"^  schemas:\n(?:.*\n)*?(    {name}:\n(?:      .*\n)*)", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{FILE} has no schema {name}")
        text = text[: found.start(1)] + lines + text[found.end(1) :]
    return text


if __name__ == "__main__":
    FILE.write_text(written())
