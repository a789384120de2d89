"""`touchstream watch` and `touchstream alerts` as people run them, against a real ClickHouse and the real broker."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from typer.testing import CliRunner, Result

from tests.support.alert_rows import CSAT_LOW, INCIDENT, at, incident, step_through, support, write_ticks
from tests.support.databases import migrated_database
from tests.support.http_endpoint import endpoint
from tests.support.stack import eventually
from touchstream.deploy.local.ports import free_port
from touchstream.sinks.clickhouse.alerts.rounds import newest_round
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.page.figures import instant
from touchstream.streams.broker.topics import ALERTS_TOPIC, TopicSpec, ensure_topics
from touchstream.streams.cli.main import app
from touchstream.streams.cli.page import _firing
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.watch.judge import FIRING, PENDING, RESOLVED

pytestmark = pytest.mark.stack

RULES = f"format: 1\nrules:\n  - {CSAT_LOW}\n"


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def environment(client: Client, clickhouse_url: str, kafka_url: str, tmp_path: Path) -> dict[str, str]:
    ensure_topics(KafkaConnection.from_url(kafka_url), [TopicSpec(ALERTS_TOPIC, 1, 1)])
    (tmp_path / "alerts.yaml").write_text(RULES)
    return os.environ | {
        "TOUCHSTREAM_KAFKA_URL": kafka_url,
        "TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database)),
        "TOUCHSTREAM_ALERTS_FILE": str(tmp_path / "alerts.yaml"),
        "TOUCHSTREAM_WATCH_PORT": str(free_port()),
    }


def run(environment: dict[str, str], *arguments: str) -> Result:
    """A command in this process: a new one is slow to start."""
    return CliRunner().invoke(app, arguments, env=environment)


def refused_watch(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "touchstream.streams.cli", "watch"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def watching(environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "touchstream.streams.cli", "watch"], env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ask(environment: dict[str, str], path: str, accept: str = "") -> str:
    url = f"http://127.0.0.1:{environment['TOUCHSTREAM_WATCH_PORT']}{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def is_ready(environment: dict[str, str]) -> bool:
    return "ready" in ask(environment, "/readyz")


def test_a_watch_that_is_killed_goes_on_where_it_was_and_everybody_is_told_once(
    client: Client, environment: dict[str, str], tmp_path: Path
) -> None:
    tables = AlertTables(client, "touchpoints")
    write_ticks(client, [(0, [support(csat=85.0)])])
    with endpoint() as hook:
        environment["TOUCHSTREAM_ALERTS_WEBHOOK_URL"] = hook.url
        with watching(environment, tmp_path / "one.log"):
            eventually(lambda: tables.cursors() == {"csat_low": at(0)})
            incident(client, csat=INCIDENT[:4])
            eventually(lambda: [request.json["state"] for request in hook.requests] == [FIRING])
            eventually(lambda: not tables.undelivered("webhook", 9) and not tables.undelivered("topic", 9))
        incident(client, 5, INCIDENT[4:])
        with watching(environment, tmp_path / "two.log") as second:
            eventually(lambda: [request.json["state"] for request in hook.requests] == [FIRING, RESOLVED])
            assert [request.json["tick"] for request in hook.requests] == sorted(
                request.json["tick"] for request in hook.requests
            )
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
    assert tables.cursors() == {"csat_low": at(7)}
    round_ = newest_round(client, "touchpoints")
    assert round_ is not None
    assert (round_.rules, round_.step_ms, round_.judged_to_ms) == (1, 10_000, at(7))
    assert f"judged up to {instant(at(7), round_.now_ms)}" in run(environment, "alerts", "--firing").stderr


def test_no_alert_that_fires_is_not_all_that_is_said_where_nothing_judges(
    client: Client, environment: dict[str, str]
) -> None:
    never = run(environment, "alerts", "--firing")
    assert (never.exit_code, never.stdout.strip()) == (0, "no alert is firing")
    assert "no watch has ever judged this topic" in never.stderr
    ago = datetime.now(UTC) - timedelta(minutes=5)
    client.insert(
        "watch_rounds", [["touchpoints", 1, 10_000, ago, ago]], ["topic", "rules", "step_ms", "judged_to", "written_at"]
    )
    assert "watch was last heard of 5 min" in run(environment, "alerts", "--firing").stderr


def test_watch_reports_its_state_in_strict_openmetrics(
    client: Client, environment: dict[str, str], tmp_path: Path
) -> None:
    step_through(AlertTables(client, "touchpoints"), client, INCIDENT[:4])
    write_ticks(client, [(5, [support(csat=1.0)])])
    with watching(environment, tmp_path / "watch.log"):
        eventually(lambda: is_ready(environment))
        eventually(lambda: "touchstream_watch_firing{" in ask(environment, "/metrics"))
        text = ask(environment, "/metrics", "application/openmetrics-text; version=1.0.0")
        samples = {
            (sample.name, sample.labels.get("rule")): sample.value
            for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
            for sample in family.samples
        }
        assert samples["touchstream_watch_firing", "csat_low"] == 1
        assert samples["touchstream_watch_judged_timestamp_seconds", "csat_low"] == at(5) / 1000
        assert json.loads(ask(environment, "/healthz")) == {"state": "alive"}
        assert "touchstream_watch_state" in text
        assert "touchstream_worker_state" not in text  # of a worker that there isn't


def test_watch_waits_for_a_clickhouse_that_is_away_and_says_so(environment: dict[str, str], tmp_path: Path) -> None:
    environment["TOUCHSTREAM_CLICKHOUSE_URL"] = "http://default@127.0.0.1:1/touchstream"
    log = tmp_path / "watch.log"
    with watching(environment, log) as process:
        eventually(lambda: "alerts wait for ClickHouse" in log.read_text())
        assert not is_ready(environment)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_watch_does_not_start_with_a_rule_that_cannot_be_judged(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(RULES.replace("csat,", "csta,"))
    ended = refused_watch(environment)
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("alerts.yaml:3: metrics.yaml has no metric csta; correct its spelling")
    checked = run(environment, "catalogue", "check", "--json")
    assert checked.exit_code == 1
    assert [one["where"] for one in json.loads(checked.stdout) if one["severity"] == "error"] == ["alerts.yaml:3"]


def answer(environment: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
    ended = run(environment, *arguments, "--json")
    assert ended.exit_code == 0, ended.stderr
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def test_alerts_are_listed_and_shown_on_the_page(client: Client, environment: dict[str, str]) -> None:
    tables = AlertTables(client, "touchpoints")
    assert answer(environment, "alerts") == []
    step_through(tables, client, INCIDENT[:4])
    (firing,) = answer(environment, "alerts", "--firing")
    assert (firing["rule"], firing["state"], firing["stage"], firing["channel"]) == (
        "csat_low",
        FIRING,
        "support",
        None,
    )
    assert (firing["value"], firing["n"], firing["low"], firing["completeness"]) == (40.0, 200, 75.5, 1.0)
    (shown,) = _firing("touchpoints", client)
    assert (shown.rule, shown.stage, shown.since_ms) == ("csat_low", "support", at(4))
    assert shown.text == "Unhappy csat 40.0 [75.5, 86.2], n 200; csat below 60 over 1m"
    assert _firing("another", client) == ()
    incident(client, 5, INCIDENT[4:])
    step_through(tables, client, INCIDENT)
    assert answer(environment, "alerts", "--firing") == []
    assert [alert["state"] for alert in answer(environment, "alerts")] == [RESOLVED]
    history = ("alerts", "history", "--from", str(at(0)))
    assert [change["state"] for change in answer(environment, *history)] == [RESOLVED, FIRING, PENDING]
    assert answer(environment, *history, "--rule", "other") == []
    assert answer(environment, "alerts", "history", "--from", str(at(7))) == []


def test_a_rehearsal_says_what_rules_would_have_said(client: Client, environment: dict[str, str]) -> None:
    incident(client)
    file, interval = environment["TOUCHSTREAM_ALERTS_FILE"], ("--from", str(at(0)), "--to", str(at(7)))
    said = answer(environment, "alerts", "test", file, *interval)
    assert [one["state"] for one in said] == ["pending", FIRING, RESOLVED]
    assert answer(environment, "alerts", "test", file, *interval, "--as-known-now") == []
    assert (
        "nothing would have changed in 2 windows"
        in run(environment, "alerts", "test", file, "--from", str(at(5)), "--to", str(at(7))).stdout
    )
    refused = run(environment, "alerts", "test", file, "--from", "-1h", "--to", "-2h")
    assert refused.exit_code == 2
    assert "--from must be before --to" in refused.stderr
