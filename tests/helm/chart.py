"""The chart as Helm renders it, and what stands in it."""

import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from tests.helm.tools import HELM, ROOT

CHART: Final = ROOT / "deploy" / "helm" / "touchstream"
EXAMPLES: Final = ROOT / "deploy" / "helm" / "examples"
VALUES: Final = ("minimal", "small", "production", "autoscaling", "tls")
RELEASE: Final = "cx"
NAMESPACE: Final = "experience"
KUBERNETES: Final = ("1.30", "1.34", "1.37")
"""The oldest that the chart takes, one between, the newest that there are schemas of."""
Resource = dict[str, Any]


def template(*arguments: str, kubernetes: str = KUBERNETES[0]) -> "subprocess.CompletedProcess[str]":
    """What `helm template` does with the chart."""
    if not HELM.exists():
        pytest.skip(f"{HELM} isn't there: python -m tests.helm.tools")
    place = ["--namespace", NAMESPACE, "--kube-version", f"{kubernetes}.0"]
    command = [str(HELM), "template", RELEASE, str(CHART), *place, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@cache
def text(values: str, *arguments: str) -> str:
    """The manifests that an example's values make."""
    done = template("--values", str(EXAMPLES / f"{values}.yaml"), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def resources(values: str, *arguments: str) -> tuple[Resource, ...]:
    """The same, read."""
    return tuple(one for one in YAML(typ="safe").load_all(text(values, *arguments)) if one)


def of_kind(found: tuple[Resource, ...], kind: str) -> list[Resource]:
    return [one for one in found if one["kind"] == kind]


def pods(found: tuple[Resource, ...]) -> Iterator[tuple[str, Resource]]:
    """The template of each pod, by its component."""
    for one in found:
        spec = one.get("spec", {})
        holder = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in holder and one["kind"] in ("Deployment", "Job", "CronJob"):
            pod = holder["template"]
            yield pod["metadata"]["labels"]["app.kubernetes.io/component"], pod


def containers(found: tuple[Resource, ...]) -> dict[str, Resource]:
    """The one container of each pod, by its component."""
    return {component: pod["spec"]["containers"][0] for component, pod in pods(found)}


def environment(container: Resource) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}
