"""Declared instruments, from a file of a survey to the page, an alert and `metrics --json`, without code."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from tests.integration.test_clickhouse_metrics import publish, write
from tests.oracle import intervals as oracle
from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, Row, lane, touchpoint
from tests.support.databases import migrated_database
from tests.support.measuring import Stand, measure, standing
from touchstream.schemas.alert_state import Group
from touchstream.schemas.alerts import Rules
from touchstream.schemas.bins import bins_of
from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.instruments import NONE, Instruments, put_in_force
from touchstream.schemas.metrics import shipped
from touchstream.schemas.times import now_ms
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.alerts.buckets import BucketTables
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.course.course import TimeSpan, course
from touchstream.sinks.clickhouse.database import Database
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.clickhouse.rolling.effects import measure_effects
from touchstream.sinks.clickhouse.rolling.store import rolling_at, write_rolling
from touchstream.sinks.clickhouse.upkeep.reconcile import reconcile
from touchstream.sinks.page.board import Board
from touchstream.sinks.page.reader import Reader
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.surroundings import Surroundings
from touchstream.streams.cli.main import app
from touchstream.streams.upkeep.init import prepare
from touchstream.streams.watch.service import known
from touchstream.streams.watch.watch import Watch

pytestmark = pytest.mark.stack

DECLARED = """
format: 1
instruments:
  - {id: stars, kind: stars, label: Stars, owner: product}
  - {id: helpful, kind: thumbs, target: 80}
  - id: slider
    kind: scale
    lowest: -1
    highest: 4
    step: 0.5
    direction: lower
    top_box: 0.5
    becomes: [mean, top_box]
  - {id: relation, kind: nps}
"""
TOPIC = "touchpoints"


@pytest.fixture(autouse=True)
def _others_know_no_instruments() -> Iterator[None]:
    yield
    put_in_force(NONE)


@pytest.fixture(scope="module")
def shared(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def answered(number: int, instrument: str, score: float, **more: Any) -> Row:
    said = {"instrument": instrument, "score_micro": round(score * 1e6), "event_id": f"{instrument}-{number}"}
    return touchpoint(number, **said | more)


def bounds(people: Sequence[Sequence[float]], scale: tuple[float, float] | None = None) -> oracle.Bounds:
    """The interval of a share, or of a mean on a scale, by the oracle."""
    answers = [np.array(person, float) for person in people]
    k, s, q = (np.array(part, float) for part in zip(*((len(x), x.sum(), (x * x).sum()) for x in answers), strict=True))
    design = oracle.design(k, s, q)
    return oracle.share_interval(design) if scale is None else oracle.mean_interval(design, *scale)


def test_exact_metrics_of_instruments_are_those_of_a_plain_recomputation(shared: Client) -> None:
    put_in_force(Instruments(DECLARED))
    answers: list[tuple[str, str, float]] = [
        (f"c{n % 14}", instrument, scale[n * n % len(scale)])
        for instrument, scale in (
            ("stars", (5, 4, 1, 3, 5, 2, 4)),
            ("helpful", (1, 0, 1, 1)),
            ("slider", (-1, 0.5, 0, 4, 2.5)),
            ("relation", (10, 9, 0, 7, 6, 10)),
        )
        for n in range(33)
    ]
    rows = [
        answered(n, instrument, score, customer_id=person, journey="exact", occurred_at=NOON_MS + n)
        for n, (person, instrument, score) in enumerate(answers)
    ]
    publish(shared, rows)
    write(shared, lanes=[lane(next_offset=1_000)])
    (found,) = metrics(shared, by=("journey",), where={"journey": "exact"})

    def of(instrument: str) -> list[list[float]]:
        by: dict[str, list[float]] = {}
        for person, name, score in answers:
            if name == instrument:
                by.setdefault(person, []).append(score)
        return list(by.values())

    expected: dict[str, tuple[list[list[float]], tuple[float, float] | None, int]] = {
        "stars": (of("stars"), (1, 5), 1),
        "stars_top": ([[one >= 4 for one in person] for person in of("stars")], None, 100),
        "helpful": ([[one == 1 for one in person] for person in of("helpful")], None, 100),
        "slider": (of("slider"), (-1, 4), 1),
        "slider_top": ([[one <= 0.5 for one in person] for person in of("slider")], None, 100),
    }
    for name, (people, scale, unit) in expected.items():
        flat = [one for person in people for one in person]
        assert found[name] == pytest.approx(unit * sum(flat) / len(flat)), name
        assert (found[f"{name}_n"], found[f"{name}_people"]) == (33, 14), name
        low, high = bounds(people, scale)
        assert found[f"{name}_low"] == pytest.approx(unit * low, rel=1e-4), name
        assert found[f"{name}_high"] == pytest.approx(unit * high, rel=1e-4), name
    relation = [one for person in of("relation") for one in person]
    assert found["relation"] == pytest.approx(
        100 * (sum(x >= 9 for x in relation) - sum(x <= 6 for x in relation)) / 33
    )
    assert (found["stars_response_rate"], found["stars_response_rate_n"]) == (1.0, 14)


def test_rolling_rows_say_of_instruments_what_exact_metrics_say(shared: Client) -> None:
    put_in_force(Instruments(DECLARED))
    window, tick_ms = BY_NAME["24h"], now_ms() // HOUR_MS * HOUR_MS
    rows = [
        answered(
            at + n, name, scale[n % len(scale)], customer_id=f"c{n}", journey="rolled", stage=("use", "buy")[n % 2],
            occurred_at=tick_ms - 1 - n * 60_000, record_at=tick_ms, lane_clock=tick_ms,
        )
        for at, name, scale in ((200, "stars", (5, 4, 1, 3)), (300, "helpful", (1, 0, 0)), (400, "slider", (0.5, 4)))
        for n in range(40)
    ]  # fmt: skip
    publish(shared, rows)
    write(shared, lanes=[lane(next_offset=9_000, watermark=tick_ms)])
    measure_effects(shared, TOPIC, window, tick_ms)
    write_rolling(shared, TOPIC, [(window, tick_ms)])
    found = {row["stage"]: row for row in rolling_at(shared, TOPIC, window, tick_ms) if row["journey"] == "rolled"}
    (whole,) = metrics(shared, tick_ms - window.length_ms, tick_ms, ("journey",), {"journey": "rolled"})
    for name in shipped().instrument_fields:
        assert found[None][name] == (whole[name] if whole[name] is None else pytest.approx(whole[name], rel=1e-4)), name
    assert (found["use"]["stars_n"], found["buy"]["helpful_n"], found["use"]["relation_n"]) == (20, 20, 0)
    assert found["use"]["relation"] is None
    kept = shared.query("SELECT instruments FROM stage_metrics FINAL WHERE group_key = [('journey', 'rolled')]")
    assert not {name for (row,) in kept.result_rows for name in row if name.startswith("relation")}
    # The page's course and trend, and what a rule reads, are of the same rows and panes.
    span = TimeSpan(tick_ms - window.length_ms, tick_ms)
    steps = course(shared, TOPIC, Group("rolled"), span)
    assert sum(step["stars_n"] for step in steps) == 40
    tick = live.LiveTick(TOPIC, window, tick_ms, "rolled")
    (line,) = live.trend(shared, tick, ["use"], None, None, 60, ("stars", "helpful", "nps", "gone"))["use"]
    assert (line["stars"], line["helpful"]) == (found["use"]["stars"], found["use"]["helpful"])
    rules = Rules(
        "format: 1\nrules:\n"
        "  - {name: low, summary: x, metric: stars, window: 24h, where: {journey: rolled}, each: [stage], below: 5,"
        " min_n: 9}\n"
        "  - {name: fall, summary: x, metric: helpful, within: 6h, where: {journey: rolled}, drop: {points: 10}}\n"
    )
    metric = shipped().metrics["stars"]
    tables = AlertTables(shared, TOPIC)
    put_in_force(NONE)  # a process that judges goes by the metrics that it began with
    (read,) = tables.readings(rules.named["low"], metric, [tick_ms]).values()
    assert {group.stage: (one.value, one.n, one.low) for group, one in read.items()} == {
        stage: (found[stage]["stars"], 20, found[stage]["stars_low"]) for stage in ("use", "buy")
    }
    (suspects, whole_tick) = tables.suspects(rules.named["low"], metric, tick_ms - 1, tick_ms, [])[tick_ms]
    assert (len(suspects), whole_tick) == (2, True)
    bins = bins_of(shipped().under(Instruments(DECLARED)).metrics["helpful"])
    assert bins is not None
    assert bins.values == (0.0, 100.0)
    sums, _ = BucketTables(shared, TOPIC).sums(rules.named["fall"], bins, span.from_ms - HOUR_MS, span.to_ms, 10)
    assert [*sums[Group("rolled")]] == [26, 14]


def test_panes_of_answers_reconcile_with_raw_events(shared: Client) -> None:
    rows = [answered(500 + n, "slider", -0.5 * (n % 3 == 0), occurred_at=NOON_MS + HOUR_MS) for n in range(9)]
    publish(shared, rows)
    compared = reconcile(shared)
    assert (compared.differing, compared.panes > 0) == (0, True)
    spoilt = "ALTER TABLE stage_panes UPDATE answer_counts = map('slider 0', 9)"
    shared.command(f"{spoilt} WHERE answer_counts['slider -500000'] > 0 SETTINGS mutations_sync = 2")
    assert reconcile(shared).differing == 3


SURVEY = "who;when;question;answer\n" + "".join(
    f"c{n};{{at}};{question};{answer}\n"
    for n in range(40)
    for question, answer in (("Was this helpful?", "yes" if n % 4 == 0 else "no"), ("Stars", 1 + n % 5))
)
MAPPING = """
columns:
  customer_id: who
  occurred_at: when
  instrument: question
  score: answer
values:
  instrument: {"Was this helpful?": helpful, Stars: stars}
  score: {yes: "1", no: "0"}
constants: {channel: survey, touchpoint: delivery, action: survey}
"""
RULES = """
format: 1
rules:
  - name: not-helpful
    summary: Customers say that delivery does not help.
    metric: helpful
    window: 24h
    where: {stage: delivery}
    below: 50
    min_n: 10
"""


@pytest.fixture
def stand(clickhouse_url: str, kafka_url: str, tmp_path: Path) -> Iterator[Stand]:
    with standing(clickhouse_url, kafka_url, tmp_path) as stand:
        yield stand


def ran(environment: Mapping[str, str], *arguments: str) -> Any:
    result = CliRunner().invoke(app, arguments, env=environment, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_thumbs_and_stars_come_from_a_file_to_page_alert_and_metrics_without_code(stand: Stand, tmp_path: Path) -> None:
    files = {"instruments.yaml": DECLARED, "survey.csv": SURVEY, "survey.yaml": MAPPING, "alerts.yaml": RULES}
    tick_ms = now_ms() // 10_000 * 10_000
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("{at}", str(tick_ms - HOUR_MS)))
    settings = stand.settings.model_copy(
        update={"instruments_file": tmp_path / "instruments.yaml", "alerts_file": tmp_path / "alerts.yaml"}
    )
    environment = {
        "TOUCHSTREAM_KAFKA_URL": settings.kafka_url,
        "TOUCHSTREAM_CLICKHOUSE_URL": settings.clickhouse_url,
        "TOUCHSTREAM_TOPIC": settings.topic,
        "TOUCHSTREAM_PARTITIONS": "2",
        "TOUCHSTREAM_DATA_DIR": str(tmp_path),
        "TOUCHSTREAM_INSTRUMENTS_FILE": str(settings.instruments_file),
    }
    ran(environment, "init")
    published = json.loads(
        ran(environment, "publish", str(tmp_path / "survey.csv"), "--map", str(tmp_path / "survey.yaml"), "--json")
    )
    assert (published["published"], published["refused"]) == (80, 0)
    # An answer that no door has seen, to what was never declared: a worker refuses it.
    stand.publish({"event_id": "x", "occurred_at": tick_ms - HOUR_MS, "customer_id": "c1", "channel": "survey",
                   "touchpoint": "delivery", "instrument": "star", "score": 3})  # fmt: skip
    measure(settings)
    put_in_force(NONE)  # as in a process of its own
    del environment["TOUCHSTREAM_INSTRUMENTS_FILE"]
    (row,) = json.loads(ran(environment, "metrics", "--by", "stage", "--where", "stage=delivery", "--json"))
    assert (row["helpful"], row["helpful_n"], row["helpful_people"]) == (25.0, 40, 40)
    assert (row["stars"], row["stars_n"], row["stars_top"]) == (3.0, 40, 40.0)
    assert row["helpful_low"] < 25 < row["helpful_high"]
    (letter,) = json.loads(ran(environment, "dead-letters", "list", "--json"))
    assert letter["reason"] == "wrong_type"
    assert "did you mean stars?" in letter["detail"]

    client = Database(settings.clickhouse_url).client()
    window = BY_NAME["24h"]
    client.command("ALTER TABLE lanes UPDATE watermark = {at:DateTime64(3, 'UTC')} WHERE 1 SETTINGS mutations_sync = 2",
                   {"at": tick_ms / 1000})  # fmt: skip
    window_tick = window.last_tick(tick_ms)
    write_rolling(client, settings.topic, [(window, window_tick)])
    about = known(settings)
    rules = Rules.load(tmp_path / "alerts.yaml")
    assert [str(one) for one in rules.check(about) if one.severity == "error"] == []
    tables = AlertTables(client, settings.topic)
    Watch(tables, rules, about.catalogue, [], lambda: None).step()
    alerts = tables.alerts(states=["firing"])
    boards: list[Board] = []

    def draw(board: Board) -> str:
        boards.append(board)
        return "drawn"

    surroundings = Surroundings(settings.clickhouse_url, settings.topic, lambda _: ())
    Reader(surroundings, list(about.journeys), about.catalogue, draw).view(Selection(window="24h"), None)
    (card,) = [stage for stage in boards[0].stages if stage.id == "delivery"]
    shown = {figure.metric: (figure.label, figure.text, figure.n) for figure in card.figures}
    assert shown["stars"] == ("Stars", "3.00", 40)
    assert shown["helpful"][1:] == ("25.0 %", 40)
    assert [(alert.rule, alert.reading.value, alert.reading.n) for alert in alerts] == [("not-helpful", 25.0, 40)]


def test_instruments_switch_at_an_offset_and_what_was_counted_stays(stand: Stand, tmp_path: Path) -> None:
    file = tmp_path / "instruments.yaml"
    file.write_text(DECLARED)
    settings = stand.settings.model_copy(update={"instruments_file": file})
    at_ms = now_ms() - 60_000
    event = {"occurred_at": at_ms, "customer_id": "ann", "channel": "web", "touchpoint": "page", "instrument": "stars"}

    def init() -> None:
        assert list(prepare(settings))

    init()
    stand.publish(event | {"event_id": "1", "score": 4})
    file.write_text("format: 1\n")
    init()
    stand.publish(event | {"event_id": "2", "score": 5})
    file.write_text(DECLARED)
    init()
    stand.publish(event | {"event_id": "3", "score": 1}, event | {"event_id": "1", "score": 5})
    measure(settings)
    client = stand.in_force
    (row,) = metrics(client)
    assert (row["stars"], row["stars_n"], row["duplicates"], row["conflicting"]) == (2.5, 2, 1, 1)
    assert [reason for (reason,) in client.query("SELECT reason FROM dead_letters").result_rows] == ["wrong_type"]
    file.write_text(
        DECLARED.replace("id: stars, kind: stars", "id: stars, kind: stars, highest: 10, lowest: 0, top_box: 9")
    )
    with pytest.raises(DefinitionError, match="stars has the scale 1 to 5"):
        init()
