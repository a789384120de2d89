"""A small disk of one's own that can be filled: a tmpfs, which only root may mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PIECES = (1 << 20, 1 << 12, 1)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A disk of `size` (as mount writes it) at `path` in the block. Skips the test where it can't be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is left on the disk when the block begins; after it there is room again."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for piece in _PIECES:
                try:
                    while True:
                        file.write(b"\0" * piece)
                except OSError:
                    continue
        yield
    finally:
        ballast.unlink()
