"""Are bytes one record of a schema, by Avro's binary encoding to the letter?

Readers are lenient, each in its own way: fastavro counts a negative branch from the end of its union and drops bits of
a number that is too large; it overflows the C stack on deep nesting, and counts to 2**62 in an array of nothing. What
is checked here first can do none of that.
"""

from collections.abc import Callable
from typing import Any, Final

from avro.schema import Schema

DEPTH_MAX: Final = 100
"""Levels of nesting. A touchpoint has three."""


def require_record(schema: Schema, data: bytes) -> None:
    """Raises ValueError unless `data` is exactly one record of the schema."""
    walk = _Walk(data)
    try:
        walk.value(schema, 0)
    except IndexError as error:
        raise ValueError("the record ends too early") from error
    if walk.at < len(data):
        raise ValueError(f"{len(data) - walk.at} bytes after the end of the record")


class _Walk:
    """Goes through the bytes of a record; `at` is the next one."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data
        self._items = 0

    def value(self, schema: Any, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise ValueError("nested too deeply")
        kind = schema.type
        if kind in _SIMPLE:
            _SIMPLE[kind](self)
        elif kind == "record":
            for field in schema.fields:
                self.value(field.type, depth + 1)
        elif kind == "union":
            self.value(schema.schemas[self.choice(len(schema.schemas))], depth + 1)
        elif kind == "map":
            self._blocks(lambda: self._entry(schema.values, depth + 1))
        elif kind == "array":
            self._blocks(lambda: self.value(schema.items, depth + 1))
        elif kind == "enum":
            self.choice(len(schema.symbols))
        else:
            self.skip(schema.size)

    def number(self, bits: int = 64) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._data[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            raise ValueError("a number of more than ten bytes")
        if number >> bits:
            raise ValueError(f"a number of more than {bits} bits")
        return (number >> 1) ^ -(number & 1)

    def choice(self, count: int) -> int:
        number = self.number()
        if not 0 <= number < count:
            raise ValueError(f"choice {number} of {count}")
        return number

    def skip(self, size: int) -> None:
        if size < 0:
            raise ValueError("a length below zero")
        if self.at + size > len(self._data):
            raise IndexError
        self.at += size

    def text(self) -> None:
        size = self.number()
        begin = self.at
        self.skip(size)
        self._data[begin : self.at].decode()

    def boolean(self) -> None:
        if self._data[self.at] > 1:
            raise ValueError("a Boolean that is neither 0 nor 1")
        self.at += 1

    def _entry(self, values: Schema, depth: int) -> None:
        self.text()
        self.value(values, depth)

    def _blocks(self, item: Callable[[], object]) -> None:
        """Counted items, until a count of zero. Below zero: as many, and their size in bytes comes first."""
        while count := self.number():
            size = self.number() if count < 0 else None
            begin = self.at
            self._items += abs(count)
            if self._items > len(self._data):
                raise ValueError("more items than bytes")
            for _ in range(abs(count)):
                item()
            if size is not None and self.at != begin + size:
                raise ValueError(f"a block of {self.at - begin} bytes that claims {size}")


_SIMPLE: Final[dict[str, Callable[[_Walk], object]]] = {
    "null": lambda _: None,
    "boolean": lambda walk: walk.boolean(),
    "int": lambda walk: walk.number(32),
    "long": lambda walk: walk.number(),
    "float": lambda walk: walk.skip(4),
    "double": lambda walk: walk.skip(8),
    "bytes": lambda walk: walk.skip(walk.number()),
    "string": lambda walk: walk.text(),
}
