"""The prose of the code is plain: docstrings begin with what they describe, and sentences name who acts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("streams", "sinks", "schemas", "deploy", "touchstream")
FILES = sorted({path.resolve() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")})
VAGUE = re.compile(r"\b([Ss]omebody|[Nn]obody|[Tt]old to|[Aa]gain and again)\b")
MEANT = {("streams/channels/gateway/senders.py", 'Final = "nobody"')}
"""Pieces of lines that have to say it: the name of a sender without a key stands in rows and metrics."""
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
WITHOUT_SUBJECT = re.compile(r"def (test_(?:it|so|what)_\w*)")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings with their lines: of modules, classes and functions, and those below a constant or a field."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def begin_with_of(source: str) -> list[int]:
    return [line for line, text in texts(source) if text.lstrip().startswith("Of ")]


def vague(source: str, name: str) -> list[str]:
    lines = [line.strip() for line in source.splitlines()]
    meant = [piece for file, piece in MEANT if file == name]
    return [line for line in lines if VAGUE.search(line) and not any(piece in line for piece in meant)]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_docstring_begins_with_of(path: Path) -> None:
    assert begin_with_of(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_code_names_who_does_something(path: Path) -> None:
    assert vague(path.read_text("utf-8"), named(path)) == []


def test_names_of_tests_have_a_subject() -> None:
    assert [name for path in TESTS for name in WITHOUT_SUBJECT.findall(path.read_text("utf-8"))] == []


def test_every_exception_is_needed() -> None:
    assert {(name, piece) for name, piece in MEANT if piece in (ROOT / name).read_text("utf-8")} == MEANT


def test_vague_words_and_docstrings_that_begin_with_of_are_found() -> None:
    source = 'LIMIT = 3\n"""Of a list."""\n\n\ndef stop() -> None:\n    """Of all."""\n    # nobody waits\n'
    assert begin_with_of(source) == [2, 6]
    assert vague(source, "some.py") == ["# nobody waits"]


def test_public_class_names_are_unique() -> None:
    files: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                files.setdefault(node.name, []).append(named(path))
    assert {name: where for name, where in files.items() if len(where) > 1} == {}


def test_names_of_tests_without_a_subject_are_found() -> None:
    source = "\n".join(
        f"def test_{name}() -> None: ..." for name in ("it_ends", "items_end", "what_ends", "so_it_ends")
    )
    assert WITHOUT_SUBJECT.findall(source) == ["test_it_ends", "test_what_ends", "test_so_it_ends"]
