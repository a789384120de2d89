"""Files as tools and people of this field write them, all the way: published by the command, measured, asked for.

Each case has a touchpoint of its own. Nothing may be counted wrong in silence: a value is right, or its line is refused
with what is wrong and what to do about it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.measuring import NEW, Stand, measure, standing
from touchstream.schemas.times import MISTAKEN_MS_MAX
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.streams.cli.main import app
from touchstream.streams.upkeep.init import prepare

pytestmark = [pytest.mark.stack, pytest.mark.any_kafka]

FROM_MS = round(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000)
TO_MS = FROM_MS + 86_400_000
"""The day of every event here; one that was read in another unit is not in it."""


@dataclass(frozen=True)
class Case:
    """A file, and what it means.

    mapping: YAML, to which the case's constants are added; None: columns are fields, and the file names its touchpoint
    as `{name}`. expected: fields of `metrics`. refused: lines by reason. said: words of the refusals or notes.
    """

    name: str
    content: str | bytes
    expected: dict[str, Any]
    mapping: str | None = None
    refused: dict[str, int] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    suffix: str = "csv"

    @property
    def bytes(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content.replace(b"{name}", self.name.encode())
        return self.content.replace("{name}", self.name).encode()


SURVEY = "columns: {occurred_at: Zeit, customer_id: Kunde, nps: Note}\n"
SHOP = "columns: {event_id: no, occurred_at: at, customer_id: who, revenue_minor: sum, currency: cur}\namounts: major\n"
EURO = "columns: {event_id: no, occurred_at: at, customer_id: who, revenue_minor: sum}\namounts: major\n"
DAY = "2026-07-01"


def survey(rows: str = "", header: str = "Zeit,Kunde,Note", end: str = "\n", **more: Any) -> str:
    """A promoter and a detractor: an NPS of 0."""
    lines = [header, *(rows or f"{DAY},k1,9\n{DAY},k2,3").splitlines()]
    return "".join(line + end for line in lines)


def sales(*amounts: str, currency: tuple[str, ...] = ()) -> str:
    """An order for each amount; semicolons, since amounts may have commas."""
    rows = [f"{n};{DAY};k{n};{amount}" for n, amount in enumerate(amounts)]
    if currency:
        rows = [f"{row};{code}" for row, code in zip(rows, currency, strict=True)]
    header = "no;at;who;sum" + (";cur" if currency else "")
    return "\n".join([header, *rows]) + "\n"


BOTH = {"touches": 2, "nps": 0.0, "nps_n": 2}


def revenue(touches: int, **by_currency: int) -> dict[str, Any]:
    return {"touches": touches, "revenue_minor_by_currency": by_currency}


HEADERS = [
    Case("empty name at the end", survey(f"{DAY},k1,9,\n{DAY},k2,3,", "Zeit,Kunde,Note,"), BOTH, SURVEY),
    Case("empty names within", survey(f"{DAY},x,k1,,9\n{DAY},,k2,y,3", "Zeit,,Kunde,,Note"), BOTH, SURVEY),
    Case("unmapped names twice", survey(f"{DAY},a,k1,9,b\n{DAY},c,k2,3,d", "Zeit,Why,Kunde,Note,Why"), BOTH, SURVEY),
    Case("blank names", survey(f"{DAY},k1,9,a,b\n{DAY},k2,3,c,d", "Zeit,Kunde,Note, , "), BOTH, SURVEY),
    Case(
        "empty name without a mapping",
        survey(f"{DAY},k1,{{name}},{{name}},9,\n{DAY},k2,{{name}},{{name}},3,\n{DAY},k3,{{name}},{{name}},3,lost",
               "occurred_at,customer_id,channel,touchpoint,nps,"),
        BOTH, refused={"undecodable": 1}, said=("'lost' stands in column 6", "name it"),
    ),
    Case("line break in a header", f'Zeit,Kunde,"Note\n(0 to 10)"\n{DAY},k1,9\n{DAY},k2,3\n', BOTH,
         SURVEY.replace("Note", r'"Note\n(0 to 10)"')),
    Case("CRLF in a header", f'Zeit,Kunde,"Note\r\n(0 to 10)"\r\n{DAY},k1,9\r\n{DAY},k2,3\r\n', BOTH,
         SURVEY.replace("Note", r'"Note\n(0 to 10)"')),
    Case("three lines in a header", f'Zeit,"Kunde","Why?\n\nSay it",Note\n{DAY},k1,,9\n{DAY},k2,,3\n', BOTH, SURVEY),
    Case("header after empty lines", "\n\n" + survey(), BOTH, SURVEY),
]  # fmt: skip
DIALECTS = [
    Case("separator line", "sep=;\r\n" + survey(end="\r\n").replace(",", ";"), BOTH, SURVEY),
    Case("separator line in quotes", '"sep=|"\n' + survey().replace(",", "|"), BOTH, SURVEY),
    Case("separator line of tabs", "SEP=\t\r\n" + survey(end="\r\n").replace(",", "\t"), BOTH, SURVEY),
    Case("separator line that is another's", "sep=,\n" + survey(f'{DAY},"k;1",9\n{DAY},"k;2",3'), BOTH, SURVEY),
    Case("CR alone", survey(end="\r"), BOTH, SURVEY),
    Case("CR alone without an end", survey(end="\r").rstrip("\r"), BOTH, SURVEY),
    Case("CR alone with quotes", survey(f'{DAY},"k ""1""",9\n{DAY},"k;2",3', end="\r"), BOTH, SURVEY),
    Case("CR alone of lines", "".join(
        json.dumps(
            {"occurred_at": DAY, "customer_id": f"k{nps}", "channel": "survey", "touchpoint": "{name}", "nps": nps}
        ) + "\r" for nps in (9, 3)
    ), BOTH, suffix="ndjson"),
    Case("mark and CRLF", b"\xef\xbb\xbf" + survey(end="\r\n").encode(), BOTH, SURVEY),
    Case("mark and a quoted header", b"\xef\xbb\xbf" + survey(header='"Zeit","Kunde","Note"').encode(), BOTH, SURVEY),
    Case("UTF-16", survey().encode("utf-16"), BOTH, SURVEY + "encoding: utf-16\n"),
    Case("Windows-1252", survey(f"{DAY},König,9\n{DAY},Äpfel,3").encode("windows-1252"), BOTH,
         SURVEY + "encoding: windows-1252\n"),
    Case("Windows-1252 that is not said", survey(f"{DAY},König,9\n{DAY},k1,9\n{DAY},k2,3").encode("windows-1252"), BOTH,
         SURVEY, {"undecodable": 1}, ("König", "encoding: windows-1252", "iconv")),
]  # fmt: skip
AMOUNTS = [
    Case("points between thousands", sales("19,99", "1.230", "1.234.567,8"), revenue(3, EUR=1999 + 123000 + 123456780),
         EURO + 'decimal: ","\n'),
    Case("blanks between thousands", sales("1 234,50", "1\u00a0234,50", "1\u202f234,50"), revenue(3, EUR=3 * 123450),
         EURO + 'decimal: ","\n'),
    Case("apostrophes between thousands", sales("1'234.50", "1\u2019234.50"), revenue(2, EUR=246900),
         EURO + 'decimal: "."\n'),
    Case("lakhs", sales("1,00,000.50", "12,34,567"), revenue(2, EUR=10000050 + 123456700), EURO + 'decimal: "."\n'),
    Case("commas and points that say it", sales("1,234.50", "-1,000.00"), revenue(2, EUR=123450 - 100000), EURO),
    Case("points that say nothing", sales("1.234", "5.00"), revenue(1, EUR=500), EURO, {"wrong_type": 1},
         ("1.234 with a decimal point, 1234 with points between thousands", 'decimal: ","')),
    Case("commas that say nothing", sales("1,234", "5.00"), revenue(1, EUR=500), EURO, {"wrong_type": 1},
         ("1234 with commas between thousands, 1.234 with a decimal comma",)),
    Case("a point where commas were declared", sales("12.50", "5,00"), revenue(1, EUR=500), EURO + 'decimal: ","\n',
         {"wrong_type": 1}, ("12.50 with a decimal point",)),
    Case("cents of cents", sales("5.001", "5.00"), revenue(1, EUR=500), EURO + 'decimal: "."\n', {"wrong_type": 1},
         ("revenue_minor",)),
    Case("currencies", sales("10.50", "1000", "1.234", "7", "1.2345", currency=("EUR", "JPY", "KWD", "CLP", "CLF")),
         revenue(5, EUR=1050, JPY=1000, KWD=1234, CLP=7, CLF=12345), SHOP),
    Case("a factor for all currencies", sales("10.50", "1000", "1.234", currency=("EUR", "KRW", "TND")),
         revenue(3, EUR=1050, KRW=1000, TND=1234), SHOP.replace("amounts: major", "factors: {revenue_minor: 100}"),
         said=("a KRW has 1 minor units", "a TND has 1000 minor units", "amounts: major")),
    Case("half a yen", sales("0.5", "5", currency=("JPY", "JPY")), revenue(1, JPY=5), SHOP, {"wrong_type": 1},
         ("revenue_minor",)),
    Case("no currency", sales("7", "7", "7", "7", "7", currency=("", "eur", "XYZ", "€", "EUR")), revenue(1, EUR=700),
         SHOP, {"missing_field": 1, "wrong_type": 3}, ("'eur'", "'XYZ'", "currency")),
    Case("fils by the million", sales("1.234", "1.234,567", "1,234.567", currency=("BHD", "BHD", "BHD")),
         revenue(2, BHD=1234 + 1234567), SHOP, {"wrong_type": 1}, ("decimal comma",)),
]  # fmt: skip


def times(*moments: Any) -> str:
    return "".join(
        f"{line}\n" for line in ["no,Zeit,Kunde,Note", *(f"{n},{at},k{n},9" for n, at in enumerate(moments))]
    )


TIMED = "columns: {event_id: no, occurred_at: Zeit, customer_id: Kunde, nps: Note}\n"
SECONDS, MILLISECONDS = 1_782_900_000, 1_782_900_000_000
ALL_THREE = {"touches": 3, "nps_n": 3}
TIMES = [
    Case("seconds that are not said", times(SECONDS, f"{SECONDS}.5", MILLISECONDS), {"touches": 1}, TIMED,
         {"out_of_scale": 2}, ("1970-01-21T15:15:00Z in milliseconds", "2026-07-01T10:00:00Z in seconds")),
    Case("seconds that are said", times(SECONDS, f"{SECONDS}.25", "1.7829e9"), ALL_THREE,
         TIMED + "time: {unit: seconds}\n"),
    Case("milliseconds that are said to be seconds", times(MILLISECONDS, SECONDS), {"touches": 1},
         TIMED + "time: {unit: seconds}\n", {"out_of_scale": 1}, ("in milliseconds", "the mapping says seconds")),
    Case("microseconds", times(MILLISECONDS * 1_000, MILLISECONDS * 1_000_000, MILLISECONDS), {"touches": 1}, TIMED,
         {"from_the_future": 2}, ("in microseconds", "in nanoseconds")),
    Case("microseconds that are said", times(MILLISECONDS * 1_000), {"touches": 1},
         TIMED + "time: {unit: microseconds}\n"),
    Case("days of Excel", times(46_204, "46204.5", MILLISECONDS), {"touches": 1}, TIMED, {"out_of_scale": 2},
         ("2026-07-01T00:00:00Z in days of Excel",)),
    Case("days of Excel that are said", times(46_204, "46204.5", "46204.4166666667"), ALL_THREE,
         TIMED + "time: {unit: excel_days}\n"),
    Case("dates as numbers, and none",
         times(20260701, 0, -1, MISTAKEN_MS_MAX, "1970-01-01T00:00:00+09:00", MILLISECONDS), {"touches": 1}, TIMED,
         {"out_of_scale": 5}, ("20260701",)),
    Case("an hour that never was", times("2026-03-29 02:30:00", f"{DAY} 02:30:00"), {"touches": 1},
         TIMED + "time: {zone: Europe/Berlin}\n", {"wrong_type": 1}, ("never was in Europe/Berlin",)),
    Case("names of zones", times(f"{DAY} 10:00 UTC", f"{DAY} 10:00 GMT", f"{DAY} 10:00 CST"), {"touches": 2},
         TIMED + 'time: {format: "%Y-%m-%d %H:%M %Z"}\n', {"wrong_type": 1}, ("offsets (%z)",)),
]  # fmt: skip


def lines(*events: dict[str, Any]) -> str:
    plain = {"occurred_at": f"{DAY}T10:00:00Z", "customer_id": "k", "channel": "{name}", "touchpoint": "{name}"}
    return "".join(json.dumps({"event_id": f"e{n}"} | plain | event) + "\n" for n, event in enumerate(events))


def ids(*words: str) -> str:
    return lines(*({"customer_id": word} for word in words), *({"anonymous_id": word} for word in words))


EURO_SALE = {"revenue_minor": 100, "currency": "EUR"}
EVENTS = [
    Case("words of programs", ids("undefined", "NULL", "[object Object]", "NaN", "nil"), {"touches": 0},
         refused={"no_customer": 10}, said=("'undefined'", "no id"), suffix="ndjson"),
    Case("words of exports", ids("#N/A", "(not set)", "n/a", "1.23E+12", "00000000-0000-0000-0000-000000000000"),
         {"touches": 0}, refused={"no_customer": 10}, suffix="ndjson"),
    Case("blanks and marks", ids(" ", "\t", "\0", "\u200b", "\ufeffnull\u200b"), {"touches": 0},
         refused={"no_customer": 10}, suffix="ndjson"),
    Case("strokes and errors of formulas", ids("-", "--", "\u2014", "NA", "#SPILL!"), {"touches": 0},
         refused={"no_customer": 10}, said=("'-'", "no id"), suffix="ndjson"),
    Case("ids that only look so", ids("nully", "Null Island", "undefined@example.com", "0000", "anna"),
         {"touches": 10, "customers": 6}, suffix="ndjson"),
    Case("words as event ids", lines({"event_id": "undefined"}, {"event_id": "-"}, {"event_id": "0"}), {"touches": 1},
         refused={"missing_field": 2}, suffix="ndjson"),
    Case("actions in any case", lines(*({"action": word} | EURO_SALE for word in ("purchase", "Purchase", " PURCHASE ")
                                        )), {"purchases": 3}, suffix="ndjson"),
    Case("nearly an action", lines({"action": "purchased"} | EURO_SALE, {"action": "Purchases"} | EURO_SALE),
         {"touches": 2, "purchases": 0}, said=("'purchased'", "'purchase'"), suffix="ndjson"),
    Case("outcomes in any case", lines({"outcome": "Success"}, {"outcome": "FAILURE"}, {"outcome": " success\t"}),
         {"success_rate": 2 / 3, "success_rate_n": 3}, suffix="ndjson"),
    Case("half a surrogate pair", lines({}, {}) + lines({"event_id": "bad", "attributes": {"a": "b"}}).replace(
        '"b"', r'"\ud83d"'), {"touches": 2}, refused={"undecodable": 1}, suffix="ndjson"),
    Case("numbers that are no JSON", lines({}, {}) + "".join(
        lines({"event_id": f"bad{n}", "nps": 5}).replace(": 5}", f": {word}}}")
        for n, word in enumerate(("NaN", "Infinity", "-Infinity", "1e400", "05", "+5", ".5"))
    ), {"touches": 2}, refused={"undecodable": 7}, suffix="ndjson"),
    Case("an array", "[" + ",".join(lines({}, {}).splitlines()) + "]\n", {"touches": 2}, suffix="json"),
    Case("an array over lines", "[\n  " + ",\n  ".join(lines({}, {}).splitlines()) + "\n]", {"touches": 2},
         suffix="json"),
    Case("an array with a bad element",
         "[" + ",".join([*lines({}, {}).splitlines(), '{"sentiment": NaN}', "", "5"]) + "]", {"touches": 2},
         refused={"undecodable": 3}, suffix="json"),
    Case("an empty array", "[]\n", {"touches": 0}, suffix="json"),
    Case("nulls in attributes", lines({"attributes": {"a": None, "b": "c"}}, {"attributes": {"a": None}}),
         {"touches": 2}, suffix="ndjson"),
    Case("answers off their scale", survey(f"{DAY},k1,11\n{DAY},k2,-1\n{DAY},k3,½\n{DAY},k4,9\n{DAY},k5,3"), BOTH,
         SURVEY, {"out_of_scale": 2, "wrong_type": 1}, ("nps is 11", "nps is -1", "'½'")),
]  # fmt: skip
CASES = [*HEADERS, *DIALECTS, *AMOUNTS, *TIMES, *EVENTS]


@dataclass(frozen=True)
class Published:
    """What the command said of a file, and its exit code."""

    exit_code: int
    said: dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """Every case, published and measured."""

    published: dict[str, Published]
    by_name: dict[str, dict[str, Any]]


def publish(case: Case, stand: Stand, directory: Path) -> Published:
    file = directory / f"file.{case.suffix}"
    file.write_bytes(case.bytes)
    arguments = ["publish", str(file), "--json"]
    if case.mapping is not None:
        mapping = directory / "mapping.yaml"
        constants = {"channel": case.name, "touchpoint": case.name}  # the channel is the space of the case's ids
        constants |= {"currency": "EUR"} if case.mapping.startswith(EURO) else {}
        mapping.write_text(f"{case.mapping}constants: {json.dumps(constants)}\n")
        arguments += ["--map", str(mapping)]
    environment = {
        f"TOUCHSTREAM_{name.upper()}": str(getattr(stand.settings, name))
        for name in ("kafka_url", "topic", "clickhouse_url")
    }
    done = CliRunner().invoke(app, arguments, env=environment)
    return Published(done.exit_code, json.loads(done.stdout) if done.stdout else {"output": done.output})


@pytest.fixture(scope="module")
def measured(kafka_url: str, clickhouse_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    directory = tmp_path_factory.mktemp("field")
    with standing(clickhouse_url, kafka_url, directory) as stand:
        list(prepare(stand.with_journey(NEW)))
        published = {case.name: publish(case, stand, directory) for case in CASES}
        measure(stand.settings)
        rows = metrics(stand.in_force, FROM_MS, TO_MS, ("touchpoint",), topic=stand.settings.topic)
        yield Measured(published, {row["touchpoint"]: row for row in rows})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_of_the_field_is_measured_as_it_was_meant_or_refused_with_the_remedy(
    case: Case, measured: Measured
) -> None:
    done = measured.published[case.name]
    assert done.said.get("reasons") == case.refused, done.said
    assert done.exit_code == (1 if case.refused else 0)
    row = measured.by_name.get(case.name, {"touches": 0})
    assert {name: row[name] for name in case.expected} == case.expected
    words = " ".join([*(one for some in done.said["examples"].values() for one in some), *done.said["notes"]])
    assert [one for one in case.said if one not in words] == [], words


def test_every_case_has_a_touchpoint_of_its_own_and_none_stands_in_another_place(measured: Measured) -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert set(measured.by_name) <= {case.name for case in CASES}
