"""The process of the local ClickHouse: several clients at once, ends of every kind, and what stays on disk."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from tests.support.clickhouse_wire import password_of
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import ChildError, running

pytestmark = pytest.mark.stack

TABLE = "CREATE TABLE kept (batch UInt64, n UInt64) ENGINE = MergeTree ORDER BY batch"
BATCH_ROWS = 1000
WRITER = """
import sys, clickhouse_connect
url, database, me = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = clickhouse_connect.get_client(dsn=url, database=database)
for number in range(1, 21):
    client.raw_insert("kept", ["batch", "n"], f"{me},7\\n" * 1000, fmt="CSV")
    assert client.command("SELECT count() FROM kept WHERE batch = {b:UInt64}", {"b": me}) == number * 1000
"""


def connect(url: str) -> Client:
    place = urlsplit(url)
    client = clickhouse_connect.get_client(
        host=place.hostname,
        port=place.port,
        username=place.username,
        password=place.password or "",
        autogenerate_session_id=False,
    )
    client.command("CREATE DATABASE IF NOT EXISTS mine")
    client.database = "mine"
    return client


def started(clickhouse: ClickHouse) -> "subprocess.CompletedProcess[str]":
    """A server that doesn't come up."""
    child = clickhouse.child()
    environment = os.environ | child.env
    return subprocess.run(child.argv, env=environment, capture_output=True, text=True, check=False, timeout=60)


def batch(number: int) -> list[list[int]]:
    return [[number, row] for row in range(BATCH_ROWS)]


def test_acknowledged_rows_survive_a_kill_in_the_middle_of_inserts(tmp_path: Path) -> None:
    clickhouse = ClickHouse(tmp_path / "data", free_port())
    acknowledged = 0
    with running(clickhouse.child(), tmp_path) as process:
        client = connect(clickhouse.url())
        client.command(TABLE)
        with pytest.raises(ClickHouseError):
            while True:
                client.insert("kept", batch(acknowledged))
                acknowledged += 1
                if acknowledged == 20:
                    assert process.pid is not None
                    # From another process, so that it comes at any time of the next inserts.
                    killer = subprocess.Popen([sys.executable, "-c", f"import os; os.kill({process.pid}, 9)"])
        killer.wait()
    with running(clickhouse.child(), tmp_path):
        client = connect(clickhouse.url())
        batches = client.query("SELECT batch, count() FROM kept GROUP BY batch ORDER BY batch").result_rows
        # The batch that was under way is there as a whole or not at all.
        assert batches in (
            [(number, BATCH_ROWS) for number in range(acknowledged)],
            [(number, BATCH_ROWS) for number in range(acknowledged + 1)],
        )
        client.insert("kept", batch(acknowledged + 1))


def test_a_query_that_runs_is_answered_before_the_end(tmp_path: Path) -> None:
    clickhouse = ClickHouse(tmp_path / "data", free_port())
    with running(clickhouse.child(), tmp_path) as process, ThreadPoolExecutor(1) as thread:
        client = connect(clickhouse.url())
        client.command(TABLE)
        asked = thread.submit(client.command, "INSERT INTO kept SELECT sleepEachRow(0.5), number FROM numbers(2)")
        other = connect(clickhouse.url())
        while not other.command("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO kept%'"):
            assert not asked.done()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGTERM)
        asked.result()
    with running(clickhouse.child(), tmp_path):
        assert connect(clickhouse.url()).command("SELECT count() FROM kept") == 2


def test_four_processes_write_and_read_at_once(clickhouse_url: str, unique_name: str) -> None:
    client = connect(clickhouse_url)
    client.command(f"CREATE DATABASE {unique_name}")
    client.database = unique_name
    client.command(TABLE)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, clickhouse_url, unique_name, str(me)]) for me in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    counts = client.query("SELECT batch, count() FROM kept GROUP BY batch ORDER BY batch").result_rows
    assert counts == [(me, 20 * BATCH_ROWS) for me in range(4)]
    client.command(f"DROP DATABASE {unique_name}")


def test_a_directory_in_use_and_a_port_in_use_are_said_plainly(tmp_path: Path, clickhouse_url: str) -> None:
    first = ClickHouse(tmp_path / "data", free_port())
    taken = urlsplit(clickhouse_url).port
    assert taken is not None
    with running(first.child(), tmp_path):
        second = ClickHouse(first.path, free_port())
        with (
            pytest.raises(ChildError, match=r"(?s)Cannot lock file.*can't open .*data: .*another process"),
            running(second.child("second"), tmp_path),
        ):
            pass
    # Its own check for readiness would find the other ClickHouse on that port.
    third = started(ClickHouse(tmp_path / "other", taken))
    assert third.returncode == 1
    assert f"can't listen on 127.0.0.1:{taken}: Address already in use; choose another port" in third.stderr


LISTENER = """
import os, socket, sys
os.setuid(65_534)
for options in ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)):
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as one:
            for option in options:
                one.setsockopt(socket.SOL_SOCKET, option, 1)
            try:
                one.bind((address, int(sys.argv[1])))
                one.listen()
            except OSError:
                continue
            print(options, address)
"""
"""A process of another user that tries to listen on a port in every way; it prints those that it can."""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run a process as another user")
def test_no_other_user_can_listen_on_the_port_of_a_clickhouse_whether_it_runs_or_not(tmp_path: Path) -> None:
    clickhouse = ClickHouse(tmp_path / "data", free_port())

    def listened() -> str:
        command = [sys.executable, "-I", "-c", LISTENER, str(clickhouse.port)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert listened() != ""
    child = clickhouse.child()
    assert listened() == ""
    for _ in range(2):
        with running(child, tmp_path) as process:
            assert connect(clickhouse.url("default")).command("SELECT 1") == 1
            assert listened() == ""
            process.kill()
            assert listened() == ""
            assert not clickhouse.answers()  # at once: nothing listens


def test_a_server_that_had_the_port_before_is_not_taken_for_clickhouse_and_told_nothing(tmp_path: Path) -> None:
    told: list[str] = []

    class Impostor(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.requestline + str(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"Ok.\n")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Impostor) as impostor:
        threading.Thread(target=impostor.serve_forever, daemon=True).start()
        clickhouse = ClickHouse(tmp_path / "data", impostor.server_port)
        assert clickhouse.answers()
        with pytest.raises(ChildError, match="choose another port"), running(clickhouse.child(), tmp_path):
            connect(clickhouse.url("default"))
        impostor.shutdown()
    assert not any(clickhouse.password in one or "authorization" in one.lower() for one in told)


def test_a_directory_that_the_engine_would_take_for_a_pattern_is_refused(tmp_path: Path) -> None:
    odd = ClickHouse(tmp_path / "odd*{name}", free_port())
    with pytest.raises(ChildError, match="choose one without them"), running(odd.child(), tmp_path):
        pass


def test_a_server_that_is_gone_is_an_error_soon(tmp_path: Path) -> None:
    clickhouse = ClickHouse(tmp_path / "data", free_port())
    with running(clickhouse.child(), tmp_path):
        client = connect(clickhouse.url())
    assert not clickhouse.answers()
    with pytest.raises(OperationalError):
        client.command("SELECT 1")


@pytest.mark.parametrize("waits", ["0", "1"])
def test_answers_to_many_at_once_are_whole_and_nobody_elses(clickhouse_url: str, waits: str) -> None:
    place, headers = urlsplit(clickhouse_url).netloc.rpartition("@")[2], password_of(clickhouse_url)
    asked = "SELECT number, '{me}', repeat('{me}', number % 1000) FROM numbers(2000) FORMAT RowBinary"

    def answers(me: int) -> set[bytes]:
        connection, found = HTTPConnection(place), set()
        for _ in range(20):
            connection.request("POST", f"/?wait_end_of_query={waits}", asked.format(me=me), headers)
            found.add(connection.getresponse().read())
        connection.close()
        return found

    with ThreadPoolExecutor(8) as threads:
        for me, found in enumerate(threads.map(answers, range(8))):
            assert len(found) == 1
            assert found.pop().endswith(bytes([1, ord(str(me)), 999 & 127 | 128, 999 >> 7]) + str(me).encode() * 999)
