"""The local ClickHouse hands over no files and calls nobody, whoever asks and however: every attack over HTTP."""

# ruff: noqa: S608 — the statements are attacks

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.integration.test_local_clickhouse_process import started
from tests.support.clickhouse_wire import Wire
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import running

pytestmark = pytest.mark.stack

HELD = "what the file holds: 7f3a"


@dataclass
class Outside:
    """What an attack wants: a file to read, one to write, an address that notes who called."""

    read: Path
    written: Path
    url: str
    calls: list[str] = field(default_factory=list)

    def untouched(self) -> bool:
        return not self.written.exists() and self.calls == []


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    found: Outside

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.calls.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    (tmp_path / "secret.txt").write_text(f"{HELD}\n")
    found = Outside(tmp_path / "secret.txt", tmp_path / "written.txt", f"http://127.0.0.1:{server.server_port}")
    Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def table(wire: Wire, unique_name: str) -> Iterator[str]:
    """An empty table (a String) in a database of its own."""
    wire.ask(f"CREATE DATABASE {unique_name}")
    wire.ask(f"CREATE TABLE {unique_name}.t (a String) ENGINE = MergeTree ORDER BY a")
    yield f"{unique_name}.t"
    wire.ask(f"DROP DATABASE {unique_name}")


READS = """
SELECT * FROM file('{read}', 'LineAsString')
SELECT file('{read}')
SELECT FILE('{read}')
SELECT `file`('{read}'), "file"('{read}')
SELECT fi/**/le('{read}')
SELECT * APPLY(file) FROM (SELECT '{read}' AS a)
SELECT COLUMNS('a') APPLY `file` FROM (SELECT '{read}' AS a)
SELECT * APPLY(x -> file(x)) FROM (SELECT '{read}' AS a)
SELECT arrayMap(file, ['{read}'])
SELECT arrayMap(`file`, ['{read}'])
SELECT * FROM file/* ( */('{read}', 'LineAsString')
SELECT $x$'$x$, file('{read}') -- '
SELECT ‘ x’, file(‘{read}’)
SELECT * FROM `{read}`
SELECT * FROM default.`{read}`
SELECT * FROM (SELECT * FROM view(SELECT * FROM file('{read}', 'LineAsString')))
WITH (SELECT max(file('{read}'))) AS x SELECT x
SELECT * FROM filesystem('{read}')
SELECT * FROM format(JSONEachRow, 'a UInt8, b String DEFAULT file(\\'{read}\\')', '{{"a": 1}}')
SELECT * FROM format(Values, 'a String', '(file(\\'{read}\\'))')
SELECT b FROM generateRandom('a String, b String ALIAS file(\\'{read}\\')') LIMIT 1
SELECT b FROM values('a String, b String ALIAS file(\\'{read}\\')', ('x'))
SELECT * FROM eval('SELECT * FROM file(\\'{read}\\', \\'LineAsString\\')')
SELECT * FROM loop(file('{read}', 'LineAsString')) LIMIT 1
SELECT * FROM sqlite('{read}', 't')
SELECT * FROM python('sys')
SELECT * FROM executable('x.sh', 'TSV', 'a String')
DESCRIBE TABLE file('{read}', 'LineAsString')
EXPLAIN SELECT * FROM file('{read}', 'LineAsString')
INSERT INTO {t} SELECT * FROM file('{read}', 'LineAsString')
INSERT INTO {t} SETTINGS max_threads = 1 (SELECT * FROM file('{read}', 'LineAsString')) FORMAT CSV
INSERT INTO {t} SETTINGS max_threads = 1 (SELECT * FROM file('{read}', 'LineAsString'))
INSERT INTO {t} FROM INFILE '{read}' FORMAT LineAsString
INSERT INTO {t} FROM/**/INFILE '{read}' FORMAT LineAsString
CREATE TABLE {t}2 (a String) ENGINE = File(LineAsString, '{read}')
CREATE TABLE {t}2 (a String) ENGINE = MergeTree ORDER BY a AS SELECT * FROM file('{read}', 'LineAsString')
CREATE TABLE {t}2 AS file('{read}', 'LineAsString')
CREATE TABLE {t}2 (a String, b String DEFAULT file('{read}')) ENGINE = Memory
CREATE TABLE {t}2 (a String) ENGINE = FileLog('{read}', 'CSV')
CREATE TABLE {t}2 (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '{read}')
CREATE TEMPORARY TABLE x (a String) ENGINE = File(LineAsString, '{read}')
CREATE VIEW {t}2 AS SELECT * FROM file('{read}', 'LineAsString')
CREATE VIEW {t}2 SQL SECURITY NONE AS SELECT 1
CREATE VIEW {t}2 AS SELECT 1 WHERE 1 IN (SELECT 1 SETTINGS additional_result_filter = 'file(\\'{read}\\') = 1')
CREATE MATERIALIZED VIEW {t}2 TO {t} AS SELECT file(a) AS a FROM {t}
CREATE DICTIONARY {t}2 (k UInt64) PRIMARY KEY k SOURCE(FILE(PATH '{read}' FORMAT 'TSV')) LAYOUT(FLAT()) LIFETIME(0)
CREATE DATABASE {t}2 ENGINE = Filesystem('{read}')
CREATE DATABASE d2 ENGINE = SQLite('{read}')
CREATE FUNCTION f AS x -> file(x)
ATTACH TABLE {t}2 FROM '{read}' (a String) ENGINE = MergeTree ORDER BY a
ALTER TABLE {t} UPDATE a = file('{read}') WHERE 1
ALTER TABLE {t} ADD COLUMN b String DEFAULT file('{read}')
ALTER TABLE {t} MODIFY SETTING storage_policy = 'x'
DELETE FROM {t} WHERE file('{read}') = 'x'
RESTORE TABLE {t} FROM File('{read}')
""".strip().splitlines()
WRITES = """
SELECT 1 INTO OUTFILE '{written}'
SELECT 1 INTO/**/OUTFILE '{written}'
SELECT 1 INTO OUTFILE $$ {written}$$
SELECT $a$'$a$ INTO OUTFILE '{written}' -- '
(SELECT 1) INTO OUTFILE '{written}'
SHOW TABLES INTO OUTFILE '{written}'
EXPLAIN SELECT 1 INTO OUTFILE '{written}'
INSERT INTO FUNCTION file('{written}', 'CSV', 'a String') VALUES ('x')
INSERT INTO FUNCTION file('{written}', 'CSV', 'a String') SELECT 'x'
INSERT INTO TABLE FUNCTION file('{written}', 'CSV', 'a String') FORMAT CSV
CREATE TABLE {t}2 (a String) ENGINE = File(CSV, '{written}')
CREATE TABLE {t}2 (a String) ENGINE = EmbeddedRocksDB(0, '{written}') PRIMARY KEY a
CREATE MATERIALIZED VIEW {t}2 ENGINE = File(CSV, '{written}') AS SELECT a FROM {t}
BACKUP TABLE {t} TO File('{written}')
""".strip().splitlines()
CALLS = """
SELECT * FROM url('{url}/a', 'CSV', 'a String')
SELECT * FROM `url`('{url}/a', 'CSV', 'a String')
SELECT * FROM urlCluster('default', '{url}/a', 'CSV', 'a String')
SELECT * FROM s3('{url}/bucket/a', 'CSV', 'a String')
SELECT * FROM remote('127.0.0.1:1', 'system.one')
SELECT * FROM clusterAllReplicas('default', 'system.one')
SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')
SELECT aiGenerate('x')
INSERT INTO FUNCTION url('{url}/a', 'CSV', 'a String') VALUES ('x')
CREATE TABLE {t}2 (a String) ENGINE = URL('{url}/a', CSV)
CREATE TABLE {t}2 (a String) ENGINE = S3('{url}/bucket/a', CSV)
CREATE TABLE {t}2 (a String) ENGINE = Kafka('127.0.0.1:1', 'a', 'b', 'CSV')
CREATE TABLE {t}2 AS url('{url}/a', 'CSV', 'a String')
CREATE TABLE {t}2 (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = web, endpoint = '{url}/')
CREATE MATERIALIZED VIEW {t}2 REFRESH EVERY 1 SECOND APPEND TO {t} AS SELECT * FROM url('{url}/a', 'CSV', 'a String')
CREATE DICTIONARY {t}2 (k UInt64) PRIMARY KEY k SOURCE(HTTP(URL '{url}/' FORMAT 'TSV')) LAYOUT(FLAT()) LIFETIME(0)
CREATE DATABASE d2 ENGINE = URL('{url}')
CREATE NAMED COLLECTION c AS url = '{url}'
BACKUP TABLE {t} TO S3('{url}/bucket/a')
BACKUP TABLE {t} TO Disk('backups', '{t}') SETTINGS base_backup = S3('{url}/bucket/a')
RESTORE TABLE {t} FROM S3('{url}/bucket/a')
""".strip().splitlines()
RIGHTS = """
CREATE USER u
GRANT ALL ON *.* TO default
SET ROLE x
SYSTEM SHUTDOWN
SYSTEM RELOAD CONFIG
EXECUTE AS default SELECT 1
""".strip().splitlines()


@pytest.mark.parametrize("statement", [*READS, *WRITES, *CALLS, *RIGHTS])
def test_no_statement_reaches_a_file_or_an_address(wire: Wire, table: str, outside: Outside, statement: str) -> None:
    asked = statement.format(read=outside.read, written=outside.written, url=outside.url, t=table)
    for answer in (wire.ask(asked), wire.ask(body=asked.encode()), wire.ask(asked, method="GET")):
        assert answer.status >= 400
        assert HELD.encode() not in answer.body
    assert outside.untouched()
    assert wire.ask(f"SELECT count() FROM {table}").body == b"0\n"


# Every one that holds a path, an address or an expression; then those that would hide what is there.
SETTINGS = {
    "format_schema": "{read}",
    "format_schema_source": "string",
    "format_template_row": "{read}",
    "format_template_resultset": "{read}",
    "format_avro_schema_registry_url": "{url}",
    "output_format_schema": "{written}",
    "input_format_record_errors_file_path": "{written}",
    "additional_result_filter": "file('{read}') = 'x'",
    "additional_table_filters": "{{'system.one': 'file(\\'{read}\\') = 1'}}",
    "parallel_replicas_custom_key": "file('{read}')",
    "dialect": "kusto",
    "polyglot_dialect": "x",
    "default_table_engine": "File",
    "url_base": "{url}",
    "allow_experimental_eval_table_function": "1",
    "allow_experimental_ai_functions": "1",
    "input_format_values_interpret_expressions": "1",
    "implicit_select": "1",
    "profile": "default",
    "into_outfile_create_parent_directories": "1",
    "max_parser_depth": "1",
    "identifier_quoting_rule": "always",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_reaches_a_file_or_an_address(wire: Wire, table: str, outside: Outside, name: str) -> None:
    value = SETTINGS[name].format(read=outside.read, written=outside.written, url=outside.url)
    clause = f"SETTINGS {name} = '{value.replace(chr(39), chr(92) + chr(39))}'"
    in_url: dict[str, Any] = {name: value}
    for answer in (
        wire.ask("SELECT 1", **in_url),
        wire.ask("SELECT 1 FORMAT CapnProto", **in_url),
        wire.ask("SELECT 1 AS a", default_format="Protobuf", **in_url),
        wire.ask("SELECT 1 AS a", headers={"X-ClickHouse-Format": "CapnProto"}, method="GET", **in_url),
        wire.ask(f"INSERT INTO {table} FORMAT Template", body=b"x", **in_url),
        wire.ask(f"SELECT 1 {clause}"),
        wire.ask(f"SELECT 1 FORMAT Template {clause}"),
        wire.ask(f"SELECT 1 /* */ SETTINGS max_threads = 1, {clause.removeprefix('SETTINGS ')}"),
        wire.ask(f"SELECT * FROM (SELECT 1 {clause})"),
        wire.ask(f"SELECT * FROM (SELECT 1 SETTINGS extremes, {clause.removeprefix('SETTINGS ')})"),
        wire.ask(f"SELECT * FROM (SELECT 1 SETTINGS a.b = 1, {clause.removeprefix('SETTINGS ')})"),
        wire.ask(f"SELECT * FROM (SELECT 1 SETTINGS limit = (1), {clause.removeprefix('SETTINGS ')})"),
        wire.ask(f"SELECT * FROM (SELECT 1 SETTINGS log_comment = [1, 2], {clause.removeprefix('SETTINGS ')})"),
        wire.ask(f"SELECT * FROM (SELECT 1 SETTINGS `{name}`)"),
        wire.ask(f"SELECT 1 WHERE 1 IN (SELECT 1 {clause})"),
        wire.ask(f"WITH x AS (SELECT 1 {clause}) SELECT * FROM x UNION ALL SELECT 2"),
        wire.ask(f"SELECT 1 UNION ALL (SELECT 1 {clause})"),
        wire.ask(f"INSERT INTO {table} {clause} FORMAT Avro", body=b"x"),
        wire.ask(f"INSERT INTO {table} {clause} VALUES ('x')"),
        wire.ask(f"INSERT INTO {table} {clause} SELECT 'x'"),
        wire.ask(f"INSERT INTO {table} {clause} (SELECT 'x') FORMAT CSV"),
        wire.ask(f"CREATE VIEW {table}2 AS SELECT 1 {clause}"),
        wire.ask(f"SET {clause.removeprefix('SETTINGS ')}"),
    ):
        assert answer.status >= 400
        assert answer.code in ("115", "62"), answer
        assert HELD.encode() not in answer.body
    assert outside.untouched()
    assert wire.ask(f"SELECT count() FROM {table}").body == b"0\n"


def test_data_and_tables_that_are_sent_hold_no_expressions(wire: Wire, table: str, outside: Outside) -> None:
    rows = f"(file('{outside.read}'))"
    assert wire.ask(f"INSERT INTO {table} VALUES {rows}").status >= 400
    assert wire.ask(f"INSERT INTO {table} FORMAT Values", body=rows.encode()).status >= 400
    for structure, form in (
        (f"a String DEFAULT file('{outside.read}')", "CSV"),
        (f"a String) AS SELECT * FROM file('{outside.read}', 'LineAsString'", "CSV"),
        ("a String", f"CSV SETTINGS format_schema = '{outside.read}'"),
        ("a String", "CSV FROM INFILE '/x' FORMAT CSV"),
    ):
        edge = "edge"
        sent = f'--{edge}\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n1\r\n--{edge}--\r\n'
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        asked: dict[str, Any] = {"query": "SELECT * FROM x", "x_structure": structure, "x_format": form}
        answer = wire.ask(body=sent.encode(), headers=kind, **asked)
        assert answer.status >= 400
        assert HELD.encode() not in answer.body
    assert outside.untouched()
    assert wire.ask(f"SELECT count() FROM {table}").body == b"0\n"


def test_several_statements_are_refused_however_they_are_hidden(wire: Wire, table: str) -> None:
    for text in (
        f"INSERT INTO {table} VALUES ('x'); DROP TABLE {table}",
        f"SELECT 1;\nDROP TABLE {table}",
        f"SELECT $x$;$x$; DROP TABLE {table}",
        f"SELECT ‘;’ ; DROP TABLE {table}",
    ):
        assert wire.ask(text).code == "62"
        assert wire.ask(body=text.encode()).code == "62"
    assert wire.ask(f"SELECT count() FROM {table}").body == b"0\n"


def test_statements_that_only_look_like_a_way_out_go_on_working(wire: Wire, table: str) -> None:
    for statement, answer in (
        ("SELECT 'file(\\'/x\\') INTO OUTFILE', `settings` FROM (SELECT 1 AS settings) WHERE settings = 1", None),
        ("SELECT x.file, url FROM (SELECT 1 AS file, 2 AS url) AS x WHERE x.file = 1 ORDER BY url", b"1\t2\n"),
        ("SELECT settings, a = 1 FROM (SELECT 1 AS settings, 2 AS a) ORDER BY settings, a", b"1\t0\n"),
        ("SELECT 1 SETTINGS max_execution_time = 9.5, limit = 1 FORMAT TSV", b"1\n"),
        ("SHOW SETTINGS LIKE 'max_threads'", None),
        ("SELECT 1 AS y UNION ALL (SELECT 1 SETTINGS max_threads = 1) SETTINGS max_block_size = 10", b"1\n1\n"),
        ("SELECT (SELECT 1 SETTINGS max_threads = 1), number = 2 FROM numbers(1)", b"1\t0\n"),
        ("SELECT count() FROM merge(currentDatabase(), '^t$')", None),
        (
            f"CREATE TABLE {table}2 (a UInt8) ENGINE = ReplacingMergeTree ORDER BY a SETTINGS index_granularity = 64",
            b"",
        ),
        (f"CREATE VIEW {table}3 AS SELECT * FROM {table}2 SETTINGS max_threads = 1", b""),
        (f"INSERT INTO {table}2 VALUES (1), ( 2)", b""),
        (f"SELECT count() FROM {table}3", b"2\n"),
        (f"BACKUP TABLE {table}2 TO Disk('backups', '{table}')", None),
        (f"RESTORE TABLE {table}2 AS {table}4 FROM Disk('backups', '{table}')", None),
        (f"SELECT count() FROM {table}4", b"2\n"),
        (f"SHOW CREATE TABLE {table}2", None),
        (f"EXISTS TABLE {table}2", b"1\n"),
        (f"DESCRIBE TABLE {table}2 FORMAT JSONEachRow", None),
    ):
        found = wire.ask(statement, database=table.partition(".")[0])
        assert found.status == 200, found.body
        assert answer in (None, found.body)


def test_a_backup_stays_in_the_data_directory(wire: Wire, table: str, outside: Outside) -> None:
    for place in (
        "Disk('backups', '../../x')",
        f"Disk('backups', '{outside.written}')",
        "Disk('default', 'x')",
        "File('x')",
    ):
        assert wire.ask(f"BACKUP TABLE {table} TO {place}").status >= 400, place
    assert outside.untouched()


OLD = """
CREATE VIEW x.old AS SELECT * FROM file('{read}', 'LineAsString')
CREATE VIEW x.old SQL SECURITY NONE AS SELECT 1 AS a
CREATE VIEW x.old AS SELECT file('{read}') AS a
CREATE VIEW x.old AS SELECT 1 AS a WHERE a IN (SELECT 1 SETTINGS additional_result_filter = '1')
CREATE TABLE x.old (a String) ENGINE = File(LineAsString, '{read}')
CREATE TABLE x.old (a String) ENGINE = URL('{url}/a', CSV)
CREATE TABLE x.old (a UInt8, b String DEFAULT file('{read}')) ENGINE = MergeTree ORDER BY a
CREATE DICTIONARY x.old (k UInt64) PRIMARY KEY k SOURCE(HTTP(URL '{url}/' FORMAT 'TSV')) LAYOUT(FLAT()) LIFETIME(0)
CREATE DATABASE old ENGINE = Filesystem('{read}')
""".strip().splitlines()
MAKE_OLD = """
import sys
from chdb import _chdb
for statement in ("CREATE DATABASE IF NOT EXISTS x", sys.argv[2]):
    connection = _chdb.connect(sys.argv[1])
    connection.query(statement)
"""


@pytest.mark.parametrize("statement", OLD)
def test_definitions_of_an_old_data_directory_do_not_run(tmp_path: Path, outside: Outside, statement: str) -> None:
    data = tmp_path / "data"
    made = statement.format(read=outside.read, url=outside.url)
    # Without a right that nobody has by default, the engine doesn't make the one without security.
    made, lacks = made.replace("SECURITY NONE", "SECURITY INVOKER"), "SECURITY NONE" in made
    subprocess.run([sys.executable, "-c", MAKE_OLD, str(data), made], check=True)
    for definition in data.rglob("old.sql") if lacks else ():
        definition.write_text(definition.read_text().replace("SECURITY INVOKER", "SECURITY NONE"))
    server = started(ClickHouse(data, free_port()))
    assert server.returncode == 1
    assert "old.sql: Code: " in server.stderr
    assert outside.untouched()


def test_a_data_directory_with_tables_views_and_backups_starts_again(tmp_path: Path) -> None:
    clickhouse = ClickHouse(tmp_path / "data", free_port())
    with running(clickhouse.child(), tmp_path):
        wire = Wire(clickhouse.url())
        for statement in (
            "CREATE DATABASE x",
            "CREATE TABLE x.t (a String) ENGINE = MergeTree ORDER BY a",
            "CREATE TABLE x.sums (a String, n UInt64) ENGINE = SummingMergeTree ORDER BY a",
            "CREATE VIEW x.v AS SELECT * FROM x.t SETTINGS max_threads = 1",
            "CREATE MATERIALIZED VIEW x.feed TO x.sums AS SELECT a, 1 AS n FROM x.t",
            "BACKUP DATABASE x TO Disk('backups', 'one')",
        ):
            assert wire.ask(statement).status == 200, statement
    with running(clickhouse.child(), tmp_path):
        assert Wire(clickhouse.url()).ask("RESTORE DATABASE x AS y FROM Disk('backups', 'one')").status == 200


def test_links_in_a_data_directory_are_not_followed(tmp_path: Path, outside: Outside) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    outside.written.write_text("before")
    for name in ("config.xml", "users.xml", "backups", "incoming"):
        (data / name).symlink_to(outside.written if name.endswith("xml") else tmp_path)
        server = started(ClickHouse(data, free_port()))
        assert server.returncode == 1
        assert f"{data / name} is a link" in server.stderr
        (data / name).unlink()
    assert outside.written.read_text() == "before"
    whole = tmp_path / "link"
    whole.symlink_to(data)
    server = started(ClickHouse(whole, free_port()))
    assert "is a link" in server.stderr


def test_nobody_else_may_enter_the_data_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    clickhouse = ClickHouse(data, free_port())
    with running(clickhouse.child(), tmp_path):
        assert data.stat().st_mode & 0o777 == 0o700
        assert (data / "backups").stat().st_mode & 0o777 == 0o700
        assert [path.name for path in data.glob("*.xml") if path.stat().st_mode & 0o077] == []


def test_every_table_function_of_the_engine_but_those_known_is_refused(wire: Wire) -> None:
    names = wire.ask("SELECT name FROM system.table_functions").body.decode().split()
    arguments = dict.fromkeys(names, "1, 2") | {"viewIfPermitted": "SELECT 1 ELSE numbers(1)"}
    refused = [name for name in names if wire.ask(f"SELECT * FROM {name}({arguments[name]})").code == "497"]
    assert set(names) - set(refused) == {
        *("numbers", "numbers_mt", "zeros", "zeros_mt", "generateSeries", "generate_series", "merge", "view")
    }
