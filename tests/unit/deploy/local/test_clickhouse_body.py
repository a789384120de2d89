"""Bodies: in chunks or not, compressed or not, never too large."""

import gzip
import zlib
from collections.abc import Callable
from io import BufferedReader, BytesIO

import lz4.frame  # type: ignore[import-untyped]
import pytest
import zstandard

from touchstream.deploy.local.clickhouse.body import (
    COMPRESSORS,
    TruncatedBodyError,
    bounded,
    decompressed,
    read_chunked,
    read_length,
)
from touchstream.deploy.local.clickhouse.errors import ClickHouseError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
DATA = b"customer,\x00\xff" * 1000


def source(content: bytes) -> BufferedReader:
    return BufferedReader(BytesIO(content))


def pieces_of(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_several_compressed_streams_make_one_body_however_they_are_cut(encoding: str, size: int) -> None:
    body = COMPRESS[encoding](DATA) + COMPRESS[encoding](b"the end")
    assert b"".join(decompressed(iter(pieces_of(body, size)), encoding)) == DATA + b"the end"


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_damaged_or_cut_stream_is_an_error_and_no_shorter_body(encoding: str) -> None:
    for body in (COMPRESS[encoding](DATA)[:-3], b"no such thing at all", COMPRESS[encoding](DATA) + b"x"):
        with pytest.raises(ClickHouseError) as caught:
            list(decompressed(iter([body]), encoding))
        assert caught.value.code == 271


def test_an_unknown_encoding_is_named_in_the_error() -> None:
    with pytest.raises(ClickHouseError, match="Unknown compression method br: this server reads lz4, zstd, gzip"):
        list(decompressed(iter([b"x"]), "br"))


@pytest.mark.parametrize("encoding", COMPRESSORS)
def test_a_body_that_is_compressed_in_pieces_is_read_as_a_whole(encoding: str) -> None:
    compressor = COMPRESSORS[encoding]()
    body = b"".join(compressor.compress(memoryview(piece)) for piece in pieces_of(DATA, 999)) + compressor.flush()
    assert b"".join(decompressed(iter([body]), encoding)) == DATA


@pytest.mark.parametrize("encoding", COMPRESSORS)
def test_an_empty_answer_is_a_stream_all_the_same(encoding: str) -> None:
    assert b"".join(decompressed(iter([COMPRESSORS[encoding]().flush()]), encoding)) == b""


def test_chunks_are_put_together_and_what_follows_stays() -> None:
    connection = source(b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nnext")
    assert b"".join(read_chunked(connection)) == b"abc0123456789"
    assert connection.read() == b"next"


@pytest.mark.parametrize("body", [b"", b"5\r\nab", b"3\r\nabc\r\n", b"x\r\n", b"-1\r\n"])
def test_a_client_that_goes_away_in_the_middle_of_chunks_is_noticed(body: bytes) -> None:
    with pytest.raises(TruncatedBodyError):
        list(read_chunked(source(body)))


def test_a_body_shorter_than_its_length_is_noticed() -> None:
    with pytest.raises(TruncatedBodyError):
        list(read_length(source(b"abc"), 4))


def test_a_body_over_its_bound_is_refused_with_what_to_do() -> None:
    assert list(bounded(iter([b"abc", b"de"]), 5)) == [b"abc", b"de"]
    with pytest.raises(ClickHouseError, match="larger than 4 bytes: send it in several") as caught:
        list(bounded(iter([b"abc", b"de"]), 4))
    assert caught.value.status == 413
