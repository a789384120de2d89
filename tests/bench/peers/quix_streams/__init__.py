"""Quix Streams, in an environment of its own: it wants other versions of confluent-kafka and pydantic than ours."""

import sys
from pathlib import Path
from typing import Final

from tests.bench.peers.kept import kept, run

_REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")


def command() -> tuple[str, ...]:
    """The command that runs the peer; the first call installs what it needs. Raises PeerMissingError."""
    made_from = (_REQUIREMENTS.read_bytes(), sys.version.encode())
    environment = kept("quix-streams", made_from, _install)
    return (str(environment / "bin" / "python"), "-m", __name__)


def _install(directory: Path) -> None:
    run("an environment for Quix Streams", (sys.executable, "-m", "venv", str(directory)))
    pip = (str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run("installing Quix Streams", (*pip, "--require-hashes", "--requirement", str(_REQUIREMENTS)))
