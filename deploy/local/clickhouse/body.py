"""Bodies of requests and answers as streams: chunked or not, compressed or not, never more than their bound."""

import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase
from typing import Protocol

import lz4.frame  # type: ignore[import-untyped]
import zstandard

from touchstream.deploy.local.clickhouse.errors import Code, refused

BODY_BYTES_MAX = 1 << 30
"""Largest request body in bytes, decompressed; a client has to split larger inserts."""
READ_BYTES = 1 << 20
_LINE_BYTES_MAX = 1 << 16

Buffer = bytes | memoryview


class Compressor(Protocol):
    """What every compression library offers for a stream."""

    def compress(self, data: Buffer, /) -> bytes:
        """What is ready after some more data."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


class _Lz4Compressor:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._frame.begin()

    def compress(self, data: Buffer, /) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.flush())


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


# The cheapest first: on the loopback interface a byte costs less than compressing it.
COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "lz4": _Lz4Compressor,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: zlib.compressobj(1, wbits=31),
    "deflate": lambda: zlib.compressobj(1),
}
_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": zlib.decompressobj,
}
_DECOMPRESSION_ERRORS = (zlib.error, zstandard.ZstdError, RuntimeError, EOFError)


class TruncatedBodyError(ConnectionError):
    """The client went away in the middle of its request."""


def read_length(source: BufferedIOBase, length: int) -> Iterator[bytes]:
    """A body of `length` bytes in pieces. Raises TruncatedBodyError."""
    while length > 0:
        piece = source.read(min(length, READ_BYTES))
        if not piece:
            raise TruncatedBodyError("the request ended before its body")
        length -= len(piece)
        yield piece


def read_chunked(source: BufferedIOBase) -> Iterator[bytes]:
    """A body with `Transfer-Encoding: chunked` in pieces. Raises TruncatedBodyError."""
    while True:
        size_line = source.readline(_LINE_BYTES_MAX)
        try:
            size = int(size_line.partition(b";")[0], 16)
        except ValueError:
            raise TruncatedBodyError(f"no chunk size: {size_line[:20]!r}") from None
        if size == 0:
            while source.readline(_LINE_BYTES_MAX).strip():
                pass  # trailers
            return
        yield from read_length(source, size)
        source.readline(_LINE_BYTES_MAX)


def decompressed(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The pieces of a body, decompressed; a body may be several compressed streams one after another.

    Raises ClickHouseError: UNKNOWN_COMPRESSION_METHOD for an encoding that isn't one of lz4, zstd, gzip, deflate;
    CANNOT_DECOMPRESS for bytes that aren't in it, or not to their end.
    """
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in _DECOMPRESSORS:
        raise refused(
            Code.UNKNOWN_COMPRESSION_METHOD,
            f"Unknown compression method {encoding}: this server reads {', '.join(_DECOMPRESSORS)}",
        )
    stream = None
    for piece in pieces:
        rest = piece
        while rest:
            stream = stream or _DECOMPRESSORS[encoding]()
            try:
                yield stream.decompress(rest)
            except _DECOMPRESSION_ERRORS as error:
                raise refused(Code.CANNOT_DECOMPRESS, f"Cannot read the request as {encoding}: {error}") from None
            rest = b""
            if stream.eof:
                rest, stream = stream.unused_data, None
    if stream is not None:
        raise refused(Code.CANNOT_DECOMPRESS, f"The request ends in the middle of its {encoding} stream")


def bounded(pieces: Iterator[bytes], bytes_max: int = BODY_BYTES_MAX) -> Iterator[bytes]:
    """The pieces. Raises ClickHouseError (QUERY_IS_TOO_LARGE) when they are more than `bytes_max` together."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > bytes_max:
            raise refused(
                Code.QUERY_IS_TOO_LARGE,
                f"The request is larger than {bytes_max:,} bytes: send it in several",
            )
        yield piece
