from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest import approx

from tests.bench.growth import Fit, Growth, lines, power_laws
from tests.bench.growth_clickhouse import clickhouse_in, flushes, rolls, rolls_by_events
from tests.bench.growth_lanes import throughput
from tests.bench.growth_memory import memory_of_customers, memory_of_ids
from tests.bench.growth_names import rolls_by_names
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.sinks.clickhouse.database import connect


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with clickhouse_in(tmp_path_factory.mktemp("growth")) as clickhouse:
        yield clickhouse


def test_a_line_and_a_power_law_are_found_again() -> None:
    xs = [1.0, 10.0, 100.0, 1_000.0]
    line = Fit.line(xs, [3 + 0.5 * x for x in xs])
    assert (line.a, line.b, line.r2, line.at(10_000)) == approx((3, 0.5, 1, 5_003))
    law = Fit.power_law(xs, [3 * x**0.5 for x in xs])
    assert (law.a, law.b, law.r2, law.at(10_000)) == approx((3, 0.5, 1, 300))
    assert Fit.line([1, 2, 3], [1, 3, 2]).r2 < 0.5


def test_nothing_is_fitted_through_two_points() -> None:
    rows = [{"x": 1, "y": 1}, {"x": 2, "y": 2}]
    assert lines(rows, "y") == power_laws(rows, "y") == {}
    assert Growth("two", "Two", rows).document()["fits"] == {}


def test_remembered_ids_have_arrays_of_some_tens_of_bytes_each() -> None:
    (row,) = memory_of_ids([100_000]).rows
    assert 24 < row["of arrays"] < 60  # two halves of a hash and a clock, and the room to grow


def test_a_lane_that_has_met_many_people_is_beside_one_that_has_met_one() -> None:
    growth = memory_of_customers([1_000])
    assert growth.rows[0]["customers"] == 1_000
    assert growth.rows[0]["bytes each"] == approx(
        (growth.rows[0]["lane MiB"] - growth.rows[0]["of one customer MiB"]) * 2**20 / 1_000
    )


@pytest.mark.stack
def test_a_flush_has_at_least_the_panes_that_were_asked_for_and_hardly_more(clickhouse: ClickHouse) -> None:
    asked_for = (30, 600, 3_000)
    growth = flushes(clickhouse, asked_for, times=1)
    for wanted, row in zip(asked_for, growth.rows, strict=True):
        assert wanted <= row["panes changed"] < wanted * 1.1
    assert growth.fits.keys() == {"panes s"}
    assert all(row["panes inserted s"] > 0 < row["raw events inserted s"] for row in growth.rows)


@pytest.mark.stack
def test_a_step_of_roll_writes_the_groups_that_were_asked_for_and_their_sums(clickhouse: ClickHouse) -> None:
    growth = rolls(clickhouse, [10, 40], times=1)
    for row, groups in zip(growth.rows, (10, 40), strict=True):
        assert groups < row["rolling groups"] < 4 * groups
        assert row["short windows s"] > 0 < row["24h s"]


@pytest.mark.stack
def test_a_step_of_roll_is_measured_by_the_events_of_its_hour(clickhouse: ClickHouse) -> None:
    rows = rolls_by_events(clickhouse, [100, 300], times=1).rows
    assert [row["raw events in the hour"] for row in rows] == [100, 300]
    client = connect(clickhouse.url("growth_roll_of_300_events"))
    text = "SELECT customers FROM stage_metrics FINAL WHERE window = '1h' AND isNull(stage)"
    counted = client.query(text).result_rows
    assert [customers for (customers,) in counted] == [approx(300, rel=0.1)]  # of 30,000, hardly one comes twice


@pytest.mark.stack
def test_a_step_of_roll_is_measured_by_the_names_that_come_once(clickhouse: ClickHouse) -> None:
    rows = rolls_by_names(clickhouse, [0, 30], rounds=1).rows
    # Each new name has a row in each of the five kinds of groups.
    assert rows[1]["rows of 24h"] - rows[0]["rows of 24h"] == 5 * 30


@pytest.mark.stack
def test_each_number_of_lanes_counts_all_events(tmp_path: Path) -> None:
    growth = throughput(tmp_path, 2_000, [1, 3], lambda _: None)
    assert [row["lanes"] for row in growth.rows] == [1, 3]
    assert all(row["events/s"] > 0 for row in growth.rows)
