"""Lines of a stream of bytes, in bounded memory however long a line is."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

from touchstream.streams.channels.files.compressed import FileProblem

# JSON may spell each byte of an event of 1 MiB as \u00XX: a longer line can't hold an event that is small enough.
LINE_BYTES_MAX = 8 * 1024 * 1024
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
UTF32_BOMS = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_LOOK_BYTES = 200
_HEAD_BYTES = 64 * 1024


def in_utf8(blocks: Iterable[bytes], name: str, encoding: str | None) -> Iterator[bytes]:
    """The blocks in UTF-8 without a byte order mark; bytes that the encoding doesn't have stay as they are.

    encoding: as the mapping has it; None: UTF-8. Raises FileProblem for UTF-16 that wasn't declared, or is broken.
    """
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape") if encoding else None
    first = True
    try:
        for block in blocks:
            text = block if decoder is None else decoder.decode(block).encode("utf-8", "surrogateescape")
            if first and text:
                first = False
                if decoder is None and (wide := _wide(text)):
                    raise FileProblem(
                        f"{name}: is {wide}; say encoding: {wide.lower()} in a mapping, or convert it:"
                        f" iconv -f {wide} -t UTF-8"
                    )
                text = text.removeprefix(UTF8_BOM)
            yield text
        if decoder is not None:
            yield decoder.decode(b"", final=True).encode("utf-8", "surrogateescape")
    except UnicodeError as error:
        raise FileProblem(f"{name}: can't be read as {encoding}: {error}") from error


def _wide(start: bytes) -> str | None:
    """The encoding of a text whose characters have several bytes each, most of them zeros."""
    look = start[:_LOOK_BYTES]
    if start.startswith(UTF32_BOMS) or look.count(0) * 8 > 5 * max(len(look), 8):
        return "UTF-32"
    is_utf16 = start.startswith(UTF16_BOMS) or max(look[::2].count(0), look[1::2].count(0)) * 4 > max(len(look), 8)
    return "UTF-16" if is_utf16 else None


def split_lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of each block, without the LF that ends them; a CR before it stays.

    A file that begins with 64 KiB of CRs and no LF has lines that end with CR alone, as old Macs and Excel for Mac
    write them. A line of more than 8 MiB is cut to 8 MiB and one byte, so that its length gives it away.
    """
    rest = bytearray()
    source = iter(blocks)
    head = _head(source)
    end = b"\r" if b"\r" in head and b"\n" not in head else b"\n"
    for block in chain([head], source):
        lines = block.split(end)
        _append(rest, lines[0])
        if len(lines) == 1:
            continue
        lines[0] = bytes(rest)
        rest = bytearray()
        _append(rest, lines.pop())
        yield [line[: LINE_BYTES_MAX + 1] for line in lines]
    if rest:
        yield [bytes(rest)]


def _head(blocks: Iterator[bytes]) -> bytes:
    """As much as tells how lines end."""
    head = b""
    while b"\n" not in head and len(head) < _HEAD_BYTES and (block := next(blocks, None)) is not None:
        head += block
    return head


def _append(rest: bytearray, piece: bytes) -> None:
    rest += piece[: max(0, LINE_BYTES_MAX + 1 - len(rest))]
