"""Lines of a stream of bytes, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streams.channels.compressed import FileProblem

# JSON may spell each byte of an event of 1 MiB as \u00XX: a longer line can't hold an event that is small enough.
LINE_BYTES_MAX = 8 * 1024 * 1024
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def split_lines(blocks: Iterable[bytes], name: str) -> Iterator[list[bytes]]:
    """The lines of each block, without the LF that ends them (a CR before it stays) and without a byte order mark.

    A line of more than 8 MiB is cut to 8 MiB and one byte, so that its length gives it away.

    Raises FileProblem for UTF-16.
    """
    rest = bytearray()
    first = True
    for block in blocks:
        if first and block:
            if block.startswith(UTF16_BOMS):
                raise FileProblem(f"{name}: is UTF-16; convert it: iconv -f UTF-16 -t UTF-8")
            block, first = block.removeprefix(UTF8_BOM), False
        lines = block.split(b"\n")
        _append(rest, lines[0])
        if len(lines) == 1:
            continue
        lines[0] = bytes(rest)
        rest = bytearray()
        _append(rest, lines.pop())
        yield [line[: LINE_BYTES_MAX + 1] for line in lines]
    if rest:
        yield [bytes(rest)]


def _append(rest: bytearray, piece: bytes) -> None:
    rest += piece[: max(0, LINE_BYTES_MAX + 1 - len(rest))]
