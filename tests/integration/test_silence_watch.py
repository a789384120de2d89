"""Silent feeds over panes in a real ClickHouse: told once, with what they mute, and rehearsed to the same."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner

from tests.support.alert_rows import CATALOGUE
from tests.support.databases import migrated_database
from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.schemas.alerts import Rules
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.buckets import BucketTables
from touchstream.sinks.clickhouse.alerts.cause import CauseTables
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.notify.notification import Notification
from touchstream.streams.cli.main import app
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_WEEK
from touchstream.streams.watch.evidence_rehearsal import EvidenceRehearsal
from touchstream.streams.watch.evidence_watch import EvidenceWatch
from touchstream.streams.watch.incident_watch import IncidentSources, IncidentWatch
from touchstream.streams.watch.judge import FIRING, RESOLVED

pytestmark = pytest.mark.stack

FIRST: Final = now_ms() // BUCKET_MS // 288 * 288 - 2 * BUCKETS_PER_WEEK - 288 + 100
LEARNT: Final = FIRST + 2 * BUCKETS_PER_WEEK + 20
STOPPED, BACK, LAST = LEARNT + 10, LEARNT + 22, LEARNT + 34
RULES: Final = Rules("""
format: 1
silence: {severity: critical, owner: channels}
rules:
  - {name: touches_fell, summary: It fell, metric: touches, each: [stage], drop: {percent: 30}, within: 1h}
""")
COLUMNS: Final = [
    "log_id", "partition", "resolution_s", "pane_start", "journey", "stage", "channel", "touchpoint", "segment",
    "log_offset", "touches",
]  # fmt: skip


def pane(start_ms: int, channel: str, touches: int, resolution_s: int = 300) -> list[Any]:
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    return ["log", 0, resolution_s, start, "shop", "use", channel, "page", "", 1, touches]


@pytest.fixture(scope="module")
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as database:
        rng, rows = np.random.default_rng(20_261_130), []
        for number in range(FIRST, LAST + 1):
            rows.append(pane(number * BUCKET_MS, "web", int(rng.poisson(30))))
            if not STOPPED <= number < BACK:
                rows.append(pane(number * BUCKET_MS, "chat", int(rng.poisson(20))))
        rows.append(pane(STOPPED * BUCKET_MS, "chat", 8))
        rows += [pane(STOPPED * BUCKET_MS + at * 10_000, "chat", 1, 10) for at in range(8)]
        database.insert("stage_panes", rows, COLUMNS)
        yield database


def watch(client: Client) -> EvidenceWatch:
    return EvidenceWatch(AlertTables(client, "t"), BucketTables(client, "t"), RULES, CATALOGUE, ["webhook"])


def changes(client: Client) -> list[AlertRow]:
    return sorted(AlertTables(client, "t").changes(), key=lambda one: (one.tick_ms, one.rule, one.group.key))


def test_a_channel_that_is_switched_off_is_told_as_silent_with_what_it_mutes_also_through_restarts(
    client: Client,
) -> None:
    judges = watch(client)
    while judges.step(LEARNT):
        pass
    for number in range(LEARNT + 1, LAST + 1):
        if number % 6 == 0:
            judges = watch(client)
        while judges.step(number):
            pass
    found = changes(client)
    silent = [one for one in found if one.rule == "feed_silent"]
    assert [(one.group.channel, one.state) for one in silent] == [("chat", FIRING), ("chat", RESOLVED)]
    assert STOPPED < silent[0].tick_ms // BUCKET_MS <= STOPPED + 3
    assert silent[1].tick_ms == (BACK + 1) * BUCKET_MS
    told = Notification.of(silent[0], "t")
    assert told.mutes == ("touches_fell in stage use",)
    assert (told.severity, told.owner) == ("critical", "channels")
    assert "no events where some are expected); not judged meanwhile: touches_fell in stage use" in told.text
    muted = [(one.state, one.verdict) for one in found if one.rule == "touches_fell"]
    assert muted == [("ok", "no_data"), ("ok", "clear")]
    destinations = client.query("SELECT rule, destinations FROM alert_changes FINAL ORDER BY tick, rule").result_rows
    assert {rule for rule, to in destinations if to} == {"feed_silent"}
    span = (LEARNT + 1) * BUCKET_MS, (LAST + 1) * BUCKET_MS
    store = BucketTables(client, "t")
    for as_known_now in (False, True):
        rehearsal = EvidenceRehearsal(store, RULES, CATALOGUE, *span, as_known_now=as_known_now)
        assert rehearsal.changes() == found
    assert watch(client).step(LAST) == 0


def test_a_silence_that_late_events_fill_is_taken_back(client: Client) -> None:
    client.command(
        "DELETE FROM stage_panes WHERE channel = 'chat' AND resolution_s = 300 AND pane_start >= {at:DateTime64}",
        {"at": datetime.fromtimestamp((LAST - 6) * BUCKET_MS / 1000, UTC)},
    )
    for table in ("alerts", "alert_changes", "alerts_judged", "alert_buckets", "alert_snapshots"):
        client.command(f"TRUNCATE TABLE {table}")
    judges = watch(client)
    while judges.step(LAST - 10):
        pass
    while judges.step(LAST):
        pass
    assert [one.state for one in changes(client) if one.rule == "feed_silent"] == [FIRING]
    assert judges.retract() == 0
    client.insert(
        "stage_panes", [pane(number * BUCKET_MS, "chat", 20) for number in range(LAST - 6, LAST + 1)], COLUMNS
    )
    assert judges.retract() == 1
    assert [(one.state, one.verdict) for one in changes(client) if one.rule == "feed_silent"][1:] == [
        (RESOLVED, "retracted")
    ]


def test_an_incident_names_its_cause_from_panes_and_is_told_once_also_after_a_restart(
    client: Client, clickhouse_url: str
) -> None:
    client.command("TRUNCATE TABLE alert_changes")
    now, journey = now_ms(), Group("shop", "use")
    client.insert(
        "stage_panes", [pane(number * BUCKET_MS, "shop's app", 600) for number in range(LAST - 11, LAST + 1)], COLUMNS
    )
    tables = AlertTables(client, "t")
    about = About("touches", "1h", "touches drop of 30 within 1h", "critical", "channels", "It rose.")
    began, tick = (LAST - 11) * BUCKET_MS, (LAST + 1) * BUCKET_MS
    fired = AlertRow(
        "touches_fell", journey, tick, FIRING, tick, "breach", about, Reading(700.0), Baseline(100.0, None, began)
    )
    tables.record([], {fired: ["webhook"]})
    for _ in range(2):
        sources = IncidentSources(CauseTables(client))
        IncidentWatch(tables, sources, RULES, CATALOGUE, ["webhook", "topic"]).step(now)
    (found,) = (one for one in tables.changes() if one.incident)
    assert {one.change.rule for one in tables.undelivered("topic", 9)} == {found.rule}
    environment = {
        "TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database)),
        "TOUCHSTREAM_TOPIC": "t",
    }
    ran = CliRunner().invoke(app, ["alerts", "incidents", "--from", "-2d", "--json"], env=environment)
    assert ran.exit_code == 0, ran.output
    (incident,) = json.loads(ran.stdout)
    (cause,) = incident["causes"]
    (channel,) = cause["by"]  # there is one touchpoint, and one segment
    assert (channel["by"], [group["name"] for group in channel["groups"]]) == ("channel", ["shop's app"])
    assert channel["groups"][0]["rate"] == 12 * 600
    assert channel["rate"] + channel["mix"] == pytest.approx(cause["after"] - cause["before"], abs=1e-9)
    shown = CliRunner().invoke(app, ["alerts", "incidents", "--from", "-2d"], env=environment).stdout
    assert "channel shop's app +7,200.0 of" in shown
