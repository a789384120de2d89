"""Intervals on a real survey, whose passengers answer ten questions each: resampled, they hold what all have said."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from tests.integration.test_clickhouse_metrics import publish
from tests.oracle import intervals as oracle
from tests.support.clickhouse_rows import touchpoint
from tests.support.databases import migrated_database
from tests.support.real_data import events_file, needs_data
from touchstream.sinks.clickhouse.metrics.exact import metrics

pytestmark = needs_data

SURVEY = "airport_survey_2015"
STAGES = ("", "arrive", "orient", "security", "wait", "overall")
"""In the passenger's order, after all together."""
PEOPLE = (30, 100, 300)
RUNS = 4_000
TOLERANCE = 0.004
"""More than a standard error of a coverage over RUNS."""
Numbers = NDArray[np.float64]


@cache
def events() -> list[dict[str, Any]]:
    with gzip.open(events_file(SURVEY)) as lines:
        return [json.loads(line) for line in lines]


def passengers(stage: str, answer: Mapping[int, float]) -> tuple[Numbers, Numbers, Numbers]:
    """Each passenger's answers in a stage ('': in all): how many, their sum and their sum of squares."""
    people: dict[str, list[float]] = defaultdict(list)
    for event in events():
        if stage in ("", event["stage"]):
            people[event["customer_id"]].append(answer[event["csat"]])
    k, s, q = zip(*((len(one), sum(one), sum(value**2 for value in one)) for one in people.values()), strict=True)
    return np.array(k, float), np.array(s), np.array(q)


@pytest.mark.parametrize("people", PEOPLE)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("metric", ["csat", "csat_mean"])
def test_intervals_of_resampled_passengers_hold_what_all_passengers_said(metric: str, stage: str, people: int) -> None:
    share = metric == "csat"
    k, s, q = passengers(stage, {answer: float(answer >= 4) if share else float(answer) for answer in range(1, 6)})
    chosen = np.random.default_rng(people).integers(0, len(k), (RUNS, people))
    one = oracle.design(k[chosen], s[chosen], q[chosen])
    low, high = oracle.share_interval(one) if share else oracle.mean_interval(one, 1, 5)
    truth = s.sum() / k.sum()
    covered = ((low <= truth) & (truth <= high)).mean()
    assert 0.93 - TOLERANCE <= covered <= 0.97 + TOLERANCE


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.mark.stack
def test_intervals_of_a_survey_are_as_wide_as_those_of_a_bootstrap_over_passengers(client: Client) -> None:
    names = ("event_id", "occurred_at", "customer_id", "channel", "touchpoint", "stage", "action", "csat")
    rows = [touchpoint(number, **{name: event[name] for name in names}) for number, event in enumerate(events())]
    publish(client, rows)
    found = {"": metrics(client)[0]} | {row["stage"]: row for row in metrics(client, by=["stage"])}
    chance = np.random.default_rng(1)
    for stage, row in found.items():
        k, s, _ = passengers(stage, {answer: 100.0 * (answer >= 4) for answer in range(1, 6)})
        assert row["csat_people"] == len(k)
        weights = chance.multinomial(len(k), np.full(len(k), 1 / len(k)), 4_000)
        low, high = np.quantile((weights @ s) / (weights @ k), [0.025, 0.975])
        assert row["csat_high"] - row["csat_low"] == pytest.approx(high - low, rel=0.06), stage
        assert row["csat_low"] == pytest.approx(low, abs=0.15 * (high - low)), stage
