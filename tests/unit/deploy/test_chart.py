"""What of the Helm chart can be held against the product without Helm; tests/helm has the rest."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from tests.support.helm_schema import OF_THE_CHART, SCHEMA, written
from touchstream import __version__
from touchstream.streams.process.settings import declared

CHART = SCHEMA.parent
EXAMPLES = sorted((CHART.parent / "examples").glob("*.yaml"))
VALUES = [path for path in EXAMPLES if "apiVersion" not in path.read_text()]


def yaml(path: Path) -> Any:
    return json.loads(json.dumps(YAML(typ="safe").load(path.read_text())))


def merged(below: Any, above: Any) -> Any:
    """Values as Helm merges them."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}


def test_the_chart_takes_exactly_the_settings_that_there_are() -> None:
    text = SCHEMA.read_text()
    assert text == written(json.loads(text)), "make helm-schema"
    assert declared().keys() >= OF_THE_CHART


def test_the_rules_of_the_chart_are_those_that_are_tested() -> None:
    assert (CHART / "files" / "rules.yml").read_text() == (CHART.parents[1] / "prometheus" / "rules.yml").read_text()


def test_the_chart_has_the_version_of_the_product() -> None:
    chart = yaml(CHART / "Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.name)
def test_the_schema_takes_every_example(path: Path) -> None:
    schema = jsonschema_rs.Draft201909Validator(json.loads(SCHEMA.read_text()))
    given = merged(yaml(CHART / "values.yaml"), yaml(path))
    assert [f"{error.instance_path}: {error.message}" for error in schema.iter_errors(given)] == []


def test_the_schema_knows_every_key_of_the_defaults_and_no_other() -> None:
    """Each key that the schema has stands in values.yaml, where it is explained."""
    schema = json.loads(SCHEMA.read_text())

    def keys(one: dict[str, Any], path: str = "") -> set[str]:
        name = one.get("$ref", "").rpartition("/")[2]
        if name in ("settings", "resources"):
            return {path}
        if name:
            return keys(schema["$defs"][name], path)
        found = one.get("properties", {})
        return {path}.union(*(keys(each, f"{path}.{key}") for key, each in found.items()))

    def given(one: Any, path: str = "") -> set[str]:
        if not isinstance(one, dict) or path == ".settings" or path.endswith(".resources"):
            return {path}
        return {path}.union(*(given(each, f"{path}.{key}") for key, each in one.items()))

    assert keys(schema) - {".global"} == given(yaml(CHART / "values.yaml"))
