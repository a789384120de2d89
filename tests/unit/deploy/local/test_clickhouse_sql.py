"""Where an INSERT's data begins, and which format a statement asks for."""

import pytest

from touchstream.deploy.local.clickhouse.sql import Insert, output_format, split_insert


def split(text: bytes) -> tuple[bytes, bytes, str, bytes]:
    insert = split_insert(text)
    assert insert is not None
    return insert.target, insert.settings, insert.format, text[insert.data_start :]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", b"\x01\x02"),
        (b"INSERT INTO t FORMAT Native\r\n\r\n", b"\r\n"),
        (b"INSERT INTO t FORMAT Native\n\n", b"\n"),
        (b"insert into t format Native \t\x00", b"\x00"),
        (b"INSERT INTO t FORMAT Native", b""),
    ],
)
def test_data_begin_behind_the_formats_name_and_one_line_end(text: bytes, data: bytes) -> None:
    assert split(text)[2:] == ("Native", data)


def test_settings_are_kept_apart_from_the_target() -> None:
    found = split(b"INSERT INTO t (a) SETTINGS x = 'FORMAT', y = 1 FORMAT CSV\n1")
    assert found == (b"INSERT INTO t (a) ", b"SETTINGS x = 'FORMAT', y = 1 ", "CSV", b"1")


@pytest.mark.parametrize(
    "target",
    [
        b"INSERT INTO format ",
        b"INSERT INTO TABLE format ",
        b"INSERT INTO db.format ",
        b"INSERT INTO `FORMAT x` (`a`, `format`) ",
        b'INSERT INTO "FORMAT x" (values, format, "a""FORMAT") ',
        b"INSERT INTO t /* FORMAT TSV */ (a) -- FORMAT TSV\n",
        b"-- FORMAT TSV ' \n INSERT INTO FUNCTION remote('h', 'FORMAT \\' VALUES') (a) ",
        b"INSERT INTO {db:Identifier}.{format:Identifier} ",
    ],
)
def test_no_name_literal_or_comment_is_taken_for_the_format(target: bytes) -> None:
    assert split(target + b"FORMAT CSV\nFORMAT JSON\n") == (target, b"", "CSV", b"FORMAT JSON\n")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"INSERT",
        b"INSERT INTO t FORMAT",
        b"INSERT INTO t VALUES (1, 'FORMAT CSV')",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x FORMAT CSV",
        b"SELECT 1 FORMAT CSV",
        b"EXPLAIN INSERT INTO t FORMAT CSV",
        b"\x00\xff' unclosed",
    ],
)
def test_every_other_statement_is_one_whole_text(text: bytes) -> None:
    assert split_insert(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"SELECT 1", None),
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1 format JSON;", "JSON"),
        (b"SELECT 1\n FORMAT Native SETTINGS max_threads = 1", "Native"),
        (b"SELECT 'x FORMAT CSV' FORMAT JSON -- FORMAT TSV", "JSON"),
        (b"SELECT format('{}', a) FROM (SELECT a FROM t)", None),
        (b"SHOW TABLES FORMAT TSV", "TSV"),
    ],
)
def test_the_format_of_an_answer_is_the_one_asked_for(text: bytes, name: str | None) -> None:
    assert output_format(text) == name


def test_an_insert_is_the_same_however_it_is_spelled() -> None:
    assert split_insert(b"insert into t format csv\n") == Insert(b"insert into t ", b"", "csv", 25)
