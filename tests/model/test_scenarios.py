"""Random scenarios hold all that may happen to a lane: a rule that is never put to the test would seem to hold."""

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from tests.model.scenarios import KINDS, LIMITS, Scenario, scenario_of
from tests.oracle.control import signed
from tests.oracle.log import REFUSED_HEADER
from tests.oracle.panes import empty_pane
from tests.oracle.recompute import Row, Tables, recompute
from tests.oracle.strategies import DEFINITIONS_KNOWN, LANE, WRITER_SCHEMAS
from touchstream.schemas.touchpoint import Reason


@pytest.fixture(scope="module")
def drawn() -> list[Scenario]:
    return [scenario_of(seed) for seed in range(420)]


def test_a_door_has_refused_records_for_a_reason_for_none_and_beside_events_that_would_count(
    drawn: list[Scenario],
) -> None:
    refused = [record for one in drawn for record in one.logs[0] if record.refused]
    said = {tuple(value for name, value in one.headers if name == REFUSED_HEADER) for one in refused}
    assert said >= {(b"not_allowed",), (b"out_of_scale",), (b"control_refused",), (b"not_allowed", b"not_allowed")}
    assert any(b'"e1"' in (one.value or b"") for one in refused)


@pytest.fixture(scope="module")
def measured(drawn: list[Scenario]) -> list[Tables]:
    """Each first log, as recomputed."""
    logs = [[signed(record, LANE) for record in one.logs[0]] for one in drawn]
    return [recompute(log, LANE, one.first, WRITER_SCHEMAS) for log, one in zip(logs, drawn, strict=True)]


def test_every_step_happens_to_both_workers_under_every_setting(drawn: list[Scenario]) -> None:
    steps = {(step.kind, step.worker) for one in drawn for step in one.steps}
    assert steps == set(product(KINDS, (0, 1)))
    settings = {(one.first.version, one.limits) for one in (*drawn, *map(scenario_of, range(420, 1_500)))}
    assert settings == set(product((made.version for made in DEFINITIONS_KNOWN), LIMITS))


def test_a_worker_crashes_and_loses_its_log_between_two_inserts(drawn: list[Scenario]) -> None:
    followed = Counter(
        (step.kind, then.kind) for one in drawn for step, then in zip(one.steps, one.steps[1:], strict=False)
    )
    for then in ("crash", "new log", "take", "finish"):
        assert followed["insert", then]


def test_events_are_counted_repeated_and_counted_again_past_the_horizon(measured: list[Tables]) -> None:
    ids = [Counter(row["event_id"] for row in tables.touchpoints.values()) for tables in measured]
    assert any(most > 1 for found in ids for most in found.values())
    assert any(pane["conflicting"] for pane in panes(measured))
    assert any(pane["duplicates"] > pane["conflicting"] for pane in panes(measured))


def test_answers_are_corrected_before_and_after_they_come_several_times_and_out_of_reach(
    measured: list[Tables],
) -> None:
    corrected = Counter[str]()
    for tables in measured:
        rows = tables.touchpoints
        for row in rows.values():
            if row["replaced"] is None:
                corrected["first" if row["amends"] else "plain"] += 1
            elif row["replaced"] == row["log_offset"]:
                corrected["too late" if row["amends"] else "its answer came later"] += 1
            else:
                corrected["again" if rows[row["replaced"]]["amends"] else "after"] += 1
                corrected["in another pane"] += rows[row["replaced"]]["touchpoint"] != row["touchpoint"]
    assert min(corrected[one] for one in (*corrected, "too late", "its answer came later", "again")) > 2, corrected


def test_every_measure_is_met_in_panes_that_several_events_share(measured: list[Tables]) -> None:
    for name, nothing in empty_pane().items():
        assert any(pane[name] != nothing and pane["touches"] > 1 for pane in panes(measured)), name


def test_customers_stages_definitions_and_refusals_are_of_all_kinds(measured: list[Tables]) -> None:
    rows = [row for tables in measured for row in tables.touchpoints.values()]
    assert len({(row["customer_id"], row["anonymous_id"]) for row in rows}) > 10
    assert len({(row["journey"], row["stage"]) for row in rows}) > 5
    switched = [{row["definitions"] for row in tables.touchpoints.values()} for tables in measured]
    assert any(len(versions) > 1 for versions in switched)
    assert any(row["late"] for row in rows)
    refused = {reason for tables in measured for reason in tables.dead_letters.values()}
    assert refused >= {reason.value for reason in Reason}
    assert any(tables.erasures for tables in measured)
    assert {obeyed for tables in measured for obeyed in tables.controls.values()} == {True, False}
    assert len({tables.lane["control_keys"] for tables in measured}) > 2


def panes(measured: list[Tables]) -> Iterator[Row]:
    return (pane for tables in measured for pane in tables.panes.values())
