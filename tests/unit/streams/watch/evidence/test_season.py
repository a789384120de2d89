"""The baseline of counts: sharp where the day is, smooth elsewhere, and not fooled by an odd week."""

import numpy as np

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_WEEK, Floats, moment_of
from touchstream.streams.watch.evidence.season import LEARNING, Season, smoothed, usual_weeks

ONE = np.ones(1)


def learnt(weeks: list[Floats]) -> Season:
    season = Season.unknown(1)
    for number in range(len(weeks) * BUCKETS_PER_WEEK):
        moment = moment_of(number)
        season.expected(moment, ONE)
        season.enter(moment, weeks[moment.week][[moment.slot]])
    return season


def shape(season: Season, week: int, slots: range) -> list[float]:
    """What is expected in these slots, the first of which begins an hour; levels do not move meanwhile."""
    return [float(season.expected(moment_of(week * BUCKETS_PER_WEEK + slot), ONE)[0]) for slot in slots]


def test_opening_hours_stay_sharp() -> None:
    rng = np.random.default_rng(1)
    hour = np.arange(BUCKETS_PER_WEEK) % 288 / 12
    opened = np.where((hour >= 9) & (hour < 20), 20.0, 0.0)
    season = learnt([rng.poisson(opened).astype(float) for _ in range(4)])
    found = shape(season, 4, range(8 * 12, 10 * 12))
    assert max(found[:12]) == 0
    assert min(found[12:]) > 14


def test_a_series_is_learning_for_two_weeks() -> None:
    season = Season.unknown(1)
    for number in range(LEARNING + 1):
        moment = moment_of(number)
        season.expected(moment, ONE)
        assert season.learning[0] == (number < LEARNING)
        season.enter(moment, np.array([5.0]))


def test_a_week_with_an_incident_does_not_become_the_norm() -> None:
    usual = np.full(BUCKETS_PER_WEEK, 50.0)
    incident = usual.copy()
    incident[24:48] = 5.0
    season = learnt([usual, usual, incident, usual])
    assert min(shape(season, 4, range(24, 48))) > 45


def test_four_weeks_that_agree_all_count_and_the_odd_one_is_left_out() -> None:
    known = np.ones((4, 2), dtype=bool)
    totals = np.array([[100.0, 100.0], [110.0, 95.0], [95.0, 20.0], [105.0, 105.0]])
    assert usual_weeks(totals, known, np.ones(2)).sum(axis=0).tolist() == [4, 3]
    known[:2] = False
    assert usual_weeks(totals, known, np.ones(2)).sum(axis=0).tolist() == [2, 2]


def test_neighbours_that_agree_are_averaged() -> None:
    means = np.random.default_rng(2).poisson(10.0, (24, 200)) / 1.0
    assert smoothed(means, np.ones(200)).std() < means.std() / 2


def test_a_change_that_is_accepted_moves_the_level() -> None:
    season = learnt([np.full(BUCKETS_PER_WEEK, 50.0)] * 2)
    season.accept(np.array([True]), np.array([0.6]))
    assert 0.55 < float(season.level[0]) < 0.65
