"""The oracle's arithmetic against published figures."""

from fractions import Fraction
from typing import Any

import pytest

from tests.oracle.metrics import csat, group_metrics, metrics_by, nps, nps_margin, quantile, wilson
from tests.oracle.partition import murmur2

ROW: dict[str, Any] = {
    "customer_id": "c", "anonymous_id": "", "stage": "use", "action": "contact", "late": False, "outcome": "",
    "duration_ms": None, "nps": None, "csat": None, "ces": None, "sentiment_micro": None, "revenue_minor": None,
    "currency": "",
}  # fmt: skip


def test_nps_of_eight_promoters_and_two_detractors_in_fifteen_is_40() -> None:
    found = nps([10] * 8 + [0] * 2 + [8] * 5)
    assert (found["nps"], found["nps_n"]) == (40.0, 15)
    assert (round(found["nps_low"], 1), round(found["nps_high"], 1)) == (-0.2, 66.9)
    assert (found["nps_low"] + found["nps_high"]) / 2 == pytest.approx(100 / 3)


def test_the_plain_margin_of_half_promoters_and_a_sixth_detractors_in_a_hundred_is_14_6() -> None:
    assert 100 * nps_margin(Fraction(1, 2), Fraction(1, 6), 100) == pytest.approx(14.6, abs=0.05)


def test_an_nps_interval_stays_on_the_scale() -> None:
    assert nps([10] * 5)["nps_high"] == 100
    assert nps([0] * 5)["nps_low"] == -100


def test_74_of_107_satisfied_answers_are_69_16_per_cent() -> None:
    assert round(csat([4] * 74 + [3] * 33)["csat"], 2) == 69.16


def test_wilson_of_7_in_50_is_the_published_interval() -> None:
    low, high = wilson(7, 50)
    assert (round(low, 4), round(high, 4)) == (0.0695, 0.2619)


def test_wilson_bounds_solve_the_equation_that_defines_them() -> None:
    for successes, n in [(0, 1), (1, 1), (3, 10), (50, 50), (7, 50)]:
        for bound in wilson(successes, n):
            assert (successes / n - bound) ** 2 == pytest.approx(1.959964**2 * bound * (1 - bound) / n, abs=1e-6)


def test_without_answers_every_survey_metric_is_null_with_n_0() -> None:
    found = group_metrics([ROW])
    for name in ("nps", "csat", "csat_mean", "ces", "ces_easy", "success_rate", "sentiment"):
        assert (found[name], found[f"{name}_n"]) == (None, 0)


def test_a_customer_and_an_anonymous_visitor_of_the_same_name_are_two() -> None:
    assert group_metrics([ROW, ROW | {"customer_id": "", "anonymous_id": "c"}, ROW])["customers"] == 2


def test_revenue_is_never_summed_over_currencies() -> None:
    euros, pounds = ROW | {"revenue_minor": 5, "currency": "EUR"}, ROW | {"revenue_minor": 7, "currency": "GBP"}
    assert group_metrics([euros, euros, ROW])["revenue_minor"] == 10
    mixed = group_metrics([euros, pounds])
    assert (mixed["revenue_minor"], mixed["revenue_minor_by_currency"]) == (None, {"EUR": 5, "GBP": 7})


def test_an_average_order_leaves_returns_out() -> None:
    orders = [ROW | {"action": "purchase", "revenue_minor": amount, "currency": "EUR"} for amount in (10, 21)]
    found = group_metrics([*orders, ROW | {"action": "return", "revenue_minor": -21, "currency": "EUR"}])
    assert (found["revenue_minor"], found["average_order_minor"], found["purchases"]) == (10, 15.5, 2)


def test_the_response_rate_counts_customers_not_answers() -> None:
    rows = [ROW | {"customer_id": name, "nps": score} for name, score in [("a", 9), ("a", 3), ("b", None)]]
    found = group_metrics(rows)
    assert (found["nps_response_rate"], found["nps_response_rate_n"]) == (0.5, 2)


def test_groups_part_the_rows() -> None:
    groups = metrics_by([ROW, ROW | {"stage": "buy"}, ROW], ["stage"])
    assert {key: group["touches"] for key, group in groups.items()} == {("use",): 2, ("buy",): 1}


def test_quantiles_take_the_lower_rank() -> None:
    assert [quantile([1, 2, 3, 4], percent) for percent in (50, 95, 99)] == [2, 3, 3]
    assert quantile([], 50) is None


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_hashes_of_kafkas_own_tests(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed & 0xFFFFFFFF
