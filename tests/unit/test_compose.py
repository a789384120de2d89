"""docker-compose.yml says what the settings know, pins what it runs and opens nothing by itself."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from streams.cli.main import COMMANDS
from streams.settings import Settings
from streams.settings_sources import SECRETS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_is_as_the_compose_specification_asks() -> None:
    # schema/compose-spec.json of github.com/compose-spec/compose-spec (Apache-2.0)
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    plain = json.loads(json.dumps(COMPOSE))
    assert [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(plain)] == []


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "init"])
def test_every_service_says_whether_it_is_healthy(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_every_file_that_is_mounted_is_there() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert [path for path in mounted if path.startswith("./") and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_setting_exists(name: str) -> None:
    known = {f"TOUCHSTREAM_{field.upper()}" for field in Settings.model_fields} | {
        f"TOUCHSTREAM_{secret.upper()}_FILE" for secret in SECRETS
    }
    given = {key for key in SERVICES[name].get("environment", {}) if key.startswith("TOUCHSTREAM_")}
    assert given <= known


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_and_every_port_is_on_loopback(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.]*", SERVICES[name]["image"])
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_every_component_runs_a_command_that_there_is() -> None:
    components = {name: service for name, service in SERVICES.items() if service["image"].startswith("touchstream:")}
    assert components
    assert all(service["command"][0] in COMMANDS for service in components.values())


def test_secrets_come_from_files_and_every_one_that_is_used_is_declared() -> None:
    names = [name for service in SERVICES.values() for name in service.get("environment", {})]
    secrets = [name for name in names if re.search("PASSWORD|SECRET|TOKEN|CLICKHOUSE_URL", name)]
    assert secrets
    assert all(name.endswith("_FILE") for name in secrets)
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == COMPOSE["secrets"].keys()
