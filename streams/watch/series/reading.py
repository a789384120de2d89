"""Series as people have them: CSV with a header, or JSON objects, a line for each time."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import msgspec

from touchstream.schemas.times import moment, since_epoch
from touchstream.streams.channels.files.lines import LINE_BYTES_MAX
from touchstream.streams.watch.series.detector import VALUE_MAX

TIME_NAMES: Final = ("timestamp", "time", "date", "ts")
"""Columns that are taken for the time where none is named; the first that is there."""
VALUE_NAME: Final = "value"
"""The column that is taken for the value where none is named and there are more than two."""
_DELIMITERS: Final = ",;\t"
_MILLISECONDS_FROM: Final = 1e11  # as seconds that is the year 5138
_SHOWN: Final = 40  # characters of a value in a message


class SeriesProblem(ValueError):  # noqa: N818  it is the file's
    """A file that can't be read as a series, with what to do."""


@dataclass(frozen=True)
class SeriesRow:
    """One line. time: as it was written; seconds: since 1970. values: of each column, None where it has none."""

    line: int
    time: str
    seconds: float
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class BadLine:
    """A line that can't be used, and why."""

    line: int
    reason: str


class SeriesReader:
    """Lines of a file as rows. time, values: names of columns; without them TIME_NAMES, VALUE_NAME or the other one.

    `values` holds the names of the series from the first row on.
    """

    def __init__(self, name: str, time: str | None = None, values: Sequence[str] = ()) -> None:
        self._name, self._time = name, time
        self.values = tuple(values)

    def rows(self, lines: Iterable[list[bytes]]) -> Iterator[SeriesRow | BadLine]:
        """All rows, in order; a line that can't be used is a BadLine, a blank one nothing.

        Raises SeriesProblem where the columns aren't there.
        """
        number, read = 0, None
        for block in lines:
            for line in block:
                number += 1
                if not line.strip():
                    continue
                if read is None:
                    is_json = line.lstrip().startswith(b"{")
                    read = self._json(line) if is_json else self._csv(line)
                    if not is_json:
                        continue
                yield self._row(number, line, read)

    def _row(self, number: int, line: bytes, read: Callable[[bytes], list[Any]]) -> SeriesRow | BadLine:
        if len(line) > LINE_BYTES_MAX:
            return BadLine(number, f"is over {LINE_BYTES_MAX} bytes")
        try:
            time, *values = read(line)
            return SeriesRow(number, _text(time), _seconds(time), tuple(map(_number, values)))
        except (ValueError, csv.Error) as error:
            return BadLine(number, str(error))

    def _csv(self, header: bytes) -> Callable[[bytes], list[Any]]:
        try:
            text = _decoded(header)
            delimiter = max(_DELIMITERS, key=text.count)
            names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
        except (ValueError, csv.Error) as error:
            raise SeriesProblem(f"{self._name}: the line with the names of the columns {error}") from error
        self._choose(names)
        places = [names.index(name) for name in (self._time, *self.values) if name is not None]

        def read(line: bytes) -> list[Any]:
            cells = next(csv.reader([_decoded(line)], delimiter=delimiter, strict=True))
            if len(cells) != len(names):
                raise ValueError(f"has {len(cells)} columns, the first line {len(names)}")
            return [cells[place].strip() for place in places]

        return read

    def _json(self, first: bytes) -> Callable[[bytes], list[Any]]:
        try:
            self._choose(list(_object(first)))
        except ValueError as error:
            raise (
                error if isinstance(error, SeriesProblem) else SeriesProblem(f"{self._name}: the first object {error}")
            ) from error
        names = [name for name in (self._time, *self.values) if name is not None]

        def read(line: bytes) -> list[Any]:
            fields = _object(line)
            if names[0] not in fields:
                raise ValueError(f"has no {names[0]}")
            return [fields.get(name) for name in names]

        return read

    def _choose(self, names: list[str]) -> None:
        """Settle which columns are meant."""
        listed = ", ".join(name[:_SHOWN] for name in names[:20])
        if self._time is None:
            self._time = next((name for name in TIME_NAMES if name in names), None)
        if self._time is None:
            raise SeriesProblem(f"{self._name}: which column is the time? Say --time NAME; there are {listed}")
        others = [name for name in names if name != self._time]
        if not self.values:
            if VALUE_NAME not in others and len(others) != 1:
                raise SeriesProblem(f"{self._name}: which column is the value? Say --value NAME; there are {listed}")
            self.values = (VALUE_NAME if VALUE_NAME in others else others[0],)
        for name in (self._time, *self.values):
            if name not in names:
                raise SeriesProblem(f"{self._name}: there is no column {name}; there are {listed}")


def _decoded(line: bytes) -> str:
    try:
        return line.decode().rstrip("\r")
    except UnicodeDecodeError:
        raise ValueError("is no UTF-8") from None


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("is no JSON object")  # noqa: TRY004  one kind of error for all that a line can be
    return fields


def _text(time: Any) -> str:
    return time if isinstance(time, str) else str(time)


def _seconds(time: Any) -> float:
    """A time as seconds since 1970: ISO 8601 (UTC where it names no zone), or a number of seconds or milliseconds."""
    shown = _text(time)[:_SHOWN]
    if isinstance(time, bool) or not isinstance(time, str | int | float):
        raise ValueError(f"{shown} is no time")  # noqa: TRY004
    try:
        number = float(time)
    except OverflowError:
        number = float("inf")
    except ValueError:
        try:
            return since_epoch(moment(str(time))) / 1000
        except (ValueError, OverflowError):
            raise ValueError(f"{shown!r} is no time: write ISO 8601, or seconds since 1970") from None
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    if not isfinite(seconds) or abs(seconds) >= _MILLISECONDS_FROM:
        raise ValueError(f"{shown} is no time: write ISO 8601, or seconds since 1970")
    return seconds


def _number(value: Any) -> float | None:
    """A value; None for an empty cell, null, NaN and infinity."""
    if value is None or value == "":
        return None
    shown = str(value)[:_SHOWN]
    if isinstance(value, bool) or not isinstance(value, str | int | float) or "_" in shown:
        raise ValueError(f"{shown} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = VALUE_MAX * 2
    except ValueError:
        raise ValueError(f"{shown!r} is no number") from None
    if not isfinite(number):
        return None
    if abs(number) > VALUE_MAX:
        raise ValueError(f"{shown} is beyond {VALUE_MAX:g}")
    return number
