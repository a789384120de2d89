"""docker-compose.yml says what the settings know, pins what it runs and opens nothing by itself."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from touchstream.streams.cli.main import COMMANDS
from touchstream.streams.process.last_resort import END_SECONDS
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.settings_sources import SECRETS

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKER = ROOT / "deploy" / "docker"
USERS = {"touchstream": "touchstream", "clickhouse": "clickhouse", "grafana": "grafana", "proxy": "proxy"}
"""Of a service, by how make-secrets calls the user of its image; of the others, touchstream."""


def test_the_compose_file_is_as_the_specification_asks() -> None:
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


def made() -> dict[str, str]:
    """Secrets that make-secrets makes, and the name of each one's owner there."""
    script = (DOCKER / "make-secrets").read_text()
    return dict(re.findall(r'^keep (\w+) "\$(\w+)"', script, re.M))


def mentioned(name: str) -> set[str]:
    """Secrets whose files a service reads, by its own words or in its configuration."""
    service = SERVICES[name]
    texts = [json.dumps({key: service.get(key) for key in ("environment", "entrypoint", "command")})]
    texts += [
        (ROOT / volume.split(":")[0]).read_text()
        for volume in service.get("volumes", [])
        if (ROOT / volume.split(":")[0]).is_file()
    ]
    return {secret for text in texts for secret in re.findall(r"/run/secrets/(\w+)", text)}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_given_the_secrets_that_it_reads_and_no_others(name: str) -> None:
    # Every component gets the same environment, which names the URL of ClickHouse.
    assert mentioned(name) == set(SERVICES[name].get("secrets", []))


@pytest.mark.parametrize("name", SERVICES)
def test_every_secret_of_a_service_is_made_for_the_user_of_its_image(name: str) -> None:
    owners = made()
    assert {owners.get(secret) for secret in SERVICES[name].get("secrets", [])} <= {USERS.get(name, "touchstream")}


def test_every_secret_is_a_file_that_make_secrets_makes() -> None:
    files = {name: secret["file"] for name, secret in COMPOSE["secrets"].items()}
    assert files == {name: f"./secrets/{name}" for name in files}
    # What it makes besides is for whoever runs the stack.
    assert made().keys() - files.keys() == {name for name, owner in made().items() if owner == "operator"}
    assert files.keys() <= made().keys()


def test_the_user_of_the_image_is_the_one_that_secrets_are_made_for() -> None:
    (uid,) = re.findall(r"^USER (\d+)$", (DOCKER / "Dockerfile").read_text(), re.M)
    assert f"touchstream={uid}:{uid} " in (DOCKER / "make-secrets").read_text()


def test_a_service_that_is_stopped_is_given_the_time_that_it_needs() -> None:
    def seconds(name: str) -> int:
        return int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

    assert seconds("worker") > 2 * END_SECONDS
    assert seconds("gateway") > Settings.model_fields["gateway_delivery_seconds"].default
    assert all(
        "stop_grace_period" in service
        for name, service in SERVICES.items()
        if "command" in service and name not in ("prometheus", "alertmanager")
    )


def test_the_proxy_speaks_tls_only_and_asks_the_page_by_a_name_that_it_answers_to() -> None:
    proxy = (DOCKER / "proxy.conf").read_text()
    assert re.findall(r"listen (.*);", proxy) == ["8443 ssl"]
    assert re.findall(r"proxy_set_header Host (\w+);", proxy) == [
        SERVICES["page"]["environment"]["TOUCHSTREAM_PAGE_HOSTS"]
    ]
    upstreams = set(re.findall(r"http://(\w+):(\d+)", proxy))
    assert upstreams == {("gateway", "8080"), ("page", "8090")}
    assert {name for name, _ in upstreams} <= SERVICES.keys()
    page = proxy[proxy.index("location / {") :]
    assert "auth_basic_user_file /run/secrets/page_users;" in page
