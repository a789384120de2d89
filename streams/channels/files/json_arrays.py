"""The elements of a JSON array as it comes, in bounded memory: each by itself, a bad one takes no other along."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from touchstream.streams.channels.files.compressed import FileProblem
from touchstream.streams.channels.files.lines import LINE_BYTES_MAX, split_lines

_OUTSIDE = re.compile(rb'["\[\]{},]')
_INSIDE = re.compile(rb'["\\\n]')  # no text of JSON goes over a line: one that does has lost its closing quote


def begins_array(block: bytes) -> bool:
    """Whether the first block of a file is the beginning of an array."""
    return block.lstrip()[:1] == b"["


class _Elements:
    """Where it is: how deep, whether in a text, and what there is of the element so far."""

    def __init__(self) -> None:
        self.depth = 0
        self.after: bytes | None = None
        self.partial = bytearray()
        self._begun = False
        self._in_text = False
        self._escaped = False

    def of(self, block: bytes) -> list[bytes]:
        """The elements that end in a block. What follows the array's end is in `after`."""
        found: list[bytes] = []
        at = begin = 0
        if self._escaped and block:
            at, self._escaped = 1, False
        while (sign := (_INSIDE if self._in_text else _OUTSIDE).search(block, at)) is not None:
            at = sign.end()
            if self._in_text:
                at = self._within_text(sign[0], at, len(block))
            elif self._is_end(sign[0]):
                self._keep(block[begin : sign.start()])
                self._take(found, at_end=self.depth == 0)
                begin = at
                if self.depth == 0:
                    self.after = block[at:]
                    return found
            elif self.depth == 1 and sign[0] == b"[" and not self._begun:
                begin, self._begun = at, True
        self._keep(block[begin:])
        return found

    def _within_text(self, sign: bytes, at: int, length: int) -> int:
        if sign == b"\\":
            self._escaped = at >= length
            return at + 1
        self._in_text = False
        return at

    def _is_end(self, sign: bytes) -> bool:
        """Whether an element ends here: at a comma between elements, or where the array ends."""
        if sign == b'"':
            self._in_text = True
        elif sign in b"[{":
            self.depth += 1
        elif sign in b"]}":
            self.depth -= 1
            return self.depth == 0
        return sign == b"," and self.depth == 1

    def _keep(self, piece: bytes) -> None:
        self.partial += piece[: max(0, LINE_BYTES_MAX + 1 - len(self.partial))]

    def _take(self, found: list[bytes], *, at_end: bool) -> None:
        element, self.partial = bytes(self.partial).strip(), bytearray()
        if element or not at_end:
            found.append(element or b",")  # nothing between two commas is no element, and is refused as one


def split_elements(blocks: Iterable[bytes], name: str) -> Iterator[list[bytes]]:
    """The elements of each block; what follows the array, as lines.

    An element of more than 8 MiB is cut to 8 MiB and one byte, so that its length gives it away.

    Raises FileProblem where the array has no end; what there is of its last element was yielded.
    """
    elements = _Elements()
    source = iter(blocks)
    for block in source:
        yield elements.of(block)
        if elements.after is not None:
            yield from split_lines(_chained(elements.after, source))
            return
    if elements.partial.strip():
        yield [bytes(elements.partial).strip()]
    raise FileProblem(f"{name}: cut off: its JSON array has no end")


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
