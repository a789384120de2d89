"""What peers need beside the project's own environment: made once, then kept in the user's cache directory."""

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_MAKING_SECONDS_MAX: Final = 600
_DIGEST_DIGITS: Final = 12


class PeerMissingError(RuntimeError):
    """A peer can't run here; the message is one line that says what is missing."""


def kept(name: str, made_from: Sequence[bytes], make: Callable[[Path], None]) -> Path:
    """The directory of that name; `make` fills it if nothing is kept that was made from the same.

    One process makes it, others wait for it. Raises what `make` raises, and then keeps nothing.
    """
    digest = hashlib.sha256(b"\0".join(made_from)).hexdigest()[:_DIGEST_DIGITS]
    directory = _cache() / f"{name}-{digest}"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            with tempfile.TemporaryDirectory(dir=directory.parent) as partial:
                made = Path(partial) / "made"
                made.mkdir()
                make(made)
                made.replace(directory)
    return directory


def run(what: str, command: Sequence[str]) -> None:
    """Run a step of the making. Raises PeerMissingError with the line in which it says why it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MAKING_SECONDS_MAX, check=False)
    except FileNotFoundError:
        raise PeerMissingError(f"{what}: there is no `{command[0]}` on the PATH") from None
    except subprocess.TimeoutExpired:
        raise PeerMissingError(f"{what}: not done after {_MAKING_SECONDS_MAX} s; try again") from None
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "nothing")
        raise PeerMissingError(f"{what}: {said}")


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "touchstream"
