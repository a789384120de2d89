"""Rules by evidence over panes in a real ClickHouse: judged once and in order, whatever dies, and rehearsed."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from tests.support.alert_rows import CATALOGUE, Died, empty_alert_tables
from tests.support.databases import migrated_database
from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import Rules
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.buckets import BucketTables
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.client import database_url
from touchstream.streams.cli.main import app
from touchstream.streams.watch.evidence.buckets import BUCKET_MS
from touchstream.streams.watch.evidence_rehearsal import EvidenceRehearsal
from touchstream.streams.watch.evidence_watch import HISTORY, EvidenceWatch, bins_in
from touchstream.streams.watch.judge import FIRING, OK, RESOLVED
from touchstream.streams.watch.rule_series import Bucket, RuleSeries

pytestmark = pytest.mark.stack

FIRST: Final = now_ms() // BUCKET_MS // 288 * 288 - HISTORY - 288 + 100
"""A bucket some weeks ago, in the middle of an hour and of a day: what is older than months is deleted."""
LEARNT: Final = FIRST + HISTORY - 1
"""The newest bucket as a watch begins."""
DROP: Final = range(LEARNT + 20, LEARNT + 60)
LAST: Final = LEARNT + 120
FALLEN = """
  - {name: nps_fell, summary: It fell, metric: nps, each: [stage], drop: {points: 30}, within: 6h, min_n: 50}
"""
TOUCHES = """
  - {name: touches_fell, summary: It fell, metric: touches, each: [stage], drop: {percent: 30}, within: 6h}
"""


def rules(*texts: str, budget: float = 0.5) -> Rules:
    said = f"format: 1\nbudget: {{false_alarms_per_week: {budget}}}\nsilence: false"
    return Rules(f"{said}\nrules:{''.join(texts)}")


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        rng = np.random.default_rng(20_261_130)
        rows: list[list[Any]] = []
        for number in range(FIRST, LAST + 1):
            for stage in ("support", "use"):
                falls = stage == "support" and number in DROP
                touches = int(rng.poisson(15 if falls else 30))
                detractors = 0.75 if falls else 0.25
                answers = rng.multinomial(25, [detractors, 0.25, 0.75 - detractors])
                nps = [0] * 6 + [int(answers[0]), int(answers[1]), 0, int(answers[2]), 0]
                rows.append(pane(number, stage, touches, nps))
        insert(client, rows)
        yield client


COLUMNS: Final = [
    "log_id", "partition", "resolution_s", "pane_start", "journey", "stage", "channel", "touchpoint", "segment",
    "log_offset", "touches", "nps_counts",
]  # fmt: skip


def pane(number: int, stage: str, touches: int, nps: Sequence[int], offset: int = 1) -> list[Any]:
    start = np.datetime64(number * BUCKET_MS, "ms").astype("datetime64[ms]").item()
    return ["log", 0, 300, start, "customer", stage, "web", "page", "", offset, touches, list(nps)]


def insert(client: Client, rows: list[list[Any]]) -> None:
    client.insert("stage_panes", rows, COLUMNS)


@pytest.fixture
def client(database: Client) -> Client:
    empty_alert_tables(database)
    for table in ("alert_buckets", "alert_snapshots", "design_effects"):
        database.command(f"TRUNCATE TABLE {table}")
    return database


STATE: Final = ("alerts", "alert_changes", "alerts_judged", "alert_buckets", "alert_snapshots")


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, pa.Table]]:
    """By the text of rules, what the tables hold once they have learnt from the history."""
    return {}


@pytest.fixture
def learnt(client: Client, known: dict[str, dict[str, pa.Table]]) -> Callable[..., Rules]:
    """Rules of these texts, which have learnt up to LEARNT; each once, for it takes seconds."""

    def learn(*texts: str) -> Rules:
        wanted, text = rules(*texts), "".join(texts)
        if text not in known:
            assert step_to(watch(client, wanted), LEARNT) == HISTORY * len(wanted.rules)
            known[text] = {table: client.query_arrow(f"SELECT * FROM {table}") for table in STATE}  # noqa: S608 - ours
        else:
            for table, content in known[text].items():
                client.insert_arrow(table, content)
        return wanted

    return learn


class Writes:
    """Counts down: once none is left, the process is gone before the next write."""

    def __init__(self, left: int) -> None:
        self._left = left

    def one(self) -> None:
        if self._left == 0:
            raise Died
        self._left -= 1


class DyingStore:
    """Tables to which only so many writes can be done."""

    def __init__(self, tables: AlertTables | BucketTables, writes: Writes) -> None:
        self._tables, self._writes = tables, writes

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._tables, name)
        if not name.startswith("record") or name == "recorded":
            return asked

        def write(*arguments: Any) -> None:
            self._writes.one()
            asked(*arguments)

        return write


def watch(client: Client, wanted: Rules) -> EvidenceWatch:
    return EvidenceWatch(AlertTables(client, "t"), BucketTables(client, "t"), wanted, CATALOGUE, ["webhook"])


def step_to(judges: EvidenceWatch, newest: int) -> int:
    judged = 0
    while some := judges.step(newest):
        judged += some
    return judged


def changes(client: Client) -> list[AlertRow]:
    return sorted(AlertTables(client, "t").changes(), key=lambda one: (one.tick_ms, one.rule, one.group.key))


def told(client: Client) -> list[tuple[str, str]]:
    return [(str(one.group.stage), one.state) for one in changes(client) if one.state in (FIRING, RESOLVED)]


SUPPORT = Group("customer", "support")


def test_a_new_rule_learns_from_panes_fires_in_a_drop_and_is_resolved_after_it(client: Client) -> None:
    judges = watch(client, rules(FALLEN))
    assert step_to(judges, LEARNT) == HISTORY
    assert changes(client) == []
    assert {one.state for one in AlertTables(client, "t").alerts()} == {OK}
    assert step_to(judges, LAST) == LAST - LEARNT
    assert told(client) == [("support", FIRING), ("support", RESOLVED)]
    fired, resolved = (one for one in changes(client) if one.state in (FIRING, RESOLVED))
    assert DROP.start < fired.tick_ms // BUCKET_MS < DROP.start + 12
    assert DROP.stop < resolved.tick_ms // BUCKET_MS
    assert fired.baseline is not None
    assert fired.reading.value is not None
    assert fired.baseline.value == pytest.approx(25, abs=3)
    assert fired.reading.value == pytest.approx(-50, abs=20)
    assert (fired.about.condition, fired.about.window) == ("nps drop of 30 within 6h", "6h")


def test_a_count_falls_against_its_week(client: Client) -> None:
    step_to(watch(client, rules(TOUCHES)), LAST)
    assert step_to(watch(client, rules(TOUCHES)), LAST) == 0
    judges = watch(client, rules(TOUCHES, FALLEN))
    step_to(judges, LAST)
    assert judges.judged_to_ms == (LAST + 1) * BUCKET_MS


@pytest.mark.long
def test_watches_that_end_after_each_bucket_and_a_rehearsal_say_what_one_says(
    client: Client, learnt: Callable[..., Rules]
) -> None:
    wanted = learnt(FALLEN, TOUCHES)
    for number in [*range(LEARNT + 1, LAST, 7), LAST]:
        assert watch(client, wanted).step(number) > 0
    pieces = changes(client)
    assert {one.rule for one in pieces if one.state == FIRING} == {"nps_fell", "touches_fell"}
    from_ms, to_ms = (LEARNT + 1) * BUCKET_MS, (LAST + 1) * BUCKET_MS
    store = BucketTables(client, "t")
    rehearsed = EvidenceRehearsal(store, wanted, CATALOGUE, from_ms, to_ms, as_known_now=False).changes()
    assert [vars(one) for one in rehearsed] == [vars(one) for one in pieces]
    known = EvidenceRehearsal(store, wanted, CATALOGUE, from_ms, to_ms, as_known_now=True).changes()
    assert [(one.rule, one.state) for one in known] == [(one.rule, one.state) for one in pieces]
    empty_alert_tables(client)
    client.command("TRUNCATE TABLE alert_snapshots")
    client.command("TRUNCATE TABLE alert_buckets")
    judges = watch(client, wanted)
    step_to(judges, LEARNT)
    step_to(judges, LAST)
    assert changes(client) == pieces


def test_wherever_a_watch_dies_all_changes_are_written_once(client: Client, learnt: Callable[..., Rules]) -> None:
    wanted = learnt(FALLEN)
    for number in range(DROP.start, DROP.start + 12):
        for writes in range(4):
            left = Writes(writes)
            alerts, buckets = (DyingStore(one(client, "t"), left) for one in (AlertTables, BucketTables))
            with suppress(Died):
                EvidenceWatch(alerts, buckets, wanted, CATALOGUE, ["webhook"]).step(number)
        step_to(watch(client, wanted), number)
    assert told(client) == [("support", FIRING)]
    assert client.command("SELECT count() = uniqExact(key) FROM alert_changes FINAL") == 1


@pytest.fixture
def restored(client: Client) -> Iterator[None]:
    """Panes as they were before."""
    original = client.query_arrow("SELECT * FROM stage_panes FINAL WHERE stage = 'use'")
    yield
    client.command("DELETE FROM stage_panes WHERE stage = 'use'")
    client.insert_arrow("stage_panes", original)


@pytest.mark.usefixtures("restored")
def test_late_events_change_no_bucket_that_was_judged(client: Client) -> None:
    wanted = rules(FALLEN)
    step_to(watch(client, wanted), LAST - 60)
    before = changes(client)
    insert(client, [pane(number, "use", 400, [300] + [0] * 10, offset=2) for number in range(LAST - 90, LAST - 70)])
    step_to(watch(client, wanted), LAST - 60)
    assert changes(client) == before
    between = (LAST - 100) * BUCKET_MS, (LAST - 60) * BUCKET_MS
    store = BucketTables(client, "t")
    recorded = EvidenceRehearsal(store, wanted, CATALOGUE, *between, as_known_now=False).changes()
    known = EvidenceRehearsal(store, wanted, CATALOGUE, *between, as_known_now=True).changes()
    assert ("use", FIRING) not in [(one.group.stage, one.state) for one in recorded]
    assert ("use", FIRING) in [(one.group.stage, one.state) for one in known]


def touches(client: Client, numbers: range, count: int, offset: int) -> None:
    """As if the stage `use` had so many touches, as of an offset."""
    insert(client, [pane(number, "use", count, [0] * 11, offset) for number in numbers])


GAP: Final = range(LAST - 40, LAST - 10)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("restarts", [False, True])
def test_an_alert_that_late_events_unmake_is_taken_back_once_and_its_series_go_on(
    client: Client, restarts: bool
) -> None:
    wanted = rules(TOUCHES)
    touches(client, GAP, 6, offset=2)
    judges = watch(client, wanted)
    step_to(judges, GAP.start - 30)
    step_to(judges, GAP.stop - 1)
    assert told(client)[-1:] == [("use", FIRING)]
    assert judges.retract() == 0
    touches(client, GAP, 30, offset=3)
    if restarts:
        judges = watch(client, wanted)
        judges.step(GAP.stop - 1)
    assert judges.retract() == 1
    assert judges.retract() == 0
    (retracted,) = (one for one in changes(client) if one.verdict == "retracted")
    assert (retracted.group.stage, retracted.state) == ("use", RESOLVED)
    assert client.query("SELECT destinations FROM alert_changes WHERE verdict = 'retracted'").first_row == (
        ["webhook"],
    )
    after = watch(client, wanted)
    for going_on in (judges, after):
        step_to(going_on, LAST)
    assert after.retract() == 0
    assert [one for one in told(client) if one[0] == "use"] == [("use", FIRING), ("use", RESOLVED)]
    assert {one.group.stage: one.state for one in AlertTables(client, "t").alerts()}["use"] == RESOLVED
    store = BucketTables(client, "t")
    span = GAP.start * BUCKET_MS, LAST * BUCKET_MS
    assert EvidenceRehearsal(store, wanted, CATALOGUE, *span, as_known_now=False).changes() == []


@pytest.mark.usefixtures("restored")
def test_an_alert_that_late_events_change_but_do_not_unmake_stands(client: Client) -> None:
    touches(client, GAP, 6, offset=2)
    judges = watch(client, rules(TOUCHES))
    step_to(judges, GAP.stop - 1)
    touches(client, GAP, 8, offset=3)
    assert (judges.retract(), judges.retract()) == (0, 0)
    assert ("use", FIRING) in told(client)


def test_a_rule_that_was_edited_begins_anew_and_its_alert_ends(client: Client, learnt: Callable[..., Rules]) -> None:
    middle = DROP.stop - 5
    step_to(watch(client, learnt(FALLEN)), middle)
    assert told(client) == [("support", FIRING)]
    other = FALLEN.replace("points: 30", "points: 150")
    step_to(watch(client, rules(other)), middle)
    assert told(client) == [("support", FIRING), ("support", RESOLVED)]
    assert changes(client)[-1].verdict == "retired"
    relabelled = other.replace("It fell", "Other words")
    step_to(watch(client, rules(relabelled, budget=5.0)), middle)
    assert step_to(watch(client, rules(relabelled)), middle + 1) == 1


def test_a_drop_that_a_new_rule_finds_going_on_is_told_once(client: Client) -> None:
    step_to(watch(client, rules(FALLEN)), DROP.stop - 2)
    assert told(client) == [("support", FIRING)]


def test_names_are_names_in_buckets(client: Client) -> None:
    text = "\n  - {name: r, summary: s, metric: touches, each: [stage, segment], where: {channel: '**'}, "
    (rule,) = rules(text + "drop: {percent: 30}, within: 6h}").rules
    names = ["", "*", "(other)", "\\'; DROP", "{x:String}"]
    rows = [pane(FIRST - 10, "use", 3, [0] * 11, offset=3) for _ in names]
    for row, name in zip(rows, names, strict=True):
        row[6], row[8] = "*", name
    insert(client, rows)
    bins = bins_in(rule, CATALOGUE)
    series = RuleSeries(rule, bins, rules(TOUCHES).zone, FIRST - 11)
    counted = BucketTables(client, "t").counted(rule, bins, (FIRST - 10) * BUCKET_MS, (FIRST - 9) * BUCKET_MS)
    (counts,) = counted.values()
    assert counts == {Group("customer", "use", "*", name): [3] for name in names}
    series.take(Bucket(FIRST - 10, 10.0, counts))
    assert {group.segment for group in series.groups} == set(names)


def test_answers_of_the_same_people_weigh_less_and_a_replay_knows_by_how_much(
    client: Client, learnt: Callable[..., Rules]
) -> None:
    wanted, middle = learnt(FALLEN), DROP.start + 30

    def width() -> float:
        (alert,) = (one for one in AlertTables(client, "t").alerts() if one.group == SUPPORT)
        assert alert.reading.low is not None
        assert alert.reading.value is not None
        return alert.reading.value - alert.reading.low

    plain = width()
    place = ["t", "24h", list(SUPPORT.key), {"nps": 16.0}, 100]
    client.insert("design_effects", [place], ["topic", "window", "group_key", "effects", "people"])
    step_to(watch(client, wanted), LEARNT + 13)
    assert width() == pytest.approx(4 * plain, rel=0.1)
    step_to(watch(client, wanted), middle)
    live = changes(client)
    client.command("TRUNCATE TABLE design_effects")
    span = (LEARNT + 1) * BUCKET_MS, (middle + 1) * BUCKET_MS
    rehearsed = EvidenceRehearsal(BucketTables(client, "t"), wanted, CATALOGUE, *span, as_known_now=False).changes()
    assert rehearsed == live != []


def test_a_rule_whose_state_can_not_be_used_begins_anew(client: Client, learnt: Callable[..., Rules]) -> None:
    learnt(FALLEN)
    client.command("INSERT INTO alert_snapshots SELECT * REPLACE ('bm8gemlw' AS content) FROM alert_snapshots FINAL")
    judges = watch(client, rules(FALLEN))
    step_to(judges, LEARNT)
    step_to(judges, LEARNT + 5)
    assert client.command("SELECT uniqExact(run) FROM alert_snapshots") == 1
    assert {one.verdict for one in AlertTables(client, "t").alerts()} == {"clear"}


def test_nothing_is_judged_before_a_lane_has_a_watermark(client: Client) -> None:
    judges = watch(client, rules(FALLEN))
    assert (judges.step(-1), judges.step(0), judges.judged_to_ms) == (0, 0, 0)
    assert client.command("SELECT count() FROM alert_buckets") == 0


def test_power_is_said_for_the_traffic_that_there_is(client: Client, clickhouse_url: str, tmp_path: Path) -> None:
    rows = [pane(number, "use", 300, [40] * 6 + [10, 20, 0, 100, 0], offset=5) for number in range(FIRST, FIRST + 288)]
    for row in rows:
        row[2], row[5] = 3600, "big"
        row[3] += timedelta(days=27)
    rows += [[*row[:5], "small", *row[6:10], 1, [1] + [0] * 10] for row in rows]
    insert(client, rows)
    rare = TOUCHES.replace("within: 6h", "within: 6h, min_n: 1000").replace("touches_fell", "rare")
    file = tmp_path / "alerts.yaml"
    file.write_text(f"format: 1\nrules:{FALLEN}{TOUCHES}{rare}")
    environment = {
        "TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database)),
        "TOUCHSTREAM_TOPIC": "t",
    }
    ran = CliRunner().invoke(app, ["alerts", "power", str(file), "--from", "-3d", "--json"], env=environment)
    assert ran.exit_code == 0, ran.output
    said = {(row["rule"], row["stage"]): row for row in json.loads(ran.stdout)}
    assert said["nps_fell", "big"]["power"] > 0.99
    assert said["nps_fell", "big"]["smallest"] >= 30
    assert said["touches_fell", "big"]["smallest"] == pytest.approx(30)
    assert "never fires" in said["rare", "small"]["says"]
    assert said["rare", "small"]["power"] == 0.0
