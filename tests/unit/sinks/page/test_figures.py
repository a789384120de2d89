"""How the page writes a value, and what it says about it."""

from typing import Any

import pytest

from touchstream.schemas.metrics import DEFAULT_FILE, Catalogue
from touchstream.sinks.page.figures import Figure, Target, duration, figures, number

ANSWERED = {"nps": 12.0, "nps_n": 400, "nps_low": 4.5, "nps_high": 19.75}


def figure(metric: str, row: dict[str, Any] | None, catalogue: Catalogue | None = None) -> Figure:
    found = figures(row, catalogue or Catalogue.load())
    return next(one for one in found if one.metric == metric)


def with_target(metric: str, target: float) -> Catalogue:
    text = DEFAULT_FILE.read_text()
    return Catalogue(text.replace(f"  - name: {metric}\n", f"  - name: {metric}\n    target: {target}\n", 1))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (30.516, "points", "+30.5"),
        (-4.0, "points", "−4.0"),
        (-0.01, "points", "0.0"),
        (69.158, "percent", "69.2 %"),
        (0.875, "share", "87.5 %"),
        (5.425, "score", "5.42"),
        (-0.25, "score", "−0.25"),
        (1234567, "events", "1,234,567"),
        (123_456_789, "events", "123.5 M"),
        (0, "customers", "0"),
        (42_205.46, "milliseconds", "42.2 s"),
    ],
)
def test_a_value_is_written_in_its_unit(value: float, unit: str, text: str) -> None:
    assert number(value, unit) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (849.6, "850 ms"),
        (59_949, "59.9 s"),
        (59_951, "1 min"),
        (252_000, "4 min 12 s"),
        (3_599_600, "1 h"),
        (11_100_000, "3 h 5 min"),
        (86_399_999, "1 d"),
        (187_200_000, "2 d 4 h"),
    ],
)
def test_a_duration_has_its_two_largest_units_and_never_sixty_of_one(milliseconds: float, text: str) -> None:
    assert duration(milliseconds) == text


def test_no_statistic_stands_without_its_n() -> None:
    for row in (None, {}, ANSWERED):
        for one in figures(row, Catalogue.load()):
            assert (one.n is None) == (one.metric in ("touches", "customers"))


def test_too_few_answers_make_a_value_unreliable_and_none_make_no_value() -> None:
    assert figure("nps", ANSWERED).reliable
    few = figure("nps", ANSWERED | {"nps_n": 49})
    assert (few.reliable, few.note) == (False, "not reliable below n 50")
    none = figure("nps", {"nps": None, "nps_n": 0})
    assert (none.text, none.n, none.interval, none.reliable) == ("–", 0, None, False)


def test_customers_that_were_not_counted_are_not_zero() -> None:
    assert figure("customers", {"customers": None}).note == "not counted in this window"
    assert figure("customers", {"customers": 0}).text == "0"


@pytest.mark.parametrize(
    ("target", "state"), [(4, "met"), (4.5, "met"), (10, "unclear"), (19.75, "unclear"), (25, "missed")]
)
def test_a_target_is_met_or_missed_only_where_the_whole_interval_says_so(target: float, state: str) -> None:
    found = figure("nps", ANSWERED, with_target("nps", target)).target
    assert found is not None
    assert found.state == state


def test_a_target_is_written_as_people_set_it() -> None:
    assert figure("nps", ANSWERED, with_target("nps", 45)).target == Target("+45", "missed")
    assert figure("nps", ANSWERED, with_target("nps", -2.5)).target == Target("−2.5", "met")


def test_a_target_of_a_duration_is_met_below_it() -> None:
    catalogue = with_target("duration_ms_p50", 60_000)
    states = [
        figure("duration_ms_p50", {"duration_ms_p50": value, "duration_ms_n": 500}, catalogue).target
        for value in (59_000.0, 60_000.0, 61_000.0)
    ]
    assert states == [Target("1 min", "met"), Target("1 min", "met"), Target("1 min", "missed")]
    assert figure("duration_ms_p50", {"duration_ms_p50": None}, catalogue).target is None
