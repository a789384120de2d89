"""The local ClickHouse answers clickhouse-connect as a server does."""

import datetime as dt
import gzip
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import clickhouse_connect
import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

pytestmark = pytest.mark.stack

TYPES = {
    "u": "UInt64",
    "low": "LowCardinality(String)",
    "maybe": "Nullable(Int32)",
    "low_maybe": "LowCardinality(Nullable(String))",
    "list": "Array(String)",
    "map": "Map(String, UInt8)",
    "ms": "DateTime64(3, 'UTC')",
    "second": "DateTime",
    "day": "Date",
    "f": "Float64",
    "word": "Enum8('x' = 1, 'y' = 2)",
    "id": "UUID",
    "money": "Decimal(18, 4)",
    "yes": "Bool",
    "pairs": "Array(Tuple(Int8, String))",
    "text": "String",
}
NOON = dt.datetime(2024, 3, 10, 12, 0, 0, 123_000)  # noqa: DTZ001 — clickhouse-connect gives UTC without a zone
ROW: tuple[Any, ...] = (
    *(2**64 - 1, "web", None, None, ["a", "", "ü 🛫"], {"k": 1, "": 0}, NOON, NOON.replace(microsecond=0), NOON.date()),
    *(-0.5, "y", UUID(int=5), Decimal("1.2500"), True, [(1, "q"), (-2, "")], "it's \\ \n\t\0 ü"),
)


def connect(clickhouse_url: str, database: str | None = None, **options: Any) -> Client:
    url = urlsplit(clickhouse_url)
    return clickhouse_connect.get_client(
        host=url.hostname,
        port=url.port,
        username=url.username,
        password=url.password or "",
        database=database,
        **options,
    )


@pytest.fixture
def client(clickhouse_url: str, unique_name: str) -> Iterator[Client]:
    """A client of a database of its own."""
    client = connect(clickhouse_url, autogenerate_session_id=False)
    client.command("CREATE DATABASE {d:Identifier}", {"d": unique_name})
    client.database = unique_name
    yield client
    client.command("DROP DATABASE {d:Identifier}", {"d": unique_name}, use_database=False)
    client.close()


def count(client: Client) -> int:
    return int(client.query("SELECT count() FROM t").result_rows[0][0])


def numbered(rows: int) -> pa.Table:
    customers = pa.array([f"customer-{number}" for number in range(1000)]).take(pa.array(np.arange(rows) % 1000))
    return pa.table({"n": pa.array(np.arange(rows), pa.uint64()), "s": customers})


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_every_type_comes_back_as_it_was_inserted(client: Client, clickhouse_url: str, compression: bool | str) -> None:
    columns = ", ".join(f"`{name}` {kind}" for name, kind in TYPES.items())
    client.command(f"CREATE TABLE t ({columns}) ENGINE = MergeTree ORDER BY u")
    compressing = connect(clickhouse_url, client.database, compress=compression)
    assert compressing.insert("t", [ROW, ROW]).written_rows == 2
    assert compressing.query("SELECT * FROM t").result_rows == [ROW, ROW]
    compressing.close()


def test_parameters_reach_the_query_unharmed(client: Client) -> None:
    given = {
        "n": 5,
        "s": ROW[-1],
        "l": ["it's", "\\", ""],
        "t": NOON,
        "i": "the column",
        "nothing": None,
        "big": "x" * 99_999,
    }
    found = client.query(
        "SELECT {n:UInt64} AS {i:Identifier}, {s:String}, {l:Array(String)}, {t:DateTime64(3)},"
        " {nothing:Nullable(Int8)}, {big:String}",
        parameters=given,
    )
    assert found.result_rows == [(5, ROW[-1], given["l"], NOON, None, given["big"])]
    assert found.column_names[0] == "the column"


def test_a_million_rows_of_arrow_come_and_go(client: Client) -> None:
    client.command("CREATE TABLE t (n UInt64, s LowCardinality(String)) ENGINE = MergeTree ORDER BY n")
    sent = numbered(1_000_000)
    assert client.insert_arrow("t", sent).written_rows == 1_000_000
    found = client.query_arrow("SELECT * FROM t ORDER BY n", use_strings=True)
    assert found.column("n").equals(sent.column("n"))
    assert client.query("SELECT uniqExact(s), sum(n) FROM t").first_row == (1000, 1_000_000 * 999_999 // 2)


def test_a_million_rows_are_streamed_without_a_gap(client: Client) -> None:
    with client.query_column_block_stream("SELECT number, toString(number) FROM numbers(1000000)") as stream:
        blocks = [(sum(numbers), len(texts)) for numbers, texts in stream]
    assert [sum(part) for part in zip(*blocks, strict=True)] == [1_000_000 * 999_999 // 2, 1_000_000]


def test_an_error_after_the_first_rows_of_a_stream_is_no_end_of_rows(client: Client) -> None:
    failing = "SELECT throwIf(number = 900000, 'no more') FROM numbers(1000000) SETTINGS max_threads = 1"
    with pytest.raises(StreamFailureError, match="no more"), client.query_row_block_stream(failing) as stream:
        for _ in stream:
            pass


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("CSV", b"1,a\n2,b; FORMAT TSV\n"),
        ("JSONEachRow", b'{"n": 1, "s": "a"}\n\n{"n": 2, "s": "b; FORMAT TSV"}\n'),
        ("RowBinary", b"\x01\0\0\0\0\0\0\0\x01a\x02\0\0\0\0\0\0\0\x0db; FORMAT TSV"),
        ("Values", b"(1, 'a'), (2, 'b; FORMAT TSV')"),
    ],
)
@pytest.mark.parametrize("shape", ["whole", "pieces", "gzip"])
def test_rows_of_any_format_are_inserted(client: Client, form: str, data: bytes, shape: str) -> None:
    client.command("CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    sent: Any = {"whole": data, "pieces": iter([data[:3], data[3:4], data[4:]]), "gzip": gzip.compress(data)}[shape]
    client.raw_insert("t", ["n", "s"], sent, fmt=form, compression="gzip" if shape == "gzip" else None)
    assert client.query("SELECT n, s FROM t ORDER BY n").result_rows == [(1, "a"), (2, "b; FORMAT TSV")]


def test_an_insert_with_settings_of_its_own_is_inserted(client: Client) -> None:
    client.command("CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    client.command("INSERT INTO t (n, s) SETTINGS format_csv_delimiter = ';' FORMAT CSV", data="7;a,b\n")
    assert client.query("SELECT * FROM t").result_rows == [(7, "a,b")]


def test_equal_inserts_are_all_kept(client: Client) -> None:
    client.command("CREATE TABLE t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    for _ in range(3):
        client.insert_arrow("t", numbered(10))
    assert count(client) == 30


def test_an_insert_that_breaks_a_constraint_is_an_error_and_inserts_nothing(client: Client) -> None:
    client.command("CREATE TABLE t (n UInt64, CONSTRAINT odd CHECK n % 2 = 1) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError, match="Constraint `odd`") as caught:
        client.insert("t", [[1], [2], [3]])
    assert caught.value.code == 469
    assert count(client) == 0


def test_an_insert_into_too_many_partitions_is_an_error(client: Client) -> None:
    client.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n PARTITION BY n")
    with pytest.raises(DatabaseError, match="Too many partitions") as caught:
        client.insert("t", [[number] for number in range(101)])
    assert caught.value.code == 252


def test_rows_that_cannot_be_read_are_an_error_and_insert_nothing(client: Client) -> None:
    client.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError, match="Cannot parse input"):
        client.raw_insert("t", ["n"], '{"n": 1}\n{"n": "x"}\n', fmt="JSONEachRow")
    assert count(client) == 0


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT * FROM missing", 60),
        ("SELECT * FROM nowhere.missing", 81),
        ("SELECT missing FROM system.one", 47),
        ("selec 1", 62),
        ("1 + 1", 62),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1 INTO OUTFILE '/tmp/never'", 358),
        ("SELECT throwIf(1)", 395),
        ("-- nothing", 62),
    ],
)
def test_errors_are_clickhouses_own(client: Client, statement: str, code: int) -> None:
    with pytest.raises(DatabaseError, match=rf"Code: {code}\. DB::Exception: ") as caught:
        client.command(statement)
    assert caught.value.code == code


def test_settings_hold_for_their_query_only(client: Client) -> None:
    asked = "SELECT getSetting('max_block_size')"
    before = client.query(asked).first_row
    assert client.query(asked, settings={"max_block_size": 77}).first_row == (77,)
    assert client.query(asked).first_row == before
    with pytest.raises(DatabaseError, match="Unknown setting 'no_such_setting'"):
        client.query(asked, settings={"no_such_setting": 1})


def test_a_table_sent_with_a_query_is_there_for_that_query_only(client: Client) -> None:
    rows = ExternalData(file_name="wanted.csv", data=b"3,c\n5,e\n", fmt="CSV", structure="n UInt64, s String")
    asked = "SELECT number, s FROM numbers(10) AS all JOIN wanted ON wanted.n = all.number WHERE number > {least:UInt8}"
    assert client.query(asked, {"least": 3}, external_data=rows).result_rows == [(5, "e")]
    with pytest.raises(DatabaseError, match="wanted"):
        client.query(asked, {"least": 3})


def test_a_session_id_is_taken(client: Client, clickhouse_url: str) -> None:
    with_session = connect(clickhouse_url, client.database, session_id="one")
    assert with_session.query("SELECT currentDatabase()").first_row == (client.database,)
    with_session.close()


def test_replacing_rows_are_merged_away_in_the_background(client: Client) -> None:
    client.command("CREATE TABLE t (k UInt8, v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY k")
    for value in range(30):
        client.insert("t", [[1, value]])
    assert client.query("SELECT * FROM t FINAL").result_rows == [(1, 29)]
    client.command("OPTIMIZE TABLE t FINAL")
    assert client.query("SELECT * FROM t").result_rows == [(1, 29)]
