"""Directories and files that only their owner may look into, whatever was in their place before."""

import os
import stat
from pathlib import Path
from typing import Final

_DIRECTORY: Final = 0o700
_FILE: Final = 0o600


def make_private(directory: Path) -> None:
    """Make a directory that only its owner may enter, or close one that is there.

    Raises OSError, with what to do, for one that is a link or belongs to another user.
    """
    directory.mkdir(mode=_DIRECTORY, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{directory} is a link or a file; name the directory itself")
    if found.st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to another user; name a directory of your own")
    directory.chmod(_DIRECTORY)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, there in whole or not at all; a link in its place is replaced."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE)
    with os.fdopen(file, "w", encoding="utf-8") as writer:
        writer.write(text)
    partial.replace(path)
