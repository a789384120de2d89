"""What a request's body may be: bounded in every way, and parted into the texts of its events."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.types import Message

from touchstream.streams.channels.gateway import places as module
from touchstream.streams.channels.gateway.body import EVENTS_MAX, read_body, split_events, why_no_json
from touchstream.streams.channels.gateway.places import Bodies, Body
from touchstream.streams.channels.gateway.problems import Problem

BOUND = 100_000
A, B = b'{"a":1}', b'{"b":"\\n"}'


def room() -> Body:
    return Body(Bodies(2 * BOUND), "shop")


def read(chunks: Iterable[bytes], **headers: str) -> bytes:
    """Reads a body that comes in these chunks."""
    rest = iter(chunks)

    async def receive() -> Message:
        chunk = next(rest, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return asyncio.run(read_body(Request({"type": "http", "headers": named}, receive), BOUND, room()))


def problem(chunks: Iterable[bytes], **headers: str) -> Problem:
    with pytest.raises(Problem) as caught:
        read(chunks, **headers)
    return caught.value


def in_pieces(data: bytes, size: int = 7) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_body_comes_out_as_it_was_sent_compressed_or_not(encoding: str) -> None:
    content = bytes(range(256)) * 100
    assert read(in_pieces(content)) == content
    assert read(in_pieces(content), content_encoding="identity") == content
    assert read(in_pieces(gzip.compress(content)), content_encoding=encoding) == content


def test_a_body_of_exactly_the_bound_is_read_and_one_of_a_byte_more_is_not() -> None:
    content = b"x" * BOUND
    assert read(in_pieces(content, 1000)) == content
    assert read([gzip.compress(content)], content_encoding="gzip") == content
    assert problem([*in_pieces(content, 1000), b"x"]).status == 413
    assert problem([gzip.compress(content + b"x")], content_encoding="gzip").status == 413


def test_a_body_that_says_that_it_is_too_large_is_not_read() -> None:
    def chunks() -> Iterable[bytes]:
        raise AssertionError("read")
        yield b""

    assert problem(chunks(), content_length=str(BOUND + 1)).status == 413


def test_a_few_bytes_that_would_become_gigabytes_are_refused_in_little_memory() -> None:
    bomb = gzip.compress(bytes(200 * 2**20), 9)
    tracemalloc.start()
    try:
        assert problem(in_pieces(bomb, 65_536), content_encoding="gzip").status == 413
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    finally:
        tracemalloc.stop()


def test_a_large_body_that_becomes_little_is_refused() -> None:
    plain = gzip.compress(b"[]", mtime=0)
    name = b"x" * BOUND + b"\0"
    assert (
        problem(in_pieces(plain[:3] + b"\x08" + plain[4:10] + name + plain[10:], 1000), content_encoding="gzip").status
        == 413
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no gzip", "incorrect header"),
        (b"", "too early"),
        (gzip.compress(b"[1]")[:-3], "too early"),
        (gzip.compress(b"[1]") + b"x", "one gzip member"),
        (gzip.compress(b"[") + gzip.compress(b"]"), "one gzip member"),
    ],
    ids=["other bytes", "nothing", "cut off", "a byte more", "two members"],  # gzip notes the time
)
def test_gzip_that_is_damaged_is_said_to_be(data: bytes, said: str) -> None:
    caught = problem(in_pieces(data), content_encoding="gzip")
    assert caught.status == 400
    assert said in caught.details.detail


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate", "", "ü"])
def test_an_encoding_that_is_not_known_is_refused(encoding: str) -> None:
    caught = problem([b"x"], content_encoding=encoding)
    assert (caught.status, caught.headers) == (415, {"Accept-Encoding": "gzip"})


def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_SECONDS", 0.01)

    async def receive() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    with pytest.raises(Problem) as caught:
        asyncio.run(read_body(Request({"type": "http", "headers": []}, receive), BOUND, room()))
    assert caught.value.status == 408


@pytest.mark.parametrize(
    ("body", "texts", "lines"),
    [
        (A, [A], False),
        (b' \n{"a":\n1}\n', [b' \n{"a":\n1}\n'], False),
        (b"[]", [], False),
        (b" [" + A + b" ,\n" + B + b" , 5]\n", [A, B, b"5"], False),
        (b"\xef\xbb\xbf[" + A + b"]", [A], False),
        (b'"a"', [b'"a"'], False),
        (A + b"\n" + B, [A, B], True),
        (b"\n" + A + b"\r\n\n" + B + b"\n\n", [A, B], True),
        (A + b"\nno json\n", [A, b"no json"], True),
        (b"{\n}\n", [b"{\n}\n"], False),
        (A + b"\r" + B + b"\r", [A, B], True),
        (A + b"\r\r\n" + B, [A, B], True),
        (b'{"a":NaN}\n' + A + b"\n" + B, [b'{"a":NaN}', A, B], True),
        (b'{"a":"\xff"}\r\n' + A, [b'{"a":"\xff"}', A], True),
        (b'{"a":\n{"b":1}\n}', [b'{"a":\n{"b":1}\n}'], False),
        (b"[" + A + b',{"a":NaN},' + B + b"]", [A, b'{"a":NaN}', B], False),
        (b"[" + A + b',{"a":"\\ud800"}]', [A, b'{"a":"\\ud800"}'], False),
        (b"[" + A + b",{]", None, False),
        (b"[" + A + b",{'a':1},]", [A, b"{'a':1}", b""], False),
        (b'[{"a":"],{\\"["},{"b":Infinity}]', [b'{"a":"],{\\"["}', b'{"b":Infinity}'], False),
        (b"[" + A + b"," + b"[" * 5000 + b"]" * 5000 + b"]", [A, b"[" * 5000 + b"]" * 5000], False),
        (b"[" + A + b',{"a":"x}]', None, False),
        (b"[" + A + b",{} x", None, False),
        (b"[" + A + b",NaN]]", None, False),
    ],
)
def test_an_object_an_array_and_lines_are_told_apart_by_looking(
    body: bytes, texts: list[bytes] | None, lines: bool
) -> None:
    if texts is None:
        with pytest.raises(Problem) as caught:
            split_events(body, "")
        assert caught.value.status == 400
        return
    events = split_events(body, "")
    assert (events.texts, events.lines) == (texts, lines)


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "Application/JSONL; charset=utf-8"])
def test_lines_are_lines_if_the_content_type_says_so(content_type: str) -> None:
    assert split_events(b"[1]\n", content_type).texts == [b"[1]"]
    assert split_events(b"[1]\n", content_type).lines
    assert split_events(b"no\n\nno\n", content_type).texts == [b"no", b"no"]


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("content_type", ["", "application/x-ndjson"])
def test_an_empty_body_is_no_json(body: bytes, content_type: str) -> None:
    with pytest.raises(Problem) as caught:
        split_events(body, content_type)
    assert caught.value.status == 400
    assert "empty" in caught.value.details.detail


@pytest.mark.parametrize("form", ["array", "lines"])
def test_the_number_of_events_is_bounded(form: str) -> None:
    def body(events: int) -> bytes:
        return (
            b"[" + b"{},{},{},{},{}," * (events // 5 - 1) + b"{},{},{},{},{}]" if form == "array" else b"{}\n" * events
        )

    assert len(split_events(body(EVENTS_MAX), "").texts) == EVENTS_MAX
    with pytest.raises(Problem) as caught:
        split_events(body(EVENTS_MAX + 5), "")
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"[1 2]", "(byte 3)"),
        (b'["\xff"]', "(byte 2)"),
        (b"[1", "(after byte 2)"),
        (b'["\\ud800"]', "half of a surrogate pair"),
        (b'[{"a": [1, -Infinity]}]', "-Infinity is no JSON (byte 11); send null"),
        (b'{"NaN": "NaN", "b":NaN}', "NaN is no JSON (byte 19); send null"),
        (b"", "empty"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]]", "trailing characters (byte"),
    ],
)
def test_a_body_that_is_no_json_is_told_where(body: bytes, where: str) -> None:
    assert where in why_no_json(body)
    if body.startswith((b"[1", b"[[")):  # the others are found when their elements are read
        with pytest.raises(Problem, match=r"byte|surrogate|nested") as caught:
            split_events(body, "")
        assert caught.value.status == 400
