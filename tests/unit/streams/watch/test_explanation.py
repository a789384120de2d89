"""Why a metric changed: parts that add up, with intervals that hold, and silence said first."""

from dataclasses import replace

import numpy as np
import pytest

from tests.bench.insight.explanation import CAUSE, NAMES, period_sums, simulate_explanations
from tests.support.numbers import how_many
from touchstream.streams.insight.change.places import PlaceSums
from touchstream.streams.watch.explanation import explain, whole_change


def some_sums(worse: float = 15.0) -> PlaceSums:
    return period_sums(800, worse, 0.1, np.random.default_rng(1))[0]


def total_of(sums: PlaceSums) -> PlaceSums:
    """All groups as one, whose people are in one group each."""
    return PlaceSums(**{name: column.sum(keepdims=True) for name, column in vars(sums).items()})


def test_the_contributions_add_up_to_the_change_of_the_whole() -> None:
    sums = some_sums()
    found, whole = explain(NAMES, sums), whole_change(total_of(sums))
    assert sum(group.contribution for group in found.groups) == pytest.approx(whole.change, abs=1e-9)
    assert found.rate + found.mix == pytest.approx(whole.change, abs=1e-9)
    assert found.change == pytest.approx(whole.after - whole.before, abs=1e-9)
    assert all(group.contribution == pytest.approx(group.rate + group.mix) for group in found.groups)


def test_the_groups_that_make_the_change_come_first_and_are_named() -> None:
    found = explain(NAMES, some_sums(worse=30.0))
    assert found.groups[0].name == str(CAUSE)
    assert found.groups[0].named
    assert found.groups[0].high < 0
    assert found.named < len(NAMES)
    # Where it rises, those that rise come first.
    contributions = [group.contribution for group in explain(NAMES, some_sums(worse=-30.0)).groups]
    assert contributions == sorted(contributions, reverse=True)


def test_a_group_that_fell_silent_is_marked_and_one_with_few_people_is_not() -> None:
    columns = {name: column.copy() for name, column in vars(some_sums()).items()}
    silent = ("people_a", "ka", "sa", "sa_sa", "sa_ka", "ka_ka", "sb_sa", "sb_ka", "sa_kb", "kb_ka")
    for name in silent:
        columns[name][[3, 5]] = 0
    columns["people_b"][3], columns["people_b"][5] = 10, 9
    found = {group.name: group for group in explain(NAMES, PlaceSums(**columns)).groups}
    assert [name for name, group in found.items() if group.vanished] == ["3"]
    assert (found["3"].after, found["3"].rate) == (None, 0)


def test_the_same_people_give_the_same_intervals() -> None:
    assert explain(NAMES, some_sums()) == explain(NAMES, some_sums())


def test_a_whole_with_fewer_than_ten_people_in_a_period_is_refused() -> None:
    total = total_of(some_sums())
    few = replace(total, people_a=np.array([9.0]))
    with pytest.raises(ValueError, match=r"too few people: \d+ before and 9 after; at least 10"):
        whole_change(few)
    assert whole_change(replace(total, people_a=np.array([10.0]))).people_after == 10
    with pytest.raises(ValueError, match="too few people: 0 before and 0 after"):
        whole_change(total.of(np.array([False])))


@pytest.mark.parametrize(("worse", "moved"), [(0.0, 0.0), (25.0, 0.0), (25.0, 0.2)])
def test_intervals_hold_what_groups_add_and_a_planted_cause_is_found(worse: float, moved: float) -> None:
    found = simulate_explanations(people=800, worse=worse, moved=moved, runs=how_many(125, 250), seed=3)
    # 1,000 intervals, or 2,000; all of 1,000 runs: make bench-insight.
    assert 0.93 <= found.covered <= 0.97
    assert found.false <= 0.065
    assert found.named_first >= 0.95 if worse else found.named_first < 0.3
