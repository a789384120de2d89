"""Where a value stands in a foreign message: `user.id`, `items[0].price`, `params[key=page].value.*`.

A path is names with dots between them. A name with a dot, a bracket or a star in it stands in double quotes. Behind a
name there may be `[0]` (an element, `[-1]` the last one), `[name=text]` (the first element whose `name`, or whose
`inner.name`, is that text) or `[*]` (all elements). `*` in place of a name is the first value of an object that isn't
null: some exports write a value into one of several fields by its type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""(?: "(?P<quoted>[^"]+)" | (?P<name>[^.\[\]"*\s][^.\[\]"*]*) | (?P<any>\*) )
        (?P<selectors>(?:\[[^\]]*\])*) (?:\.|$)""",
    re.VERBOSE,
)
_SELECTOR = re.compile(r"\[(?:(?P<all>\*)|(?P<number>-?\d{1,6})|(?P<name>[^=\]]+)=(?P<text>[^\]]*))\]")
PATH_CHARS_MAX = 500

Step = Callable[[Any], Any]


class PathError(ValueError):
    """A text is no path; the message says where it goes wrong."""


@dataclass(frozen=True)
class Path:
    """A path that was read. `root` is its first name; `many`: it has `[*]`, and its value is a list."""

    text: str
    root: str
    many: bool
    _steps: tuple[Step, ...]

    def value(self, message: Any) -> Any:
        """What stands there; None where there is nothing. With `[*]` a list, without what isn't there."""
        found = message
        for number, step in enumerate(self._steps):
            if step is _all:
                rest = self._steps[number + 1 :]
                return [value for one in _elements(found) if (value := _through(rest, one)) is not None]
            found = step(found)
            if found is None:
                return [] if self.many else None
        return found


@lru_cache(maxsize=10_000)
def path(text: str) -> Path:
    """Read a path. Raises PathError."""
    if len(text) > PATH_CHARS_MAX:
        raise PathError(f"a path has at most {PATH_CHARS_MAX} characters")
    steps: list[Step] = []
    root, at = "", 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None or (found.end() == len(text) and text.endswith(".")):
            raise PathError(f'{text!r} can\'t be read from {text[at : at + 20]!r} on; quote names with dots: "a.b"')
        name = found["quoted"] or found["name"]
        root = root or name or "*"
        steps.append(_any if found["any"] else _named(name))
        steps.extend(_selectors(found["selectors"], text))
        at = found.end()
    if not steps:
        raise PathError("a path is empty; name a field of the message")
    if steps.count(_all) > 1:
        raise PathError(f"{text!r} has [*] twice; one list of elements is all that a path can have")
    return Path(text, root, _all in steps, tuple(steps))


def _selectors(text: str, whole: str) -> Iterator[Step]:
    at = 0
    while at < len(text):
        found = _SELECTOR.match(text, at)
        if found is None:
            raise PathError(f"{whole!r}: {text[at:]} is none of [0], [name=text] and [*]")
        if found["all"]:
            yield _all
        elif found["number"]:
            yield _numbered(int(found["number"]))
        else:
            yield _whose(found["name"].strip(), found["text"].strip())
        at = found.end()


def _through(steps: tuple[Step, ...], found: Any) -> Any:
    for step in steps:
        if found is None:
            return None
        found = step(found)
    return found


def _elements(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [] if found is None else [found]


def _all(found: Any) -> Any:
    """A mark: `Path.value` goes through the elements itself."""
    return found


def _any(found: Any) -> Any:
    return next((one for one in found.values() if one is not None), None) if isinstance(found, Mapping) else None


def _named(name: str) -> Step:
    return lambda found: found.get(name) if isinstance(found, Mapping) else None


def _numbered(number: int) -> Step:
    def step(found: Any) -> Any:
        inside = isinstance(found, list) and -len(found) <= number < len(found)
        return found[number] if inside else None

    return step


def _whose(name: str, text: str) -> Step:
    def step(found: Any) -> Any:
        elements = found if isinstance(found, list) else []
        return next((one for one in elements if isinstance(one, Mapping) and _inside(one, name) == text), None)

    return step


def _inside(element: Mapping[str, Any], name: str) -> str | None:
    found: Any = element
    for inner in (name,) if name in element else name.split("."):
        found = found.get(inner) if isinstance(found, Mapping) else None
    return None if found is None else str(found)
