"""What a process of this machine answers, whatever speaks on its port."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from touchstream.deploy.local.loopback import body, get, is_well
from touchstream.deploy.local.ports import LOOPBACK, free_port


@contextmanager
def speaking(answer: bytes) -> Iterator[str]:
    """A server that says this to everybody who asks, and hangs up; its URL."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def speak() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = Thread(target=speak, daemon=True)
        thread.start()
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}/healthz"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff",
    ],
)
def test_a_server_that_is_none_of_ours_gives_no_answer(answer: bytes) -> None:
    with speaking(answer) as url:
        assert (get(url), body(url), is_well(url)) == (None, None, None)


def test_no_server_gives_no_answer() -> None:
    assert get(f"http://{LOOPBACK}:{free_port()}/") is None


@pytest.mark.parametrize(("status", "has_body", "well"), [(200, True, True), (404, False, True), (503, False, False)])
def test_only_503_asks_to_be_replaced(status: int, has_body: bool, well: bool) -> None:
    with speaking(b"HTTP/1.1 %d Words\r\nContent-Length: 2\r\n\r\nok" % status) as url:
        assert get(url) == (status, "ok")
        assert body(url) == ("ok" if has_body else None)
        assert is_well(url) is well


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://{LOOPBACK}:{free_port()}")
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as url:
        assert body(url) == "ok"
