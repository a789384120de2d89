"""The texts of queries: files in the rooms beside the code that asks them, put together by name.

`{panes}` in a text stands for another text: the file of that name, in whichever room, or what the caller gives for it,
or what the catalogue says: lists of measures and metrics (`sinks.clickhouse.measures`, `sinks.clickhouse.intervals`).
`{name:Type}` is a parameter, which ClickHouse fills in itself.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from touchstream.schemas.instruments import NONE, Instruments, in_force
from touchstream.schemas.metrics import shipped
from touchstream.sinks.clickhouse.intervals import interval_parts
from touchstream.sinks.clickhouse.measures import catalogue_parts

_COMMENT: Final = re.compile(r"^\s*--.*\n", re.MULTILINE)
_COLUMN: Final = re.compile(r"[a-z][a-z0-9_]*")
_PART: Final = re.compile(r"\{(\w+)\}")


_INSTRUMENTS_KEPT: Final = 8
"""Sets of instruments whose texts are kept: the one in force, and those of before and of editions."""


@cache
def query_files() -> Mapping[str, Traversable]:
    """Every query's file by its name, which is unique over all rooms; numbered files are migrations."""
    files: dict[str, Traversable] = {}
    for room in resources.files(__package__).iterdir():
        for file in room.iterdir() if room.is_dir() else ():
            if file.name.endswith(".sql") and not file.name[0].isdigit():
                name = file.name.removesuffix(".sql")
                if name in files:
                    raise ValueError(f"two queries are called {name}: {files[name]} and {file}")
                files[name] = file
    return MappingProxyType(files)


@lru_cache(maxsize=_INSTRUMENTS_KEPT)
def catalogue_texts(instruments: Instruments = NONE) -> Mapping[str, str]:
    """What the shipped catalogue says under these instruments, by the names of placeholders that no query has.

    Raises ValueError if one has.
    """
    catalogue = shipped().under(instruments)
    texts = {**catalogue_parts(catalogue), **interval_parts(catalogue)}
    if taken := texts.keys() & query_files().keys():
        raise ValueError(f"a query is called as a part that the catalogue says: {query_files()[min(taken)]}")
    return texts


Parts = Mapping[str, str | tuple[str, ...]]


def query_text(name: str, under: Instruments | None = None, /, **parts: str | tuple[str, ...]) -> str:
    """The text of the query `name` with its parts.

    `parts` names other files, as `panes="interval_panes"`, or columns, as `metrics=("nps", "csat")`; among columns the
    histogram of an instrument, as `stars_counts`, is one of `stage_panes`. under: instruments whose metrics it has;
    unless given, those in force.
    """
    return _query_text(name, in_force() if under is None else under, tuple(sorted(parts.items())))


@lru_cache(maxsize=2_048)
def _query_text(name: str, instruments: Instruments, given: tuple[tuple[str, str | tuple[str, ...]], ...]) -> str:
    if name not in query_files():
        # Read now, and not before: most queries have no part of it, and reading it takes a tenth of a second.
        return catalogue_texts(instruments)[name]
    text = _COMMENT.sub("", query_files()[name].read_text("utf-8")).strip()
    return _PART.sub(lambda part: _part(part[1], instruments, dict(given)), text)


def _part(name: str, instruments: Instruments, parts: Parts) -> str:
    given = parts.get(name, name)
    if isinstance(given, str):
        return query_text(given, instruments, **parts)
    if wrong := [column for column in given if not _COLUMN.fullmatch(column)]:
        raise ValueError(f"{wrong[0]!r} is no name of a column")
    counts = {one.counts.name for one in instruments.declared}
    return ", ".join(catalogue_texts(instruments)[column] if column in counts else column for column in given)
