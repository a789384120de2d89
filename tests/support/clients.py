"""SDKs of others, in environments of their own below build/: what they need isn't what we need.

Their versions and hashes stand in tests/clients. Installed once; a test that wants one skips where no registry answers.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "clients"
INSTALLED = ROOT / "build" / "clients"
_SECONDS = 120


def node_modules() -> Path:
    """The folder of npm's packages. Skips without Node, npm or a registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs Node 20 and npm (Debian: apt-get install nodejs npm)")
    return _node_modules() / "node_modules"


def python() -> Path:
    """An interpreter with packages of PyPI. Skips without a registry."""
    return _python() / "bin" / "python"


@cache
def _node_modules() -> Path:
    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CLIENTS / name, folder)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)

    return _installed("node", CLIENTS / "package-lock.json", install)


@cache
def _python() -> Path:
    def install(folder: Path) -> None:
        uv = str(Path(sys.executable).with_name("uv"))
        _run([uv, "venv", "--quiet", "--python", sys.executable, "--allow-existing", str(folder)], folder)
        requirements = str(CLIENTS / "requirements.txt")
        to = ["--python", str(folder / "bin" / "python")]
        _run([uv, "pip", "install", "--quiet", "--require-hashes", *to, "--requirement", requirements], folder)

    return _installed("python", CLIENTS / "requirements.txt", install)


def _installed(name: str, lock: Path, install: Callable[[Path], None]) -> Path:
    """The folder of these versions; a folder without its mark was left half done."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = INSTALLED / f"{name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / f"{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            install(folder)
            (folder / ".complete").touch()
    return folder


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        pytest.skip(f"{Path(command[0]).name} can't install the clients of tests/clients: {' '.join(last)}")
