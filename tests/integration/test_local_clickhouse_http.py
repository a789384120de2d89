"""The local ClickHouse on the wire: what curl, Grafana and other clients see."""

# ruff: noqa: S608 — the names in the statements are made by this file

import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import lz4.frame  # type: ignore[import-untyped]
import pytest
import zstandard

from tests.support.clickhouse_wire import Wire, basic

pytestmark = pytest.mark.stack


@pytest.fixture
def table(wire: Wire, unique_name: str) -> Iterator[str]:
    """An empty table (n UInt64) in a database of its own."""
    wire.ask(f"CREATE DATABASE {unique_name}")
    wire.ask(f"CREATE TABLE {unique_name}.t (n UInt64) ENGINE = MergeTree ORDER BY n")
    yield f"{unique_name}.t"
    wire.ask(f"DROP DATABASE {unique_name}")


@pytest.mark.parametrize("path", ["/", "/ping", "/replicas_status"])
def test_health_checks_are_answered(wire: Wire, path: str) -> None:
    answer = wire.ask(method="GET", path=path)
    assert (answer.status, answer.body) == (200, b"Ok.\n")


def test_an_unknown_path_is_not_found(wire: Wire) -> None:
    assert wire.ask(method="GET", path="/no/such").status == 404


def test_the_statement_is_in_the_url_or_in_the_body_or_in_both(wire: Wire) -> None:
    assert wire.ask("SELECT 1").body == b"1\n"
    assert wire.ask("SELECT 1", method="GET").body == b"1\n"
    assert wire.ask(body=b"SELECT 1").body == b"1\n"
    assert wire.ask("SELECT", body=b"1").body == b"1\n"
    assert wire.ask(body=iter([b"SEL", b"ECT 1"])).body == b"1\n"


def test_the_answers_format_is_the_statements_then_the_clients(wire: Wire) -> None:
    for answer in (
        wire.ask("SELECT 1 AS n FORMAT JSONEachRow", default_format="CSV"),
        wire.ask("SELECT 1 AS n", default_format="JSONEachRow"),
        wire.ask("SELECT 1 AS n", headers={"X-ClickHouse-Format": "JSONEachRow"}),
    ):
        assert answer.body == b'{"n":1}\n'
        assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
        assert answer.headers["Content-Type"] == "application/x-ndjson; charset=UTF-8"


def test_an_answer_says_what_a_servers_does(wire: Wire, table: str) -> None:
    inserted = wire.ask(f"INSERT INTO {table} FORMAT CSV", body=b"1\n2\n3\n", query_id="mine")
    summary = json.loads(inserted.headers["X-ClickHouse-Summary"])
    assert (summary["written_rows"], summary["written_bytes"], inserted.body) == ("3", "24", b"")
    assert inserted.headers["X-ClickHouse-Query-Id"] == "mine"
    assert inserted.headers["X-ClickHouse-Timezone"] == "UTC"
    assert inserted.headers["X-ClickHouse-Server-Display-Name"]
    assert "X-ClickHouse-Format" not in inserted.headers
    read = wire.ask(f"SELECT n FROM {table} WHERE n % 2 = 5", wait_end_of_query="1")
    summary = json.loads(read.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("3", "0")
    assert read.headers["X-ClickHouse-Format"] == "TabSeparated"


@pytest.mark.parametrize(
    ("statement", "status", "code"),
    [
        ("SELECT * FROM system.missing", 404, "60"),
        ("SELECT * FROM missing.missing", 404, "81"),
        ("SELECT 1 SETTINGS missing = 1", 404, "115"),
        ("selec", 400, "62"),
        ("SELECT 1; SELECT 2", 400, "62"),
        ("SELECT toUInt8('x')", 400, "6"),
        ("SELECT count() FROM system.numbers SETTINGS max_execution_time = 0.1", 408, "159"),
        ("SELECT throwIf(1)", 500, "395"),
        ("SELECT {missing:String}", 500, "456"),
    ],
)
def test_an_error_has_clickhouses_status_code_and_text(wire: Wire, statement: str, status: int, code: str) -> None:
    for method, waits in (("GET", "0"), ("POST", "1"), ("HEAD", "0")):
        answer = wire.ask(statement, method=method, wait_end_of_query=waits)
        assert (answer.status, answer.code) == (status, code)
        if method != "HEAD":
            assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())
            assert answer.body.endswith(b")\n")


def test_the_connection_goes_on_after_an_insert_that_failed(wire: Wire, table: str) -> None:
    rows = b"".join(b"%d\n" % number for number in range(500_000))
    for body in (rows, iter([rows, rows])):
        assert wire.ask(f"INSERT INTO {table} FORMAT CSV", body=body, no_such_setting="1").code == "115"
        assert wire.ask(f"SELECT count() FROM {table}").body == b"0\n"
    assert wire.ask(f"INSERT INTO {table} (missing) FORMAT CSV", body=rows).code == "16"
    assert wire.ask(f"SELECT count() FROM {table}").body == b"0\n"


def test_get_changes_nothing(wire: Wire, table: str) -> None:
    for statement in (f"INSERT INTO {table} VALUES (1)", f"DROP TABLE {table}", "CREATE DATABASE never"):
        assert wire.ask(statement, method="GET").code == "164"
    assert wire.ask(f"SELECT count() FROM {table}", method="GET", max_threads="1").body == b"0\n"


@pytest.mark.parametrize("readonly", ["00", "+0", " 0", "0.0", "0x0", "false", "", "3", "-1"])
def test_readonly_is_one_of_three_texts(wire: Wire, table: str, readonly: str) -> None:
    for method in ("GET", "POST"):
        answer = wire.ask(f"INSERT INTO {table} VALUES (1)", method=method, readonly=readonly)
        assert (answer.status, answer.code) == (400, "36")
    assert wire.ask(f"SELECT count() FROM {table}").body == b"0\n"


@pytest.mark.parametrize(("readonly", "code"), [("0", None), ("1", "164"), ("2", "164")])
def test_readonly_holds_and_get_is_always_so(wire: Wire, table: str, readonly: str, code: str | None) -> None:
    assert wire.ask(f"INSERT INTO {table} FORMAT CSV", body=b"1\n", readonly=readonly).code == code
    for statement in (f"INSERT INTO {table} VALUES (1)", f"INSERT INTO {table} SETTINGS readonly = 0 VALUES (1)"):
        assert wire.ask(statement, method="GET", readonly=readonly).code == "164"
    assert wire.ask("SELECT 1", method="GET", readonly=readonly).body == b"1\n"


def test_the_database_is_the_clients(wire: Wire, table: str) -> None:
    database = table.partition(".")[0]
    wire.ask("INSERT INTO t FORMAT CSV", body=b"7\n", database=database)
    assert wire.ask("SELECT n FROM t", database=database).body == b"7\n"
    assert wire.ask("SELECT n FROM t", headers={"X-ClickHouse-Database": database}).body == b"7\n"
    missing = wire.ask("SELECT 1", database="missing")
    assert (missing.status, missing.code) == (404, "81")


def test_parameters_are_texts_whatever_is_in_them(wire: Wire) -> None:
    asked = "SELECT {a:String}, {b:Array(UInt8)} FORMAT JSONCompact"
    answer = wire.ask(asked, param_a="it's \\\\ ü", param_b="[1, 2]")
    assert json.loads(answer.body)["data"] == [["it's \\ ü", [1, 2]]]


def test_settings_in_the_url_hold_and_unknown_ones_are_refused(wire: Wire) -> None:
    assert wire.ask("SELECT getSetting('max_threads')", max_threads="3").body == b"3\n"
    for name in ("no_such_setting", "no such = 1, setting", "a`b"):
        unknown: dict[str, Any] = {name: "1"}
        answer = wire.ask("SELECT 1", **unknown)
        assert (answer.status, answer.code) == (404, "115")
        assert name.encode() in answer.body


DECOMPRESS = {"gzip": gzip.decompress, "lz4": lz4.frame.decompress, "zstd": zstandard.decompress}


@pytest.mark.parametrize("encoding", DECOMPRESS)
@pytest.mark.parametrize("waits", ["0", "1"])
def test_answers_are_compressed_as_the_client_accepts(wire: Wire, encoding: str, waits: str) -> None:
    accepted = {"Accept-Encoding": f"br, {encoding};q=0.5"}
    asked = "SELECT number FROM numbers(100000)"
    answer = wire.ask(asked, headers=accepted, wait_end_of_query=waits)
    assert answer.headers["Content-Encoding"] == encoding
    stream = zstandard.ZstdDecompressor().decompressobj().decompress if encoding == "zstd" else DECOMPRESS[encoding]
    assert stream(answer.body) == b"".join(b"%d\n" % number for number in range(100_000))
    assert "Content-Encoding" not in wire.ask(asked, headers=accepted, enable_http_compression="0").headers
    assert "Content-Encoding" not in wire.ask("SELECT missing", headers=accepted).headers


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"7\n", mtime=0)),
        ("lz4", lz4.frame.compress(b"7\n")),
        ("zstd", zstandard.compress(b"7\n")),
    ],
)
def test_inserts_are_decompressed(wire: Wire, table: str, encoding: str, body: bytes) -> None:
    wire.ask(f"INSERT INTO {table} FORMAT CSV", body=body, headers={"Content-Encoding": encoding})
    assert wire.ask(f"SELECT n FROM {table}").body == b"7\n"
    damaged = wire.ask(f"INSERT INTO {table} FORMAT CSV", body=body[:-2], headers={"Content-Encoding": encoding})
    assert damaged.code == "271"
    assert wire.ask(f"SELECT n FROM {table}").body == b"7\n"


def test_native_compression_is_refused_with_what_to_use(wire: Wire) -> None:
    answer = wire.ask("SELECT 1", compress="1")
    assert (answer.status, answer.code) == (501, "48")
    assert b"use Content-Encoding, Accept-Encoding" in answer.body


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(wire: Wire, table: str) -> None:
    wire.connection.putrequest("POST", f"/?{urlencode({'query': f'INSERT INTO {table} FORMAT CSV'})}")
    wire.connection.putheader("Authorization", wire.headers["Authorization"])
    wire.connection.putheader("Content-Length", str(2 << 30))
    wire.connection.endheaders()
    response = wire.connection.getresponse()
    assert response.status == 413
    assert b"send it in several" in response.read()


def test_an_insert_that_breaks_off_inserts_nothing(wire: Wire, clickhouse_url: str, table: str) -> None:
    wire.connection.putrequest("POST", f"/?{urlencode({'query': f'INSERT INTO {table} FORMAT CSV'})}")
    wire.connection.putheader("Authorization", wire.headers["Authorization"])
    wire.connection.putheader("Content-Length", "1000")
    wire.connection.endheaders(b"1\n2\n3\n")
    wire.connection.close()
    later = Wire(clickhouse_url)
    assert later.ask(f"INSERT INTO {table} FORMAT CSV", body=b"4\n").status == 200
    assert later.ask(f"SELECT n FROM {table}").body == b"4\n"
    later.connection.close()


@pytest.mark.parametrize("form", ["Native", "RowBinary", "JSONEachRow", "CSV", "TSV"])
def test_an_endless_query_is_answered_at_once_and_ends_when_the_client_goes(
    wire: Wire, clickhouse_url: str, unique_name: str, form: str
) -> None:
    endless = f"SELECT number, '{unique_name}' FROM system.numbers FORMAT {form}"
    wire.connection.request("POST", "/", endless, wire.headers)
    response = wire.connection.getresponse()
    assert len(response.read(100_000)) == 100_000
    other = Wire(clickhouse_url)
    running = f"SELECT count() FROM system.processes WHERE query LIKE '%{unique_name}%system.numbers%'"
    assert other.ask(running).body == b"2\n"  # itself, too
    response.close()
    wire.connection.close()
    while other.ask(running).body != b"1\n":
        pass
    other.connection.close()


def test_a_client_says_the_password_in_any_of_a_servers_ways(wire: Wire) -> None:
    password, wire.headers = wire.password, {}
    for headers, parameters in (
        (basic(f"default:{password}"), {}),
        (basic(f":{password}"), {}),
        ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": password}, {}),
        ({"X-ClickHouse-Key": password}, {}),
        ({}, {"user": "default", "password": password}),
    ):
        given: dict[str, Any] = parameters
        assert wire.ask("SELECT currentUser()", headers=headers, **given).body == b"default\n"


def test_nobody_else_may(wire: Wire) -> None:
    password, wire.headers = wire.password, {}
    for headers, parameters in (
        ({}, {}),
        (basic("default:"), {}),
        (basic("default:secret"), {}),
        (basic(f"eve:{password}"), {}),
        (basic(f"default:{password} "), {}),
        ({"Authorization": f"Bearer {password}"}, {}),
        ({"Authorization": "Basic ???"}, {}),
        ({"X-ClickHouse-User": "eve", "X-ClickHouse-Key": password}, {}),
        ({"X-ClickHouse-User": "default"}, {}),
        ({"X-ClickHouse-Key": "secret"}, {}),
        ({}, {"user": "eve", "password": password}),
        ({}, {"user": "default"}),
        ({}, {"password": "secret"}),
    ):
        given: dict[str, Any] = parameters
        for method in ("GET", "POST"):
            answer = wire.ask("SELECT 1", headers=headers, method=method, **given)
            assert (answer.status, answer.code) == (403, "516")
            assert password.encode() not in answer.body


def test_a_form_is_not_read_before_the_password(wire: Wire) -> None:
    edge = "edge"
    sent = f'--{edge}\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1\r\n--{edge}--\r\n'
    wire.headers = {}
    for method in ("GET", "POST"):
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        assert wire.ask(body=sent.encode(), method=method, headers=kind).code == "516"
    assert wire.ask(method="GET", path="/ping").body == b"Ok.\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "rebound.example.com:8123"},
        {"Host": "127.0.0.1.example.com:8123"},
        {"Host": "127.0.0.1"},
        {"Host": ""},
        # as an image tag sends it, which sends no Origin
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/ping"])
def test_web_pages_of_other_sites_may_not_ask(wire: Wire, headers: dict[str, str], path: str) -> None:
    assert wire.ask("SELECT 1", headers=headers, path=path).status == 403
    assert wire.ask("SELECT 1", headers=headers, path=path, method="GET").status == 403


def test_a_request_without_a_host_or_with_two_is_refused(wire: Wire) -> None:
    for hosts in ([], ["127.0.0.1:1", "127.0.0.1:1"]):
        wire.connection.putrequest("GET", "/ping", skip_host=True)
        for host in hosts:
            wire.connection.putheader("Host", host)
        wire.connection.endheaders()
        response = wire.connection.getresponse()
        assert (response.status, b"only this machine" in response.read()) == (403, True)


def test_this_machine_asks_under_any_of_its_names(wire: Wire) -> None:
    own = f"127.0.0.1:{wire.connection.port}"
    for headers in (
        {"Host": "localhost:8123"},
        {"Host": "[::1]:8123"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{own}"},
    ):
        assert wire.ask("SELECT 1", headers=headers).body == b"1\n"


def test_headers_of_an_answer_hold_no_line_ends_of_the_client(wire: Wire) -> None:
    answer = wire.ask("SELECT 1", query_id="a\r\nX-Bad: 1 ü")
    assert (answer.status, answer.headers["X-ClickHouse-Query-Id"]) == (200, "a??X-Bad: 1 ?")
    assert "X-Bad" not in answer.headers
