"""docs/asyncapi.yaml says what the code publishes: topics, schemas, headers."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.support.asyncapi import DOCUMENT, MESSAGES, SCHEMAS, event_schema, stage_metrics_schema, wrong
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.metrics import shipped
from touchstream.schemas.touchpoint import Reason, Touchpoint
from touchstream.sinks.notify.notification import Notification
from touchstream.streams.broker.topics import topic_specs
from touchstream.streams.channels.gateway.touchpoint_schema import EXAMPLE
from touchstream.streams.measure.events import DeadLetter
from touchstream.streams.process.settings import Settings
from touchstream.streams.worker.dead_letters import letter_headers


def test_every_topic_that_init_creates_is_described_and_no_other() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {spec.name for spec in topic_specs(Settings())}


def test_an_event_is_described_as_the_gateway_describes_it_with_its_identity() -> None:
    assert SCHEMAS["touchpoint"] == event_schema(), "run: make asyncapi"


def test_rolling_metrics_are_described_as_the_catalogue_has_them() -> None:
    assert SCHEMAS["stageMetrics"] == stage_metrics_schema(shipped()), "run: make asyncapi"


@pytest.mark.parametrize(
    "event",
    [
        EXAMPLE,
        msgspec.to_builtins(
            Touchpoint(event_id="e", occurred_at=-86_400_001, anonymous_id="a", channel="web", touchpoint="p")
        ),
    ],
)
def test_events_that_are_published_are_as_described(event: dict[str, Any]) -> None:
    assert wrong(SCHEMAS["touchpoint"], event) == []


def test_an_event_of_nobody_is_not_as_described() -> None:
    assert wrong(SCHEMAS["touchpoint"], {**EXAMPLE, "customer_id": ""})


@pytest.mark.parametrize("reason", Reason)
def test_headers_of_dead_letters_are_as_described(reason: Reason) -> None:
    row = LaneRow("touchpoints", 3, "log", 1, 0, 0, 0, "v1")
    letter = DeadLetter(17, 0, reason, "why", b"key", b"value", ())
    headers = {name: (value or b"").decode() for name, value in letter_headers(row, letter)}
    assert wrong(MESSAGES["deadLetter"]["headers"], headers) == []
    assert headers.keys() <= MESSAGES["deadLetter"]["headers"]["properties"].keys()


def test_alerts_are_as_described() -> None:
    instant = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    alert = Notification(
        key="k", alert="a", topic="touchpoints", namespace="alerts", rule="csat-low",
        state="firing", severity="page", summary="s", owner="o",
        journey="customer", stage="support", channel=None, segment=None, metric="csat", window="5m", condition="c",
        verdict="breach", tick=instant, since=instant, value=44.7, n=322, low=39.4, high=50.2, completeness=1.0,
        baseline=None, baseline_n=None, baseline_tick=None,
    )  # fmt: skip
    assert wrong(SCHEMAS["alert"], json.loads(msgspec.json.encode(alert))) == []
    assert list(SCHEMAS["alert"]["properties"]) == list(Notification.__struct_fields__)
