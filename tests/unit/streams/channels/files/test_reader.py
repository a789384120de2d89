from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from touchstream.schemas.codec import decode_json
from touchstream.schemas.touchpoint import Reason, Touchpoint
from touchstream.streams.channels.event_ids import ContentIds, new_event_id
from touchstream.streams.channels.files.chunks import RefusedLine
from touchstream.streams.channels.files.compressed import ByteSource, FileProblem
from touchstream.streams.channels.files.lines import LINE_BYTES_MAX
from touchstream.streams.channels.files.reader import read_chunks
from touchstream.streams.channels.formats.mapping import FieldMapping

EVENT = {"event_id": "1", "occurred_at": 1259653500000, "customer_id": "c", "channel": "web", "touchpoint": "t"}


def read(
    path: Path, content: bytes | None = None, mapping: FieldMapping | None = None
) -> tuple[list[tuple[int, bytes]], list[RefusedLine]]:
    """The numbered lines of a file, and the refused ones."""
    if content is not None:
        path.write_bytes(content)
    lines: list[tuple[int, bytes]] = []
    refused: list[RefusedLine] = []
    for chunk in read_chunks(ByteSource(str(path)), None, mapping):
        lines += zip(chunk.numbers, chunk.lines, strict=True)
        refused += chunk.refused
        assert len(chunk.lines) == len(chunk.content)
    return lines, refused


def events(path: Path, content: bytes | None = None, mapping: FieldMapping | None = None) -> list[dict[str, Any]]:
    lines, refused = read(path, content, mapping)
    assert refused == []
    return [json.loads(line) for _, line in lines]


def csv_of(rows: Iterable[dict[str, Any]], columns: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def test_a_name_that_stands_twice_in_a_line_refuses_it_with_or_without_id_and_under_a_mapping(tmp_path: Path) -> None:
    plain = json.dumps(EVENT)[:-1] + ', "nps": 9, "nps": 2}'
    without_id = plain.replace('"event_id": "1", ', "")
    _, refused = read(tmp_path / "a.ndjson", f"{without_id}\n".encode())
    foreign = FieldMapping(columns={name: name for name in EVENT})
    _, mapped = read(tmp_path / "b.ndjson", f"{plain}\n".encode(), foreign)
    for (one,) in (refused, mapped):
        assert (one.number, one.reason, "'nps' stands twice" in one.detail) == (1, Reason.UNDECODABLE, True)


def test_canonical_lines_pass_as_they_are(tmp_path: Path) -> None:
    line = json.dumps(EVENT).encode()
    lines, refused = read(tmp_path / "a.ndjson", b"\xef\xbb\xbf" + line + b"\r\n\n  \n  " + line + b"  \n" + line)
    assert lines == [(1, line), (4, line), (5, line)]
    assert refused == []


def test_a_line_that_is_no_object_is_refused_where_it_stands(tmp_path: Path) -> None:
    line = json.dumps(EVENT).encode()
    lines, refused = read(tmp_path / "a.ndjson", b"nonsense\n" + line + b"\n[1]\n\x00\xff\n")
    assert lines == [(2, line)]
    assert [(bad.number, bad.reason, bad.content) for bad in refused] == [
        (1, Reason.UNDECODABLE, b"nonsense"),
        (3, Reason.UNDECODABLE, b"[1]"),
        (4, Reason.UNDECODABLE, b"\x00\xff"),
    ]


def test_a_line_that_is_too_long_is_refused_and_the_next_is_read(tmp_path: Path) -> None:
    line = json.dumps(EVENT).encode()
    lines, refused = read(tmp_path / "a.ndjson", b'{"a":"' + b"x" * LINE_BYTES_MAX + b'"}\n' + line)
    assert lines == [(2, line)]
    assert [(bad.number, bad.reason) for bad in refused] == [(1, Reason.TOO_LARGE)]


def test_nesting_without_end_harms_nothing(tmp_path: Path) -> None:
    deep = b'{"a":' * 100_000
    lines, refused = read(tmp_path / "a.ndjson", deep + b"\n")
    assert lines == [(1, deep)]  # for the codec to refuse
    _, refused = read(tmp_path / "b.ndjson", deep + b"\n", FieldMapping.model_validate({"columns": {"channel": "a"}}))
    assert [bad.reason for bad in refused] == [Reason.UNDECODABLE]


CSV = (
    "occurred_at,customer_id,channel,touchpoint,action\n"
    "2026-07-05T10:00:00Z,c1,web,t,view\n"
    "2026-07-05T10:00:00Z,c1,web,t,view\n"
    "2026-07-05T10:00:00Z,c2,web,t,view\n"
)
OBJECT, OTHER = (
    b'{"occurred_at":"2026-07-05T10:00:00Z","touchpoint":"t","customer_id":"%b","channel":"web","action":"view"}' % name
    for name in (b"c1", b"c2")
)


class TestIds:
    """Events that come without an id."""

    event = b'"occurred_at":1259653500000,"customer_id":"c","channel":"a","touchpoint":"t"'
    content = b"{%b}\n" % event * 3 + b'{%b,"nps":1}\n' % event * 2 + b"{%b}\n" % event * 2

    def ids(self, tmp_path: Path, content: bytes) -> list[str]:
        return [event["event_id"] for event in events(tmp_path / "a.ndjson", content)]

    def test_the_same_file_gives_the_same_ids(self, tmp_path: Path) -> None:
        assert self.ids(tmp_path, self.content) == self.ids(tmp_path, self.content)

    def test_equal_lines_are_events_of_their_own(self, tmp_path: Path) -> None:
        assert len(set(self.ids(tmp_path, self.content))) == 7

    def test_lines_put_between_change_no_id(self, tmp_path: Path) -> None:
        before = self.ids(tmp_path, self.content)
        after = self.ids(tmp_path, self.content.replace(b"\n", b'\n{%b,"csat":5}\n' % self.event))
        assert before == after[::2]

    def test_an_id_that_is_null_or_stands_elsewhere_is_none(self, tmp_path: Path) -> None:
        (first, second) = self.ids(
            tmp_path, b'{"event_id":null,%b}\n{"attributes":{"event_id":"x"},%b}\n' % (self.event, self.event)
        )
        assert len(first) == len(second) == 32

    def test_rows_of_tables_get_ids_too(self, tmp_path: Path) -> None:
        content = b"occurred_at,customer_id,channel,touchpoint\n" + b"".join(
            b"2026-07-01,c,a,%b\n" % name for name in (b"b", b"b", b"c")
        )
        first = [event["event_id"] for event in events(tmp_path / "a.csv", content)]
        assert first == [event["event_id"] for event in events(tmp_path / "b.csv", content)]
        assert len(set(first)) == 3

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("crlf.csv", CSV.replace("\n", "\r\n").encode()),
            ("cr.csv", CSV.replace("\n", "\r").encode()),
            ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
            ("separator.csv", b"sep=;\r\n" + CSV.replace(",", ";").encode()),
            ("quoted.csv", "\n".join(",".join(f'"{c}"' for c in row.split(",")) for row in CSV.split()).encode()),
            ("order.csv", "\n".join(",".join(reversed(row.split(","))) for row in CSV.split()).encode()),
            ("spelling.csv", CSV.replace("T10:00:00Z", " 12:00:00+02:00").replace("view", "View ").encode()),
            ("empty.csv", CSV.replace("\n", ",\n").replace("action,", "action,segment").encode()),
            ("a.ndjson", b"".join(OBJECT + b"\n" for _ in range(2)) + OTHER + b"\n"),
            ("a.json", b"[" + OBJECT + b",\n" + OBJECT + b"," + OTHER + b"]"),
        ],
    )
    def test_an_id_is_the_events_and_not_the_lines(self, name: str, content: bytes, tmp_path: Path) -> None:
        first = [event["event_id"] for event in events(tmp_path / "first.csv", CSV.encode())]
        assert len(set(first)) == 3
        assert [event["event_id"] for event in events(tmp_path / name, content)] == first

    def test_an_encoding_changes_no_id(self, tmp_path: Path) -> None:
        text = CSV.replace("c1", "König")
        first = [event["event_id"] for event in events(tmp_path / "a.csv", text.encode())]
        columns = {name: name for name in CSV.split("\n", maxsplit=1)[0].split(",")}
        for encoding in ("windows-1252", "utf-16"):
            mapping = FieldMapping.model_validate({"columns": columns, "encoding": encoding})
            assert [event["event_id"] for event in events(tmp_path / "b.csv", text.encode(encoding), mapping)] == first

    def test_equal_lines_under_two_mappings_are_two_events(self, tmp_path: Path) -> None:
        content = b"date,customer,score\n2026-07-07,C1,4\n2026-07-07,C2,5\n"
        read: set[str] = set()
        for more in ({}, {"source": "berlin"}, {"source": "delivery"}):
            for field, touchpoint in (("csat", "support"), ("ces", "support"), ("csat", "delivery")):
                mapped = {"columns": {"occurred_at": "date", "customer_id": "customer", field: "score"}}
                constants = {"channel": "survey", "touchpoint": touchpoint}
                mapping = FieldMapping.model_validate(mapped | {"constants": constants} | more)
                read |= {event["event_id"] for event in events(tmp_path / "a.csv", content, mapping)}
        assert len(read) == 3 * 3 * 2

    def test_an_id_depends_on_nothing_but_the_event_and_its_count(self) -> None:
        ids, others = ContentIds(), ContentIds()
        a, b = (Touchpoint(event_id=name, occurred_at=1, channel=name, touchpoint="t") for name in "ab")
        first, _, second = ids.id_of(a), ids.id_of(b), ids.id_of(a)
        assert (first, second) == (others.id_of(a), others.id_of(msgspec.structs.replace(a, event_id="x")))

    def test_new_ids_are_unique_and_in_order_of_time(self) -> None:
        ids = [new_event_id() for _ in range(1000)]
        assert len(set(ids)) == 1000
        assert [identity[:13] for identity in ids] == sorted(identity[:13] for identity in ids)
        assert all(identity[14] == "7" and identity[19] in "89ab" for identity in ids)


class TestCsv:
    """Comma-separated values."""

    def test_cells_become_the_types_of_their_fields_and_empty_ones_are_null(self, tmp_path: Path) -> None:
        content = (
            b"event_id,occurred_at,customer_id,channel,touchpoint,nps,sentiment,revenue_minor,attributes.a,stage\r\n"
            b"007,1259653500000,042,web,t,9,-0.5,-1999,x,\r\n"
            b'8,2009-12-01T07:45:00Z,43,"a ""b"", c",t,9.0,,,"two\r\nlines",s\r\n'
        )
        assert events(tmp_path / "a.csv", content) == [
            {
                "event_id": "007",
                "occurred_at": 1259653500000,
                "customer_id": "042",
                "channel": "web",
                "touchpoint": "t",
                "nps": 9,
                "sentiment": -0.5,
                "revenue_minor": -1999,
                "attributes": {"a": "x"},
            },
            {
                "event_id": "8",
                "occurred_at": 1259653500000,
                "customer_id": "43",
                "channel": 'a "b", c',
                "touchpoint": "t",
                "nps": 9,
                "attributes": {"a": "two\nlines"},
                "stage": "s",
            },
        ]

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_the_header_shows_the_delimiter(self, delimiter: str, tmp_path: Path) -> None:
        content = "channel,touchpoint\na,b\n".replace(",", delimiter).encode()
        (event,) = events(tmp_path / "a.csv", content)
        assert (event["channel"], event["touchpoint"]) == ("a", "b")

    def test_bad_rows_are_refused_where_they_begin_and_the_others_are_read(self, tmp_path: Path) -> None:
        rows = [
            b"channel,touchpoint",
            b"good,1",
            b"too,many,cells",
            b"few",
            b"bytes,\xff\xfe",
            b"",
            b'two,"lines',
            b'and good"',
            b'text after,"the quote"s',
            b"good,2",
            b"cr\rwithin,3",
            b'"quote without end,',
            b"swallows,this",
        ]
        lines, refused = read(tmp_path / "a.csv", b"\n".join(rows))
        assert [(number, json.loads(line)["touchpoint"]) for number, line in lines] == [
            (2, "1"),
            (7, "lines\nand good"),
            (10, "2"),
        ]
        assert [(bad.number, bad.reason) for bad in refused] == [(n, Reason.UNDECODABLE) for n in (3, 4, 5, 9, 11, 12)]
        assert refused[2].content == b"bytes,\xff\xfe"
        assert "a CR stands alone" in refused[4].detail
        assert refused[5].content == b'"quote without end,\nswallows,this'
        assert refused[5].detail.startswith("lines 12 to 13: ")

    def test_a_quote_that_swallows_the_file_costs_bounded_memory(self, tmp_path: Path) -> None:
        content = b'channel,touchpoint\n"oops,x\n' + b"y,z\n" * 600_000 + b"good,1\n"
        lines, refused = read(tmp_path / "a.csv", content)
        assert refused[0].number == 2
        assert json.loads(lines[-1][1])["channel"] == "good"

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (b"", "is empty"),
            (b"channel,chanel\n", "unknown column 'chanel'; did you mean channel?"),
            (b"channel,attributes\xff\n", "windows-1252"),
            (b"channel,channel\n", "two columns 'channel'"),
            (b",\n", "is empty"),
            (b"channel,touchpoint\rx,y\r\n", "a CR stands alone"),
            (b'channel,"never closed\n', "its header can't be read"),
        ],
    )
    def test_a_header_that_is_none_is_an_error_at_once(self, header: bytes, expected: str, tmp_path: Path) -> None:
        with pytest.raises(FileProblem) as caught:
            read(tmp_path / "a.csv", header + b"a,b\n" * bool(header))
        assert expected in str(caught.value)

    def test_a_column_that_the_mapping_wants_must_be_there(self, tmp_path: Path) -> None:
        mapping = FieldMapping.model_validate({"columns": {"customer_id": "Customer ID"}})
        with pytest.raises(FileProblem, match=r"no column 'Customer ID'.*did you mean customer id\?"):
            read(tmp_path / "a.csv", b"customer id\n1\n", mapping)


class TestParquet:
    """Parquet files."""

    def written(self, tmp_path: Path, columns: dict[str, Any]) -> Path:
        pq.write_table(pa.table(columns), tmp_path / "a.parquet")
        return tmp_path / "a.parquet"

    def test_columns_become_the_types_of_their_fields(self, tmp_path: Path) -> None:
        moment = datetime(2009, 12, 1, 7, 45, tzinfo=UTC)
        path = self.written(
            tmp_path,
            {
                "event_id": pa.array([1, 2], pa.int64()),
                "occurred_at": pa.array([moment, moment], pa.timestamp("ns", "Europe/Berlin")),
                "customer_id": pa.array([17850.0, None]),
                "anonymous_id": pa.array([None, "a"]).dictionary_encode(),
                "channel": pa.array([b"web", b"app"]),
                "nps": pa.array([9.0, float("nan")]),
                "sentiment": pa.array([Decimal("0.25"), None]),
                "attributes": pa.array([[("a", "b")], None], pa.map_(pa.string(), pa.string())),
                "attributes.day": pa.array([date(2009, 12, 1), None]),
            },
        )
        assert events(path) == [
            {
                "event_id": "1",
                "occurred_at": 1259653500000,
                "customer_id": "17850",
                "channel": "web",
                "nps": 9,
                "sentiment": 0.25,
                "attributes": {"a": "b", "day": "2009-12-01"},
            },
            {"event_id": "2", "occurred_at": 1259653500000, "anonymous_id": "a", "channel": "app"},
        ]

    def test_a_struct_of_attributes_is_a_map(self, tmp_path: Path) -> None:
        path = self.written(tmp_path, {"event_id": ["1"], "attributes": [{"a": 1, "b": None, "c": True}]})
        assert events(path) == [{"event_id": "1", "attributes": {"a": "1", "c": "true"}}]

    def test_a_cell_that_python_has_no_value_for_harms_no_other(self, tmp_path: Path) -> None:
        year_30000 = 884_541_600_000_000_000
        path = self.written(
            tmp_path,
            {
                "event_id": ["1", "2", "3"],
                "occurred_at": pa.array([1259653500000_000, year_30000, 1259653500000_000], pa.timestamp("us")),
                "channel": pa.array([b"a", b"b", b"\xff"], pa.binary()),
            },
        )
        lines, refused = read(path)
        assert [json.loads(line)["event_id"] for _, line in lines if b"1259653500000," in line] == ["1"]
        assert [(bad.number, bad.reason) for bad in refused] == [(3, Reason.UNDECODABLE)]

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"{}\n"])
    def test_a_file_that_is_none_is_named(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").write_bytes(content)
        with pytest.raises(FileProblem, match=r"a\.parquet: can't be read as Parquet: "):
            read(tmp_path / "a.parquet")

    def test_unknown_columns_are_an_error_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(FileProblem, match="unknown column 'chanel'; did you mean channel"):
            read(self.written(tmp_path, {"chanel": ["x"]}))


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gz", "a.parquet.gz"])
def test_a_format_that_the_name_does_not_tell_must_be_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(FileProblem, match=name):
        list(read_chunks(ByteSource(str(tmp_path / name)), None, None))


def test_a_format_that_is_none_is_an_error_that_lists_them(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="--format must be one of ndjson, csv, parquet, not 'xml'"):
        list(read_chunks(ByteSource(str(tmp_path / "a.csv")), "xml", None))


@pytest.mark.parametrize("name", ["a.ndjson", "a.jsonl", "a.JSON", "a.csv.gz", "a.tsv", "a.Parquet"])
def test_formats_are_told_by_the_name(name: str) -> None:
    from touchstream.streams.channels.files.reader import format_of

    assert format_of(ByteSource(name), None) in {"ndjson", "csv", "parquet"}


# What a cell of a CSV file can hold: no empty text, which is null there. A line break in a cell is one whatever the
# file's line ends are, so that the same file with other ones has the same events.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=12)
optional = {
    "customer_id": texts,
    "stage": texts,
    "outcome": st.sampled_from(["success", "failure"]),
    "duration_ms": st.integers(-(2**63), 2**63 - 1),
    "nps": st.integers(0, 10),
    "sentiment": st.floats(allow_nan=False, allow_infinity=False),
    "revenue_minor": st.integers(-(10**12), 10**12),
}
rows = st.fixed_dictionaries(
    {
        "event_id": texts,
        "occurred_at": st.one_of(st.integers(0, 2**42), st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)),
        "channel": texts,
        "touchpoint": texts,
    },
    optional=optional,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(rows, st.dictionaries(st.sampled_from("ab"), texts)), max_size=5))
def test_a_file_means_the_same_in_every_format(
    tmp_path: Path, parts: list[tuple[dict[str, Any], dict[str, str]]]
) -> None:
    ndjson = b"".join(msgspec.json.encode(row | {"attributes": attributes}) + b"\n" for row, attributes in parts)
    flat = [row | {f"attributes.{name}": text for name, text in attributes.items()} for row, attributes in parts]
    columns = ["event_id", "occurred_at", "channel", "touchpoint", *optional, "attributes.a", "attributes.b"]

    def decoded(name: str, content: bytes | None) -> list[Touchpoint]:
        lines, refused = read(tmp_path / name, content)
        assert refused == []
        found = [decode_json(line) for _, line in lines]
        assert all(isinstance(event, Touchpoint) for event in found)
        return [event for event in found if isinstance(event, Touchpoint)]

    expected = decoded("a.ndjson", ndjson)
    assert len(expected) == len(parts)
    assert decoded("a.csv", csv_of(flat, columns)) == expected
    spelled = [row | {"occurred_at": str(row["occurred_at"])} for row in flat]
    pq.write_table(pa.table({name: [row.get(name) for row in spelled] for name in columns}), tmp_path / "a.parquet")
    assert decoded("a.parquet", None) == expected
