from __future__ import annotations

import gzip
import io
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.streams.channels.files.compressed import BLOCK_BYTES_MAX, ByteSource, FileProblem
from touchstream.streams.channels.files.lines import LINE_BYTES_MAX, in_utf8, split_lines

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstd.compress,
    ".xz": lzma.compress,
    "": bytes,
}
CONTENT = b"".join(b"line %d\n" % number for number in range(50_000))


def written(tmp_path: Path, name: str, data: bytes) -> ByteSource:
    (tmp_path / name).write_bytes(data)
    return ByteSource(str(tmp_path / name))


def readable(source: ByteSource) -> tuple[bytes, str]:
    """What can be read of it, and the problem that ends it."""
    data = b""
    try:
        for block in source.blocks():
            assert len(block) <= BLOCK_BYTES_MAX
            data += block
    except FileProblem as problem:
        return data, str(problem)
    return data, ""


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_is_read_whole_and_again(suffix: str, tmp_path: Path) -> None:
    source = written(tmp_path, f"a.ndjson{suffix}", COMPRESS[suffix](CONTENT))
    assert readable(source) == (CONTENT, "")
    assert source.bytes_done == source.bytes_total == (tmp_path / f"a.ndjson{suffix}").stat().st_size
    assert readable(source) == (CONTENT, "")
    assert source.suffix == ".ndjson"


@pytest.mark.parametrize("suffix", COMPRESS)
def test_standard_input_may_be_compressed(suffix: str) -> None:
    source = ByteSource("-", stdin=io.BytesIO(COMPRESS[suffix](CONTENT)))
    assert readable(source) == (CONTENT, "")
    assert source.bytes_total is None


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz"])
def test_files_compressed_one_after_the_other_are_read_as_one(suffix: str, tmp_path: Path) -> None:
    both = COMPRESS[suffix](b"first\n") + COMPRESS[suffix](b"second\n")
    assert readable(written(tmp_path, f"a{suffix}", both)) == (b"first\nsecond\n", "")
    assert readable(written(tmp_path, f"b{suffix}", both + b"\0" * 512)) == (b"first\nsecond\n", "")


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz"])
def test_a_cut_off_file_gives_what_it_has_and_then_says_so(suffix: str, tmp_path: Path) -> None:
    whole = COMPRESS[suffix](CONTENT)
    data, problem = readable(written(tmp_path, f"a{suffix}", whole[: len(whole) // 2]))
    assert CONTENT.startswith(data)
    assert "cut off after" in problem
    assert f"a{suffix}" in problem
    data, problem = readable(written(tmp_path, f"b{suffix}", whole[:-1]))
    assert data
    assert CONTENT.startswith(data)
    assert "cut off" in problem


def test_a_cut_off_gzip_file_gives_most_of_what_it_has(tmp_path: Path) -> None:
    whole = gzip.compress(CONTENT)
    data, _ = readable(written(tmp_path, "a.gz", whole[: len(whole) // 2]))
    assert len(data) > len(CONTENT) // 3


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_damaged_file_is_named(suffix: str, tmp_path: Path) -> None:
    whole = bytearray(COMPRESS[suffix](CONTENT))
    whole[len(whole) // 2] ^= 0xFF
    _, problem = readable(written(tmp_path, f"a{suffix}", bytes(whole)))
    assert "damaged" in problem


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz"])
def test_a_file_that_is_not_what_its_name_says_is_named(suffix: str, tmp_path: Path) -> None:
    assert "damaged" in readable(written(tmp_path, f"a{suffix}", b"{}\n"))[1]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    assert readable(written(tmp_path, "a.ndjson", b"")) == (b"", "")


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz"])
def test_a_file_that_unpacks_to_very_much_is_read_in_small_blocks(suffix: str, tmp_path: Path) -> None:
    bomb = COMPRESS[suffix](bytes(64 * 1024 * 1024))
    sizes = [len(block) for block in written(tmp_path, f"a{suffix}", bomb).blocks()]
    assert sum(sizes) == 64 * 1024 * 1024
    assert max(sizes) <= BLOCK_BYTES_MAX


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"missing\.ndjson: can't be opened"):
        list(ByteSource(str(tmp_path / "missing.ndjson")).blocks())


@settings(deadline=None)
@given(st.lists(st.text("ab\r\n", max_size=6)).map(lambda parts: [part.encode() for part in parts]))
def test_lines_do_not_depend_on_where_blocks_are_cut(blocks: list[bytes]) -> None:
    whole = b"".join(blocks)
    expected = whole.split(b"\r" if b"\r" in whole and b"\n" not in whole else b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert [line for lines in split_lines(blocks) for line in lines] == expected


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert list(split_lines(in_utf8([b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}\n"], "x", None))) == [[b"{}", b"\xef\xbb\xbf{}"]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_utf_16_is_an_error_that_says_what_to_do(encoding: str) -> None:
    text = "{}\n" if encoding == "utf-16" else "\ufeff{}\n"
    with pytest.raises(FileProblem, match="iconv"):
        list(in_utf8([text.encode(encoding)], "x", None))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be", "utf-32-le"])
def test_characters_of_several_bytes_are_told_by_their_mark_or_zeros(encoding: str) -> None:
    name = encoding[:6]
    with pytest.raises(FileProblem, match=f"is {name.upper()}; say encoding: {name} .* iconv -f {name.upper()} "):
        list(in_utf8(["occurred_at,customer_id".encode(encoding)], "x", None))


@pytest.mark.parametrize("encoding", ["windows-1252", "iso-8859-15", "utf-16", "utf-16-be", "shift_jis", "utf-8-sig"])
def test_a_declared_encoding_is_read_wherever_blocks_are_cut(encoding: str) -> None:
    text = "Zeit;ä" + ("" if encoding in ("shift_jis",) else "öü") + "\n1;2\n"
    raw = text.replace("ä", "ﾊ" if encoding == "shift_jis" else "ä").encode(encoding)
    blocks = [raw[at : at + 1] for at in range(len(raw))]
    assert b"".join(in_utf8(blocks, "x", encoding)).decode() == raw.decode(encoding)


def test_bytes_that_a_declared_encoding_does_not_have_are_left_for_their_line() -> None:
    read = b"".join(in_utf8([b"a\n\x81\n\xe4\n"], "x", "cp1252"))
    assert read == b"a\n\x81\n\xc3\xa4\n"
    with pytest.raises(FileProblem, match="can't be read as utf-16"):
        list(in_utf8([b"\xff\xfea\x00\x00\xd8\x00"], "x", "utf-16"))


def test_a_line_without_end_costs_bounded_memory_and_can_be_told() -> None:
    blocks = [b"x" * 1024 * 1024] * 20
    lines = [line for part in split_lines([*blocks, b"\n{}\n"]) for line in part]
    assert [len(line) for line in lines] == [LINE_BYTES_MAX + 1, 2]
    assert [len(line) for part in split_lines(blocks) for line in part] == [LINE_BYTES_MAX + 1]
