"""Definition files (journey, metrics, alerts): YAML in, frozen models out, and every error with its file and line.

Text is only ever read as plain values: tags that make objects are refused, and so are aliases, of which a few lines can
stand for gigabytes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from touchstream.schemas.touchpoint import shown

DEFINITION_BYTES_MAX: Final = 256 * 1024
"""Largest definition file in bytes: some thousand hand-written lines, which take the YAML reader six seconds."""

_TEXT = {"str", "timestamp"}
_PLAIN = {"int", "float", "bool", "null"}
Path = tuple[str | int, ...]
"""Keys and list positions from the root of a file to a value."""

_WRITE = {
    "string_type": "write a text, in quotes if it looks like a number",
    "tuple_type": "write a list, each item after a dash",
    "model_type": "write keys and values",
}


class Severity(StrEnum):
    """What a finding means: an error has to be mended; a gap leaves something unmeasured or unowned."""

    ERROR = "error"
    GAP = "gap"


@dataclass(frozen=True)
class Finding:
    """Something to mend in a definition file. `where` is `file:line`."""

    severity: Severity
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class DefinitionError(ValueError):
    """A definition file can't be used; one finding for each thing to mend."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class Definition(BaseModel):
    """Part of a definition file: immutable, exact about types, and without keys that it doesn't know."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


_Model = TypeVar("_Model", bound=Definition)


@dataclass(frozen=True)
class Source:
    """A definition file as plain values (mappings, tuples, texts, numbers), and the line on which each stands."""

    name: str
    content: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path) -> str:
        """The place of a value as `file:line`."""
        return f"{self.name}:{self.line(path)}"

    def error(self, path: Path, message: str) -> Finding:
        """An error at a value."""
        return Finding(Severity.ERROR, self.where(path), message)

    def gap(self, path: Path, message: str) -> Finding:
        """A gap at a value."""
        return Finding(Severity.GAP, self.where(path), message)


def read_source(text: str, name: str) -> Source:
    """Reads one YAML 1.2 document. Raises DefinitionError."""
    if len(text.encode(errors="replace")) > DEFINITION_BYTES_MAX:
        raise _broken(name, 1, f"is larger than {DEFINITION_BYTES_MAX} bytes; shorten it")
    lines: dict[Path, int] = {}
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        content = None if root is None else _Reader(name, lines).value(root, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _broken(name, mark.line + 1 if mark else 1, f"is no YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        raise _broken(name, 1, f"is no YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise _broken(name, 1, "is nested too deeply") from error
    return Source(name, content, lines)


def content_version(text: str, name: str = "definitions") -> str:
    """SHA-256 (hex) of what a definition file says: comments, layout and the order of keys don't change it.

    Raises DefinitionError.
    """
    canonical = json.dumps(read_source(text, name).content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def model_of(model: type[_Model], source: Source) -> _Model:
    """The file's content as a model. Raises DefinitionError with all errors at once."""
    if not isinstance(source.content, dict):
        keys = ", ".join(model.model_fields)
        raise DefinitionError(source.error((), f"is no mapping; begin with the keys {keys}"))
    try:
        return model.model_validate(source.content)
    except ValidationError as error:
        details = [detail for detail in error.errors() if not _follows_from_others(detail)]
        details.sort(key=lambda detail: source.line(detail["loc"]))
        raise DefinitionError(*(source.error(detail["loc"], _advice(detail)) for detail in details)) from error


def _advice(detail: ErrorDetails) -> str:
    """What is wrong, and what to do."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{key} is missing; add it"
    if detail["type"] == "extra_forbidden":
        return f"{key} is no known key; correct its spelling or remove it"
    cause = detail.get("ctx", {}).get("error")
    return f"{key} is {shown(detail['input'])}; {cause or _WRITE.get(detail['type'], detail['msg'])}"


def _follows_from_others(detail: ErrorDetails) -> bool:
    """A list is also called too short when its items are there, but wrong."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail.get("ctx", {}).get("min_length", 0)


def _broken(name: str, line: int, message: str) -> DefinitionError:
    return DefinitionError(Finding(Severity.ERROR, f"{name}:{line}", message))


class _Reader:
    """Turns YAML nodes into plain values and notes their lines."""

    def __init__(self, name: str, lines: dict[Path, int]) -> None:
        self._yaml = YAML(typ="safe", pure=True)
        self._name = name
        self._lines = lines
        self._seen: set[int] = set()

    def value(self, node: Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(path, line)
        if id(node) in self._seen:
            raise _broken(self._name, line, "an alias (*) refers to this; write the value out in both places")
        self._seen.add(id(node))
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        if isinstance(node, MappingNode) and kind == "map":
            return dict(self._items(node, path))
        if isinstance(node, SequenceNode) and kind == "seq":
            return tuple(self.value(item, (*path, number)) for number, item in enumerate(node.value))
        if isinstance(node, ScalarNode) and kind in _TEXT:
            return node.value
        if isinstance(node, ScalarNode) and kind in _PLAIN:
            return self._plain(node, line)
        raise _broken(self._name, line, f"the tag {kind} has no place here; remove it")

    def _items(self, node: MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        known: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                raise _broken(self._name, line, "a key must be a text")
            if key.value in known:
                message = f"{key.value} stands here again, first in line {known[key.value]}; remove one"
                raise _broken(self._name, line, message)
            known[key.value] = self._lines[(*path, key.value)] = line
            yield key.value, self.value(value, (*path, key.value))

    def _plain(self, node: ScalarNode, line: int) -> Any:
        try:
            return self._yaml.constructor.construct_object(node)
        except (ValueError, OverflowError) as error:
            raise _broken(self._name, line, f"{shown(node.value)} can't be read: {error}") from error
