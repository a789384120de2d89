"""The chart makes what Kubernetes takes and what the product knows, and refuses values that can't be meant."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.helm.chart import (
    CHART,
    KUBERNETES,
    VALUES,
    containers,
    environment,
    of_kind,
    pods,
    resources,
    template,
    text,
)
from tests.helm.tools import VALIDATE
from touchstream.streams.cli.main import COMMANDS
from touchstream.streams.process.last_resort import END_SECONDS
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.settings_sources import SECRETS

LISTENING = {"worker": "metrics", "gateway": "gateway", "watch": "watch", "page": "page"}
"""Components that listen, by how their settings of host and port begin."""
FOREIGN = {"ServiceMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}
"""Kinds of operators, of which Kubernetes has no schema."""


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_manifest(version: str, tmp_path: Path) -> None:
    files = []
    for values in VALUES:
        files.append(tmp_path / f"{values}.yaml")
        files[-1].write_text(text(values))
    if not VALIDATE.exists():
        pytest.skip(f"{VALIDATE} isn't there: python -m tests.helm.tools")
    done = subprocess.run([VALIDATE, "--strict", "-k", version, *files], capture_output=True, text=True, timeout=300)
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 0, [line for line in said if not line.startswith("INFO")]
    assert {line.split("kind ")[1].split()[0] for line in said if line.startswith("WARN")} <= FOREIGN
    known = [one for values in VALUES for one in resources(values) if one["kind"] not in FOREIGN]
    assert sum(line.startswith("INFO") for line in said) == len(known)


@pytest.mark.parametrize("values", VALUES)
def test_every_container_runs_a_command_that_there_is(values: str) -> None:
    commands = {component: one["args"][0] for component, one in containers(resources(values)).items() if "args" in one}
    assert {"worker", "watch", "page", "init"} <= commands.keys()
    assert set(commands.values()) <= set(COMMANDS)


@pytest.mark.parametrize("values", VALUES)
def test_the_product_takes_the_environment_of_every_container(
    values: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {f"TOUCHSTREAM_{name.upper()}_FILE" for name in SECRETS}
    (tmp_path / "secret").write_text("http://touchstream@server:8123/touchstream")
    monkeypatch.chdir(tmp_path)
    for container in containers(resources(values)).values():
        with monkeypatch.context() as around:
            for name, value in environment(container).items():
                around.setenv(name, str(tmp_path / "secret") if name in secrets else value)
            settings = Settings()
        asked = YAML(typ="safe").load((CHART.parent / "examples" / f"{values}.yaml").read_text())["settings"]
        given = {name: value for name, value in asked.items() if name in settings.origins}
        assert {name: getattr(settings, name) for name in given} == given
        assert settings.clickhouse_url or container["name"] == "gateway"


@pytest.mark.parametrize("values", VALUES)
def test_ports_are_those_on_which_processes_listen(values: str) -> None:
    found = containers(resources(values))
    services = {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in services_of(values)}
    for component, prefix in LISTENING.items():
        if component not in found:
            continue
        port = Settings.model_fields[f"{prefix}_port"].default
        assert [one["containerPort"] for one in found[component]["ports"]] == [port]
        assert [one["port"] for one in services[component]["spec"]["ports"]] == [port]
        assert environment(found[component])[f"TOUCHSTREAM_{prefix.upper()}_HOST"] == "0.0.0.0"  # noqa: S104 - of a pod
    assert found.keys() - LISTENING.keys() <= {"init", "operator", "reconcile"}
    assert services.keys() == found.keys() & LISTENING.keys()


def services_of(values: str) -> list[dict[str, Any]]:
    return of_kind(resources(values), "Service")


@pytest.mark.parametrize("values", VALUES)
def test_every_container_is_confined(values: str) -> None:
    for component, pod in pods(resources(values)):
        spec, container = pod["spec"], pod["spec"]["containers"][0]
        assert len(spec["containers"]) == 1
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"], component
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("values", VALUES)
def test_secrets_are_files_and_only_where_they_are_read(values: str) -> None:
    found = resources(values)
    assert of_kind(found, "Secret") == []
    mounted = {}
    for component, pod in pods(found):
        sources = [s for volume in pod["spec"]["volumes"] for s in volume.get("projected", {}).get("sources", [])]
        mounted[component] = {item["path"] for source in sources for item in source["secret"]["items"]}
        files = {value for name, value in environment(pod["spec"]["containers"][0]).items() if value.startswith("/run")}
        assert mounted[component] == {Path(file).name for file in files if "sources" not in file}
    assert all("clickhouseUrl" in paths for component, paths in mounted.items() if component != "gateway")
    steering = {component for component, paths in mounted.items() if {"controlKey", "erasureKey"} & paths}
    assert steering == {"init", "operator"}
    assert not {"kafkaSaslPassword", "kafkaCa"} & mounted["page"]
    assert all("gatewayKeys" not in paths for component, paths in mounted.items() if component != "gateway")


@pytest.mark.parametrize("values", VALUES)
def test_every_selector_finds_the_pods_of_its_component(values: str) -> None:
    found = resources(values)
    labels = {component: pod["metadata"]["labels"] for component, pod in pods(found)}
    guarded = set()
    for one in found:
        spec = one.get("spec", {})
        if one["kind"] not in ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"):
            continue
        selector = spec["podSelector"] if one["kind"] == "NetworkPolicy" else spec["selector"]
        wanted = selector.get("matchLabels", selector)
        chosen = {component for component, has in labels.items() if wanted.items() <= has.items()}
        component = one["metadata"]["labels"]["app.kubernetes.io/component"]
        assert chosen == (labels.keys() if component == "network" else {component})
        if one["kind"] == "NetworkPolicy" and component != "network":
            guarded.add(component)
    assert guarded == labels.keys()


def test_the_network_lets_through_what_a_component_needs_and_no_more() -> None:
    policies = {
        one["metadata"]["labels"]["app.kubernetes.io/component"]: one["spec"]
        for one in of_kind(resources("production"), "NetworkPolicy")
    }
    ports = {
        component: sorted({port["port"] for rule in spec.get("egress", []) for port in rule["ports"]})
        for component, spec in policies.items()
    }
    assert ports == {
        "network": [],
        "worker": [53, 8123, 9093],
        "gateway": [53, 8123, 9093],
        "watch": [53, 8123, 9093],
        "page": [53, 8123],
        "reconcile": [53, 8123, 9093],
        "operator": [53, 8123, 9093],
        "init": [53, 8123, 9093],
    }
    assert policies["network"]["policyTypes"] == ["Ingress", "Egress"]
    named = {rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
             for rule in policies["watch"]["egress"] if "to" in rule}  # fmt: skip
    assert named == {"kafka", "clickhouse", "monitoring"}
    assert policies["operator"]["ingress"] == []


def test_a_pod_that_ends_is_given_the_time_that_it_needs() -> None:
    def seconds(component: str, *arguments: str) -> int:
        found = dict(pods(resources("minimal", *arguments)))[component]["spec"]
        return int(found["terminationGracePeriodSeconds"]) - drain(found)

    def drain(spec: dict[str, Any]) -> int:
        hook = spec["containers"][0].get("lifecycle", {}).get("preStop", {"exec": {"command": ["sleep", "0"]}})
        return int(hook["exec"]["command"][1])

    assert all(seconds(component) > 2 * END_SECONDS for component in ("worker", "watch"))
    assert seconds("gateway") > Settings.model_fields["gateway_delivery_seconds"].default + 1
    assert seconds("gateway", "--set-json", "settings.gateway_delivery_seconds=99.5") > 101
    assert seconds("page") > 2


def test_scaling_leaves_the_number_of_workers_to_keda_and_never_exceeds_the_partitions() -> None:
    found = resources("autoscaling")
    worker = next(one for one in of_kind(found, "Deployment") if one["metadata"]["name"].endswith("-worker"))
    (scaled,) = of_kind(found, "ScaledObject")
    assert "replicas" not in worker["spec"]
    assert scaled["spec"]["scaleTargetRef"] == {"name": worker["metadata"]["name"]}
    assert scaled["spec"]["maxReplicaCount"] <= 16
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metadata"] == {
        "bootstrapServers": "kafka-0.kafka:9092,kafka-1.kafka:9092,kafka-2.kafka:9092",
        "consumerGroup": Settings.model_fields["group"].default,
        "topic": Settings.model_fields["topic"].default,
        "lagThreshold": "50000",
        "offsetResetPolicy": "earliest",
        "allowIdleConsumers": "false",
    }
    assert of_kind(resources("minimal"), "ScaledObject") == []


def test_keda_gets_the_password_from_its_secret_and_the_user_from_the_container() -> None:
    found = resources("tls")
    (authentication,) = of_kind(found, "TriggerAuthentication")
    (name,) = (one["name"] for one in authentication["spec"]["env"])
    assert name in environment(containers(found)["worker"])
    assert {one["parameter"]: one["name"] for one in authentication["spec"]["secretTargetRef"]} == {
        "password": "vault-kafka",
        "ca": "vault-authorities",
    }
    (trigger,) = of_kind(found, "ScaledObject")[0]["spec"]["triggers"]
    assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("plaintext", "enable")
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]


def test_prometheus_gets_the_rules_that_are_tested_and_the_jobs_that_they_ask_for() -> None:
    found = resources("production")
    (rule,) = of_kind(found, "PrometheusRule")
    tested = YAML(typ="safe").load((CHART.parents[1] / "prometheus" / "rules.yml").read_text())
    assert rule["spec"]["groups"] == tested["groups"]
    (monitor,) = of_kind(found, "ServiceMonitor")
    jobs = {one["metadata"]["labels"][monitor["spec"]["jobLabel"]] for one in of_kind(found, "Service")}
    assert jobs == {"worker", "gateway", "watch", "page"}
    assert all(
        monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
        for one in of_kind(found, "Service")
    )


def test_init_runs_before_anything_else_and_needs_nothing_of_the_release() -> None:
    found = resources("minimal", "--set", "definitions.journey=format: 1")
    hooked = [one for one in found if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    assert sorted(one["kind"] for one in hooked) == ["ConfigMap", "Job", "NetworkPolicy"]
    assert {one["metadata"]["annotations"]["helm.sh/hook"] for one in hooked} == {"pre-install,pre-upgrade"}
    (job,) = (one for one in hooked if one["kind"] == "Job")
    before = [one for one in hooked if one["kind"] != "Job"]
    weight = int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
    assert all(int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) < weight for one in before)
    maps = [
        volume["configMap"]["name"] for volume in job["spec"]["template"]["spec"]["volumes"] if "configMap" in volume
    ]
    assert maps == [one["metadata"]["name"] for one in before if one["kind"] == "ConfigMap"]


def test_a_changed_definition_restarts_the_pods_that_read_it() -> None:
    def noted(journey: str) -> str:
        pod = dict(pods(resources("minimal", "--set", f"definitions.journey={journey}")))["page"]
        return str(pod["metadata"]["annotations"]["touchstream/definitions"])

    assert noted("format: 1") != noted("format: 2")


def test_the_page_answers_to_the_names_that_it_is_asked_by() -> None:
    names = environment(containers(resources("production"))["page"])["TOUCHSTREAM_PAGE_HOSTS"].split(",")
    (ingress,) = (
        one for one in of_kind(resources("production"), "Ingress") if one["metadata"]["name"].endswith("page")
    )
    assert ingress["spec"]["rules"][0]["host"] in names
    assert "cx-touchstream-page.experience.svc" in names


REFUSED = {
    "an unknown key": ["worker.replica=2"],
    "an unknown setting": ["settings.kafka_urls=x"],
    "a secret as a value": ["settings.clickhouse_url=http://a:b@c"],
    "a setting out of its range": ["settings.flush_seconds=61"],
    "a number as text": ["worker.replicas=two"],
    "more workers than partitions": ["worker.replicas=5"],
    "more workers than partitions, scaled": ["worker.autoscaling.enabled=true", "worker.autoscaling.maxReplicas=5"],
    "no worker at all": ["worker.replicas=0"],
    "an image that changes": ["image.tag=latest"],
    "a gateway without keys": ["secrets.gatewayKeys.name="],
    "no control key": ["secrets.controlKey.name="],
    "SASL without a password": ["settings.kafka_security_protocol=SASL_SSL", "settings.kafka_sasl_username=a"],
    "an ingress without TLS": ["gateway.ingress.enabled=true", "gateway.ingress.host=a.example"],
    "a page that anyone may see": [
        "page.ingress.enabled=true", "page.ingress.host=a.example", "page.ingress.tlsSecret=a",
    ],
    "a memory that is no quantity": ["worker.resources.limits.memory=2GB"],
    "a port that there is not": ["networkPolicy.kafka.ports={70000}"],
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_values_that_cannot_be_meant_are_refused(wrong: str) -> None:
    given = [argument for value in REFUSED[wrong] for argument in ("--set", value)]
    done = template("--set", "settings.kafka_url=kafka://kafka:9092", *given)
    assert done.returncode == 1, done.stdout
    key = REFUSED[wrong][-1].split("=")[0].split(".")
    assert any(part in done.stderr for part in key), done.stderr


def test_an_older_kubernetes_is_refused() -> None:
    assert "kubeVersion" in template("--set", "settings.kafka_url=kafka://k", kubernetes="1.29").stderr
