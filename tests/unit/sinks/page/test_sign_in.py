"""Who a request is from: by a proxy's header, and by nothing else."""

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from touchstream.sinks.page.sign_in import SignIn, Visitor, for_visitors, visitor_of

SIGN_IN = SignIn(
    "X-User", ("10.1.0.0/16", "::1"), "X-Groups", frozenset({"anna", "group:ops"}), frozenset({"group:care team"})
)
NO_ONE = Visitor()
Headers = list[tuple[bytes, bytes]]


async def _page(scope: Scope, receive: Receive, send: Send) -> None:
    visitor = visitor_of(Request(scope))
    words = f"{visitor.name} {visitor.operator:d}{visitor.people:d}"
    await PlainTextResponse(words)(scope, receive, send)


def answer(
    headers: Headers,
    peer: str = "10.1.2.3",
    sign_in: SignIn | None = SIGN_IN,
    path: str = "/",
    anybody: Visitor = NO_ONE,
) -> tuple[int, str]:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(for_visitors(_page, sign_in, anybody), client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.get(path, headers=headers)

    got = asyncio.run(asked())
    return got.status_code, got.text


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([(b"X-User", b"anna")], "anna 10"),
        ([(b"x-uSER", b"anna")], "anna 10"),
        ([(b"X-User", b" bob ")], "bob 00"),
        ([(b"X-User", b"bob"), (b"X-Groups", b"sales, ops")], "bob 10"),
        ([(b"X-User", b"bob"), (b"X-Groups", b"sales"), (b"X-Groups", b"care team")], "bob 01"),
        ([(b"X-User", b"bob"), (b"X-Groups", b"group:ops,OPS,op,")], "bob 00"),
        ([(b"X-User", b"group:ops")], "group:ops 00"),
        ([(b"X-User", b"*")], "* 00"),
        ([(b"X-User", "zoë 😀".encode())], "zoë 😀 00"),
    ],
)
def test_a_visitor_is_whom_the_proxy_names_and_may_what_the_lists_say(headers: Headers, words: str) -> None:
    assert answer(headers) == (200, words)


@pytest.mark.parametrize("peer", ["10.1.255.255", "::1", "::ffff:10.1.0.1"])
def test_every_address_of_the_proxy_is_believed(peer: str) -> None:
    assert answer([(b"X-User", b"anna")], peer) == (200, "anna 10")


@pytest.mark.parametrize("peer", ["10.2.0.1", "127.0.0.1", "::2", "::ffff:10.2.0.1", "", "unix"])
def test_a_header_from_elsewhere_is_not_believed(peer: str) -> None:
    status, words = answer([(b"X-User", b"anna")], peer)
    assert (status, "anna" in words) == (403, False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 401),
        ([(b"X-User", b"")], 401),
        ([(b"X-User", b"  ")], 401),
        ([(b"X-User", b"anna"), (b"X-User", b"bob")], 400),
        ([(b"X-User", b"\xff")], 400),
        ([(b"X-User", b"a\x07b")], 400),
        ([(b"X-User", b"x" * 501)], 400),
    ],
)
def test_a_request_without_one_good_name_is_refused(headers: Headers, status: int) -> None:
    assert answer(headers)[0] == status


def test_all_who_are_signed_in_may_what_a_star_says() -> None:
    sign_in = SignIn("X-User", ("10.1.0.0/16",), operators=frozenset("*"))
    assert answer([(b"X-User", b"bob")], sign_in=sign_in) == (200, "bob 10")


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/static/page.css"])
def test_machines_ask_for_health_and_metrics_without_a_name(path: str) -> None:
    assert answer([], "10.9.9.9", path=path) == (200, " 00")


def test_without_a_proxy_a_header_says_nothing() -> None:
    assert answer([(b"X-User", b"anna")], sign_in=None, anybody=Visitor(people=True)) == (200, " 01")


@pytest.mark.parametrize("path", ["/healthz/../customers", "/staticx", "//static/x", "/metrics2", "/healthzz"])
def test_no_other_path_passes_for_one_that_machines_ask_for(path: str) -> None:
    assert answer([], path=path)[0] == 401
