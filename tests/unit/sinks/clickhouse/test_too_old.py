"""A ClickHouse that is too old is refused with the version it needs to be, and not by what fails first."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from touchstream.sinks.clickhouse.client import ServerTooOldError, connect_directly, refuse_too_old


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, str]]]:
    """What answers as ClickHouse 18.16 does: it has no column `readonly` in its settings. And what it says to be."""
    said = {"version": "18.16.1"}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            known = asked == b"SELECT version()"
            answer = said["version"] if known else "Code: 47, e.displayText() = DB::Exception: Unknown identifier"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(f"{answer}\n".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://someone:secret@127.0.0.1:{server.server_port}/touchstream", said
    server.shutdown()
    server.server_close()


def test_a_server_that_the_driver_cannot_talk_to_is_told_to_be_too_old(server: tuple[str, dict[str, str]]) -> None:
    with pytest.raises(ServerTooOldError, match=r"^ClickHouse 18\.16 is too old: touchstream needs 25\.8 or newer"):
        connect_directly(server[0])


def test_another_refusal_keeps_its_own_words(server: tuple[str, dict[str, str]]) -> None:
    server[1]["version"] = "26.3.1.1"
    with pytest.raises(DatabaseError, match="Unknown identifier"):
        connect_directly(server[0])


def test_versions_are_compared_as_numbers() -> None:
    for version in ("25.8", "25.8.2.1-lts", "25.10.1.1", "26.9.2.1", "100.1", "unknown", ""):
        refuse_too_old(version)
    for version in ("18.16.1", "24.12.9.9", "25.7.99.1"):
        with pytest.raises(ServerTooOldError):
            refuse_too_old(version)
