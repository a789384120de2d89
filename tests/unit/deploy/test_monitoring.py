"""deploy/prometheus, deploy/alertmanager and deploy/grafana: their own tools take them, and what they name exists."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.page import metrics as page_metrics
from touchstream.sinks.prometheus import RollingGauges
from touchstream.streams.process import metrics
from touchstream.streams.process.settings import Settings

DEPLOY = Path(__file__).parents[3] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
RULES = DEPLOY / "prometheus/rules.yml"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "stateset": ("",)}


def tool(name: str, *arguments: str) -> None:
    """Run a checker of Debian's packages prometheus and prometheus-alertmanager; skip where it isn't installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} isn't installed: apt-get install prometheus prometheus-alertmanager")
    done = subprocess.run([name, *arguments], capture_output=True, text=True, cwd=RULES.parent, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def declared() -> set[str]:
    """Every series that a component of ours can have."""
    assert metrics.EVENTS
    assert page_metrics.VIEWERS
    of_one_process = (metrics.WORKER_STATE, metrics.WATCH_STATE, RollingGauges(Catalogue.load()))
    ours = [family for collector in (REGISTRY, *of_one_process) for family in collector.collect()]
    names = {family.name + suffix for family in ours for suffix in SUFFIXES.get(family.type, ("",))}
    return names | set(RollingGauges(Catalogue.load())._helps)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from texts(each)


def test_prometheus_takes_its_configuration_and_rules() -> None:
    tool("promtool", "check", "config", "prometheus.yml")


def test_the_rules_fire_when_they_should() -> None:
    tool("promtool", "test", "rules", "rules_test.yml")


def test_alertmanager_takes_its_configuration() -> None:
    tool("amtool", "check-config", "../alertmanager/alertmanager.yml")


@pytest.mark.parametrize("path", [RULES, RULES.with_name("rules_test.yml"), *DASHBOARDS], ids=lambda path: path.name)
def test_every_metric_that_is_named_exists(path: Path) -> None:
    content = json.loads(path.read_text()) if path.suffix == ".json" else yaml(path)
    text = " ".join(texts(content))
    named = set(re.findall(r"\btouchstream_\w+", text))
    assert named
    assert named <= declared()
    recorded = {rule["record"] for group in yaml(RULES)["groups"] for rule in group["rules"] if "record" in rule}
    assert set(re.findall(r"\btouchstream:[\w:]+", text)) <= recorded


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    alerts = [rule for group in yaml(RULES)["groups"] for rule in group["rules"] if "alert" in rule]
    assert all({"summary", "description"} <= rule["annotations"].keys() for rule in alerts)
    assert {rule["labels"]["severity"] for rule in alerts} == {"page", "warn"}


def test_scraped_targets_are_services_at_their_ports() -> None:
    services = yaml(DEPLOY.parent / "docker-compose.yml")["services"]
    ports = {"worker": "metrics_port", "watch": "watch_port", "gateway": "gateway_port", "page": "page_port"}
    found = {}
    for job in yaml(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]:
        for sd in job.get("dns_sd_configs", []):
            found[sd["names"][0]] = sd["port"]
        for target in (target for static in job.get("static_configs", []) for target in static["targets"]):
            found[target.split(":")[0]] = int(target.split(":")[1])
    del found["127.0.0.1"]
    assert found == {name: Settings.model_fields[field].default for name, field in ports.items()}
    assert found.keys() <= services.keys()


def test_panels_ask_data_sources_that_are_provisioned() -> None:
    provisioned = {
        one["uid"] for one in yaml(DEPLOY / "grafana/provisioning/datasources/touchstream.yml")["datasources"]
    }
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        asked = {panel["datasource"]["uid"] for panel in panels}
        asked |= {target["datasource"]["uid"] for panel in panels for target in panel["targets"]}
        assert asked == provisioned
        assert all(panel["title"] and panel["description"] for panel in panels)
