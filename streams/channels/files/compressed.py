"""Bytes of a file or of standard input, decompressed as they come, in bounded memory."""

from __future__ import annotations

import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Protocol, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

READ_BYTES = 256 * 1024
BLOCK_BYTES_MAX = 1024 * 1024  # of decompressed bytes at once: a few bytes of zstd may hold gigabytes
STDIN = "-"


class FileProblem(Exception):  # noqa: N818  it is the file's, and the run goes on with the next one
    """A file can't be read, or not to its end; the message is one line that names it."""


class _Decompressor(Protocol):
    """The interface that lzma and zstd share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's gzip decompressor with the interface of lzma's."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._withheld = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._withheld and not self._zlib.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        block = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._withheld = len(block) == max_length  # zlib may hold back output although it took all input
        return block


_KINDS: dict[str, tuple[bytes, Callable[[], _Decompressor]]] = {
    ".gz": (b"\x1f\x8b", _Gzip),
    ".zst": (b"\x28\xb5\x2f\xfd", zstd.ZstdDecompressor),
    ".xz": (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
}


class ByteSource:
    """One input: a path, or `-` for standard input. Told by its name, else by its first bytes, to be compressed.

    `bytes_done` counts bytes read from it as they are stored, `bytes_total` is its size, None where it has none.
    """

    def __init__(self, path: str, stdin: BufferedIOBase | None = None) -> None:
        self.path = path
        self.bytes_done = 0
        self.bytes_total = Path(path).stat().st_size if path != STDIN and Path(path).is_file() else None
        self._stdin = stdin

    @property
    def name(self) -> str:
        """What messages call it."""
        return "standard input" if self.path == STDIN else self.path

    @property
    def suffix(self) -> str:
        """The last suffix in lower case, that of a compression left out: `.csv` of `a.CSV.gz`."""
        suffixes = [suffix.lower() for suffix in Path(self.path).suffixes]
        if suffixes and suffixes[-1] in _KINDS:
            suffixes.pop()
        return suffixes[-1] if suffixes else ""

    @property
    def is_compressed(self) -> bool:
        """Whether its name says so."""
        return Path(self.path).suffix.lower() in _KINDS

    def blocks(self) -> Iterator[bytes]:
        """Its decompressed bytes from the beginning, in blocks of up to 1 MiB.

        Raises FileProblem where it can't be read on; every byte before that was yielded.
        """
        self.bytes_done = 0
        with self._open() as raw:
            first = self._read(raw)
            kind = self._kind(first)
            if kind is None:
                while first:
                    yield first
                    first = self._read(raw)
            else:
                yield from self._decompressed(first, raw, kind)

    def _decompressed(self, data: bytes, raw: BufferedIOBase, kind: str) -> Iterator[bytes]:
        new = _KINDS[kind][1]
        decompressor = new()
        begun = False
        while data:
            try:
                begun = True
                yield decompressor.decompress(data, BLOCK_BYTES_MAX)
                while not decompressor.eof and not decompressor.needs_input:
                    yield decompressor.decompress(b"", BLOCK_BYTES_MAX)
            except (zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
                raise FileProblem(f"{self.name}: damaged {kind} data near byte {self.bytes_done}: {error}") from error
            data = b""
            if decompressor.eof:  # another compressed file may follow (`cat a.gz b.gz`); padding by zeros is allowed
                data = decompressor.unused_data.lstrip(b"\0")
                decompressor, begun = new(), False
            data = data or self._read(raw)
            if not begun:
                data = data.lstrip(b"\0")
        if begun:
            raise FileProblem(f"{self.name}: cut off after {self.bytes_done} bytes: its {kind} data has no end")

    def _kind(self, first: bytes) -> str | None:
        suffix = Path(self.path).suffix.lower()
        if suffix in _KINDS:
            return suffix
        return next((kind for kind, (magic, _) in _KINDS.items() if first.startswith(magic)), None)

    def _read(self, raw: BufferedIOBase) -> bytes:
        try:
            data = raw.read1(READ_BYTES)  # what is there: a pipe may be slow
        except OSError as error:
            raise FileProblem(f"{self.name}: can't be read on: {error.strerror}") from error
        self.bytes_done += len(data)
        return data

    @contextmanager
    def _open(self) -> Iterator[BufferedIOBase]:
        if self.path == STDIN:
            yield self._stdin if self._stdin is not None else cast(BufferedIOBase, sys.stdin.buffer)
            return
        try:
            raw = Path(self.path).open("rb")  # noqa: SIM115  closed below; only opening may be blamed on the file
        except OSError as error:
            raise FileProblem(f"{self.name}: can't be opened: {error.strerror}") from error
        with raw:
            yield raw
