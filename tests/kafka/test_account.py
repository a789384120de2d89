"""The negative controls of the failure runs: what is lost, doubled or not proven must show."""

import pytest

from tests.kafka.account import Account, Logged, account, first_places
from tests.kafka.failures import Outcome, verdict

EXPECTED = frozenset({(0, 3), (0, 4), (1, 7)})
TOUCHES = {10: {0: 2, 1: 1}, 300: {0: 2, 1: 1}, 3600: {0: 2, 1: 1}}


def test_an_event_that_stands_in_the_log_twice_counts_at_its_first_offset_of_each_partition() -> None:
    log = [Logged(0, 4, "b"), Logged(0, 3, "a"), Logged(0, 9, "a"), Logged(1, 7, "a")]
    assert first_places(log) == EXPECTED


def test_tables_that_hold_each_event_once_are_right() -> None:
    assert account(EXPECTED, EXPECTED, TOUCHES) == Account(3, 0, 0)


def test_a_raw_row_that_is_missing_is_lost_and_one_too_many_is_doubled() -> None:
    assert account(EXPECTED, [(0, 3), (1, 7)], TOUCHES) == Account(3, 1, 0)
    assert account(EXPECTED, [*EXPECTED, (0, 9)], TOUCHES) == Account(3, 0, 1)
    assert account(EXPECTED, [*EXPECTED, (0, 3)], TOUCHES) == Account(3, 0, 1)
    # Counts alone would say that nothing is wrong.
    assert account(EXPECTED, [(0, 3), (0, 9), (1, 7)], TOUCHES) == Account(3, 1, 1)


@pytest.mark.parametrize("resolution_s", list(TOUCHES))
def test_a_pane_of_any_resolution_that_misses_or_doubles_an_event_shows(resolution_s: int) -> None:
    assert account(EXPECTED, EXPECTED, TOUCHES | {resolution_s: {0: 2}}) == Account(3, 1, 0)
    assert account(EXPECTED, EXPECTED, TOUCHES | {resolution_s: {0: 4, 1: 1}}) == Account(3, 0, 2)
    # What one lane has too much does not make up for what another misses.
    assert account(EXPECTED, EXPECTED, TOUCHES | {resolution_s: {0: 1, 1: 2}}) == Account(3, 1, 1)


def outcome(lost: int = 0, doubled: int = 0, seconds: float | None = 1.0, why: str | None = None) -> Outcome:
    return Outcome("first worker killed", 50, None if why else Account(3, lost, doubled), seconds, why)


def test_only_a_run_that_lost_and_doubled_nothing_in_time_is_green() -> None:
    assert verdict([outcome(), outcome()]) == 0
    for wrong in (outcome(lost=1), outcome(doubled=1), outcome(seconds=16), outcome(seconds=None)):
        assert verdict([outcome(), wrong]) == 1


def test_an_inconclusive_run_and_no_run_at_all_are_not_green() -> None:
    assert verdict([outcome(), outcome(why="the worker was not replaced")]) == 1
    assert verdict([]) == 1
