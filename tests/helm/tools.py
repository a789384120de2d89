"""Helm and the schemas of Kubernetes' API, in build/tools: `python -m tests.helm.tools` gets what is missing.

Helm is compiled from its Go module, which takes two minutes on two idle cores.
Says what can't be had, and exits with 1.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / "build" / "tools"
HELM_VERSION: Final = "v3.18.6"
HELM: Final = TOOLS / "bin" / f"helm-{HELM_VERSION}"
VALIDATE: Final = TOOLS / "kubernetes-validate" / "bin" / "kubernetes-validate"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")


def install() -> list[str]:
    """What can't be had, a line for each."""
    return [problem for problem in (_helm(), _validate()) if problem]


def _helm() -> str:
    if HELM.exists():
        return ""
    go = shutil.which("go")
    if go is None:
        return "helm can't be compiled: Go isn't installed"
    module = f"helm.sh/helm/v3/cmd/helm@{HELM_VERSION}"
    environment = os.environ | {"GOBIN": str(HELM.parent), "CGO_ENABLED": "0"}
    done = subprocess.run([go, "install", module], env=environment, capture_output=True, text=True)
    if done.returncode:
        return f"helm can't be compiled: {done.stderr.strip().splitlines()[-1]}"
    HELM.with_name("helm").rename(HELM)
    return ""


def _validate() -> str:
    if VALIDATE.exists():
        return ""
    place = VALIDATE.parents[1]
    venv.create(place, with_pip=True, clear=True)
    command = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--require-hashes", "-r", str(REQUIREMENTS)], capture_output=True, text=True)
    return f"kubernetes-validate can't be had: {done.stderr.strip().splitlines()[-1]}" if done.returncode else ""


if __name__ == "__main__":
    problems = install()
    print(*problems, sep="\n", file=sys.stderr, end="\n" if problems else "")
    sys.exit(bool(problems))
