"""Builds the wheel of `touchstream-producer`: the modules that `touchstream.Producer` imports, and what they read.

    python deploy/producer/build.py build/dist

Imports decide which modules are included, so that there is no list to maintain.
"""

import ast
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FACE: Final = ("touchstream", "touchstream.streams.channels", "touchstream.schemas.touchpoint")
"""What is imported by name; everything else follows from it."""
DATA: Final = ("touchstream/py.typed", "touchstream/schemas/touchpoint.avsc", "touchstream/schemas/history")


def producer_modules() -> dict[str, Path]:
    """Every module of the distribution, by its name: the files, relative to the repository."""
    found: dict[str, Path] = {}
    wanted = list(FACE)
    while wanted:
        name = wanted.pop()
        path = _file_of(name)
        if name in found or path is None:
            continue
        found[name] = path
        wanted += [name.rpartition(".")[0], *_imports(ast.parse((ROOT / path).read_text()))]
    return found


def _file_of(module: str) -> Path | None:
    """Where a module of ours stands; None for what is none."""
    if module.split(".")[0] != "touchstream":
        return None
    place = Path(*module.split("."))
    candidates = (place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in candidates if (ROOT / path).is_file()), None)


def _imports(node: ast.AST) -> Iterator[str]:
    """The names of the modules that are imported when the code runs, and not for type checkers alone."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)


def build(directory: Path) -> None:
    """Put the wheel into a directory. Needs setuptools and pip in the environment; asks no index."""
    with tempfile.TemporaryDirectory(prefix="touchstream-producer-") as made:
        source = Path(made)
        for path in (*producer_modules().values(), *map(Path, DATA)):
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
            copy(ROOT / path, source / path)
        shutil.copy(Path(__file__).with_name("pyproject.toml"), source)
        options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(directory), str(source)]
        subprocess.run(command, check=True)  # noqa: S603 - our own command


if __name__ == "__main__":
    build(Path(sys.argv[1]))
