"""Means and quantiles of the catalogue, and windows, from the event to what people see: also those added later."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.clickhouse_rows import HOUR_MS
from tests.support.measuring import NEW, Stand, journey, measure, standing
from touchstream.schemas import times
from touchstream.schemas.journey import Journeys
from touchstream.schemas.measures import Measure
from touchstream.schemas.metrics import Metric, shipped
from touchstream.schemas.touchpoint import NUMBERS, SCALES
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.rolling.store import write_rolling
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.figures import number
from touchstream.sinks.page.reader import Reader
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.surroundings import Surroundings
from touchstream.streams.cli.main import app

pytestmark = pytest.mark.stack

METRICS = {
    metric.name: metric
    for metric in shipped().of_table("stage_metrics")
    if metric.computed and (metric.computed.sum or metric.computed.sketch)
}
ON_PAGE = [name for name in METRICS if name in shipped().page]
TICK_MS = times.now_ms() // HOUR_MS * HOUR_MS
"""The end of a window of an hour; of now, for rolling rows have an age limit."""
EVENTS = 40
VALUES = {
    name: 0.5 if avro == "double" else min(SCALES[name][1], 8_000)
    for name, avro in NUMBERS.items()
    if name != "score"  # of an instrument, which test_instruments.py declares
}
"""What each number of an event is in all events, so that it is their mean, and each of their quantiles, too."""


def value_of(metric: Metric) -> float:
    """The value that a metric must have."""
    assert metric.computed
    measures: dict[str, Measure] = {measure.name: measure for measure in shipped().measures}
    return VALUES[measures[metric.computed.sum or metric.computed.sketch or ""].field or ""]


@dataclass(frozen=True)
class Measured:
    """A topic whose events are measured."""

    stand: Stand

    def answer(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command prints as JSON."""
        settings = self.stand.settings
        environment = {
            "TOUCHSTREAM_KAFKA_URL": settings.kafka_url,
            "TOUCHSTREAM_CLICKHOUSE_URL": settings.clickhouse_url,
            "TOUCHSTREAM_TOPIC": settings.topic,
        }
        ran = CliRunner().invoke(app, [*arguments, "--json"], env=environment)
        assert ran.exit_code == 0, ran.output
        return list(json.loads(ran.stdout))

    def board(self, window: str) -> str:
        """What the page shows of a window, as HTML."""
        catalogue, settings = shipped(), self.stand.settings
        surroundings = Surroundings(settings.clickhouse_url, settings.topic)
        reader = Reader(surroundings, Journeys(journey(NEW)).journeys, catalogue, Drawing(catalogue).board)
        return reader.view(Selection(window=window, journey="shop"), None)[1].board


@pytest.fixture(scope="module")
def measured(clickhouse_url: str, kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    with standing(clickhouse_url, kafka_url, tmp_path_factory.mktemp("stand")) as stand:
        settings = stand.init(NEW)
        place = {"channel": "web", "touchpoint": "checkout"}
        answered = VALUES | {"occurred_at": TICK_MS - 1, "currency": "EUR"}
        after = {"occurred_at": TICK_MS + 2 * settings.lateness_seconds * 1_000}  # completes the window in every lane
        events = [place | each | {"customer_id": f"c{n}"} for n in range(EVENTS) for each in (answered, after)]
        stand.publish(*({"event_id": f"e{n}"} | event for n, event in enumerate(events)))
        measure(settings)
        write_rolling(stand.in_force, settings.topic, [(window, TICK_MS) for window in WINDOWS])
        yield Measured(stand)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_of_an_events_number_is_exact_in_an_interval(measured: Measured, name: str) -> None:
    (row,) = measured.answer("metrics", "--by", "stage", "--from", str(TICK_MS - HOUR_MS), "--to", str(TICK_MS))
    assert row[name] == pytest.approx(value_of(METRICS[name]), rel=0.0101)
    assert row[METRICS[name].n or ""] == EVENTS


@pytest.mark.parametrize("name", METRICS)
def test_a_rule_fires_on_a_metric_of_an_events_number(measured: Measured, tmp_path: Path, name: str) -> None:
    file = tmp_path / "rules.yaml"
    rule = {"name": "high", "summary": "High.", "owner": "me", "metric": name, "window": "1h", "min_n": EVENTS}
    for above, fires in ((0.9, True), (1.1, False)):
        file.write_text(json.dumps({"format": 1, "rules": [rule | {"above": above * value_of(METRICS[name])}]}))
        changes = measured.answer("alerts", "test", str(file), "--from", str(TICK_MS - 1), "--to", str(TICK_MS))
        assert [change["rule"] for change in changes] == ["high"] * fires


@pytest.mark.parametrize("name", ON_PAGE)
def test_a_metric_of_an_events_number_is_on_the_page(measured: Measured, name: str) -> None:
    board = measured.board("1h")
    assert shipped().title(name) in board
    assert number(value_of(METRICS[name]), METRICS[name].unit) in board


@pytest.mark.parametrize("window", [window.name for window in WINDOWS])
def test_every_window_is_on_the_page_with_its_numbers(measured: Measured, window: str) -> None:
    board = measured.board(window)
    assert f'value="{window}" checked' in board
    assert number(VALUES["duration_ms"], "milliseconds") in board
