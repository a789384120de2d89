"""Disconnected, stuck and idle are told apart, and the answers over HTTP say which."""

import json
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from touchstream.streams.process.health import (
    IDLE_SECONDS,
    STUCK_SECONDS,
    HealthMonitor,
    HealthRules,
    Observation,
    ProcessHealth,
)
from touchstream.streams.process.health_server import serve_health

AT_WORK = Observation(
    at=1000.0,
    kafka=True,
    clickhouse=True,
    assigned=frozenset({0, 1}),
    next_offsets={0: 10, 1: 20},
    records_behind=3,
    pending_rows=2,
    unflushed=True,
    flushed_at=999.5,
    measured_at=1000.0,
)
QUIET = replace(AT_WORK, records_behind=0, pending_rows=0, unflushed=False, measured_at=0.0)
LONG = STUCK_SECONDS + 1


def later(observation: Observation, seconds: float = LONG, **changes: object) -> Observation:
    return replace(observation, at=observation.at + seconds, **changes)  # type: ignore[arg-type]


def state(*observations: Observation) -> str:
    rules = HealthRules()
    return [rules.health(observation) for observation in observations][-1].state


def test_a_worker_that_reads_and_writes_is_ready() -> None:
    assert state(AT_WORK) == "ready"
    assert state(AT_WORK, later(AT_WORK, next_offsets={0: 11, 1: 20}, flushed_at=1030.0)) == "ready"


def test_a_worker_with_nothing_but_heartbeats_is_idle() -> None:
    assert state(QUIET) == "idle"
    assert state(replace(QUIET, measured_at=QUIET.at - IDLE_SECONDS / 2)) == "ready"
    assert state(QUIET, later(QUIET)) == "idle"


def test_a_worker_that_others_left_no_lane_is_idle() -> None:
    assert state(replace(QUIET, assigned=frozenset(), next_offsets={})) == "idle"


@pytest.mark.parametrize(
    ("observation", "named"),
    [
        (replace(AT_WORK, kafka=False), "Kafka"),
        (replace(AT_WORK, clickhouse=False), "ClickHouse"),
        (replace(QUIET, kafka=False, clickhouse=False), "Kafka and ClickHouse"),
    ],
)
def test_a_server_that_is_away_is_named(observation: Observation, named: str) -> None:
    rules = HealthRules()
    rules.health(observation)
    health = rules.health(later(observation))
    assert (health.state, health.is_ready) == ("disconnected", False)
    assert health.detail == f"{named} can't be reached"


def test_records_that_are_not_read_are_stuck() -> None:
    behind = replace(AT_WORK, unflushed=False)
    assert state(behind, later(behind, STUCK_SECONDS / 2)) == "ready"
    assert state(behind, later(behind)) == "stuck"


def test_a_flush_that_hangs_is_stuck_even_while_lanes_read_on() -> None:
    assert state(AT_WORK, later(AT_WORK, next_offsets={0: 99, 1: 99})) == "stuck"


def test_a_worker_that_was_idle_for_long_is_not_stuck_when_something_comes() -> None:
    assert state(QUIET, later(QUIET), later(AT_WORK, 2 * LONG, flushed_at=QUIET.flushed_at)) == "ready"


def test_lanes_that_are_not_loaded_are_starting_then_stuck() -> None:
    loading = replace(QUIET, next_offsets={0: 10})
    assert state(replace(QUIET, assigned=None, next_offsets={})) == "starting"
    assert state(loading) == "starting"
    assert state(loading, later(loading)) == "stuck"


def test_after_a_hang_that_has_ended_it_is_ready_again() -> None:
    behind = replace(AT_WORK, unflushed=False)
    assert state(behind, later(behind), later(behind, LONG + 1, next_offsets={0: 11, 1: 20})) == "ready"


def test_who_does_not_look_after_itself_any_more_is_stuck() -> None:
    clock = [100.0]
    monitor = HealthMonitor(lambda: clock[0])
    assert monitor.health().state == "disconnected"
    monitor._kept_at, monitor._health = 100.0, ProcessHealth("ready")
    assert monitor.health().state == "ready"
    clock[0] = 200.0
    assert monitor.health().state == "stuck"


def ask(port: int, path: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read()


@pytest.mark.parametrize("said", ["ready", "idle", "starting", "disconnected", "stuck"])
def test_readyz_says_the_state_and_answers_503_unless_it_is_ready(said: str) -> None:
    port = serve_health("127.0.0.1", 0, lambda: ProcessHealth(said, "why", {"lanes": 2}))
    status, content_type, body = ask(port, "/readyz")
    assert (status, content_type) == (200 if said in ("ready", "idle") else 503, "application/json")
    assert json.loads(body) == {"state": said, "detail": "why", "lanes": 2}
    assert ask(port, "/healthz")[::2] == (200, b'{"state":"alive"}')
    assert ask(port, "/metrics")[0] == 200
    assert ask(port, "/")[0] == 404


def test_a_port_that_is_taken_is_said_with_its_setting() -> None:
    port = serve_health("127.0.0.1", 0, lambda: ProcessHealth("ready"))
    with pytest.raises(OSError, match="TOUCHSTREAM_METRICS_PORT"):
        serve_health("127.0.0.1", port, lambda: ProcessHealth("ready"))
