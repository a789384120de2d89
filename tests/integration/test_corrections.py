"""Answers that are corrected, from the topic to panes, exact metrics, journeys and one customer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.measuring import Stand, measure, standing
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.customers.person_views import Onlooker
from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.sinks.clickhouse.metrics.journeys import portfolio
from touchstream.sinks.clickhouse.upkeep.reconcile import reconcile

pytestmark = pytest.mark.stack

STAGES = {"survey": "use", "chat": "help"}
AT_MS = now_ms() // 3_600_000 * 3_600_000 - 7_200_000


@pytest.fixture
def stand(clickhouse_url: str, kafka_url: str, tmp_path: Path) -> Iterator[Stand]:
    with standing(clickhouse_url, kafka_url, tmp_path) as stand:
        yield stand


def answer(event_id: str, nps: int | None, after_s: int = 0, **more: Any) -> dict[str, Any]:
    event = {"event_id": event_id, "occurred_at": AT_MS + after_s * 1_000, "customer_id": "ann", "channel": "mail",
             "touchpoint": "survey", "nps": nps}  # fmt: skip
    return event | more


def measured(stand: Stand, *runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The exact metrics by stage, once each run of events was measured by an owner of its own."""
    settings = stand.init(STAGES)
    for events in runs:
        stand.publish(*events)
        measure(settings)
    return metrics(stand.in_force, by=("stage",))


def test_a_correction_counts_instead_of_its_answer_in_panes_exact_metrics_and_for_its_customer(stand: Stand) -> None:
    first = [answer("a", 3), answer("b", 9, customer_id="bob"), answer("c", 5, 2, customer_id="cid")]
    corrected = [answer("a2", 8, 40, amends="a", touchpoint="chat"), answer("c2", 6, 1, amends="c", customer_id="cid")]
    rows = {row["stage"]: row for row in measured(stand, first, corrected)}
    client = stand.in_force
    assert {stage: (row["touches"], row["nps"], row["nps_n"], row["customers"]) for stage, row in rows.items()} == {
        "use": (2, 0.0, 2, 2),
        "help": (1, 0.0, 1, 1),
    }
    # An interval whose edges are no whole ten seconds is measured from raw events there.
    (ragged,) = metrics(client, AT_MS - 1, AT_MS + 3_001)
    assert (ragged["touches"], ragged["nps_n"], ragged["customers"]) == (2, 2, 2)
    entered = {row["stage"]: row["entered"] for row in portfolio(client, by=("stage",)) if row["touches"]}
    assert entered == {"use": 2, "help": 1}
    reader = CustomerReader(stand.settings.clickhouse_url, stand.settings.topic)
    found = asyncio.run(reader.view("ann", False, Onlooker("page", "")))
    assert found is not None
    assert (found.touches, [one.stage for one in found.visits]) == (1, ["help"])
    compared = reconcile(client, topic=stand.settings.topic)
    assert (compared.differing, compared.panes > 0, compared.placing.twins) == (0, True, 0)


def test_versions_of_an_answer_under_two_keys_each_count_and_are_reported(stand: Stand) -> None:
    rows = measured(stand, [answer("a", 3), answer("a2", 9, 1, customer_id="bob", amends="a")])
    assert [(row["stage"], row["nps_n"]) for row in rows] == [("use", 2)]
    assert reconcile(stand.in_force, topic=stand.settings.topic).placing.twins == 1


def test_a_correction_that_comes_first_counts_at_once_and_its_answer_adds_nothing(stand: Stand) -> None:
    (early,) = measured(stand, [answer("a2", 9, 5, amends="a")])
    (late,) = measured(stand, [answer("a", 3)], [answer("a3", 10, 6, amends="a"), answer("a2", 9, 5, amends="a")])
    assert (early["nps"], early["nps_n"], early["touches"]) == (100.0, 1, 1)
    assert (late["nps"], late["nps_n"], late["touches"], late["duplicates"]) == (100.0, 1, 1, 1)
    replaced = "SELECT event_id, replaced FROM touchpoints FINAL ORDER BY log_offset"
    assert stand.in_force.query(replaced).result_rows == [("a2", None), ("a", 1), ("a3", 0)]


def test_corrections_can_be_switched_off(stand: Stand) -> None:
    stand.settings = stand.settings.model_copy(update={"correction_days": 0})
    (row,) = measured(stand, [answer("a", 3), answer("a2", 9, 1, amends="a")])
    assert (row["nps_n"], row["touches"]) == (2, 2)
