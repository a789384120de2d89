"""BG/NBD and gamma-gamma: the literature's figures, direct forms of the formulas, and simulated customers."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import dblquad, quad
from scipy.optimize import approx_fprime
from scipy.special import beta, hyp2f1
from scipy.stats import gamma as gamma_distribution

from tests.support import cdnow
from tests.support.real_data import needs_data
from touchstream.streams.insight.clv import bg_nbd, gamma_gamma
from touchstream.streams.insight.clv.bg_nbd import BgNbd
from touchstream.streams.insight.clv.fit import Models
from touchstream.streams.insight.clv.gamma_gamma import GammaGamma
from touchstream.streams.insight.clv.history import FitError, RepeatPurchases

CDNOW = BgNbd(0.2426, 4.4135, 0.7929, 2.4258)
SPENDING = GammaGamma(6.249, 3.745, 1544.8)


def customers(*rows: tuple[float, ...]) -> RepeatPurchases:
    """Rows of (x, t_x, T) or (x, t_x, T, mean value)."""
    columns = zip(*((*row, 0.0)[:4] for row in rows), strict=True)
    return RepeatPurchases(*(np.array(column, dtype=float) for column in columns))


# --- the literature


@needs_data
def test_the_sample_gives_the_published_parameters_to_one_per_cent() -> None:
    _, seen = cdnow.summary(cdnow.by_day(cdnow.purchases()), cdnow.CALIBRATION_END_MS)
    models = Models.fitted(seen)
    found = (models.buying.r, models.buying.alpha, models.buying.a, models.buying.b)
    assert found == pytest.approx((0.2426, 4.4135, 0.7929, 2.4258), rel=0.01)
    assert models.buying.log_likelihood(seen) == pytest.approx(-9582.4, abs=0.05)
    spending = (models.spending.p, models.spending.q, models.spending.v_minor / 100)
    assert spending == pytest.approx((6.249, 3.745, 15.448), rel=0.01)


@needs_data
def test_the_sample_is_summarised_as_in_the_literature() -> None:
    _, seen = cdnow.summary(cdnow.by_day(cdnow.purchases()), cdnow.CALIBRATION_END_MS)
    assert (len(seen), int(np.count_nonzero(seen.repeats)), float(seen.repeats.sum())) == (2357, 946, 2457.0)
    # Both ends of the 12 weeks in which they first bought: 38.86 and 27 weeks before the end.
    assert (round(seen.age_weeks.max(), 2), round(seen.age_weeks.min(), 2)) == (38.86, 27.0)


@needs_data
def test_the_holdout_of_the_sample_is_predicted() -> None:
    days = cdnow.by_day(cdnow.purchases())
    who, seen = cdnow.summary(days, cdnow.CALIBRATION_END_MS)
    end = cdnow.CALIBRATION_END_MS // cdnow.DAY_MS
    later = np.array([sum(day >= end for day in days[customer]) for customer in who], dtype=float)
    found = Models(CDNOW, SPENDING).holdout(seen, later, 39)
    assert found.repeats == 1882
    assert found.predicted == pytest.approx(1653, abs=2)
    nobody_comes_back, everybody_goes_on = np.mean(later), np.mean(np.abs(seen.repeats / seen.age_weeks * 39 - later))
    assert found.mae < min(nobody_comes_back, everybody_goes_on)


# --- formulas in direct form


def direct_likelihood(model: BgNbd, x: int, recency: float, age: float) -> float:
    """Equation (6) as it is printed."""
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    common = math.gamma(r + x) * alpha**r / (math.gamma(r) * beta(a, b))
    alive = beta(a, b + x) / (alpha + age) ** (r + x)
    stopped = beta(a + 1, b + x - 1) / (alpha + recency) ** (r + x) if x else 0.0
    return float(common * (alive + stopped))


CASES = [(0, 0.0, 0.0), (0, 0.0, 30.0), (1, 0.14, 38.9), (2, 30.43, 38.86), (9, 20.0, 21.0), (26, 30.86, 31.0)]
PARAMETERS = [CDNOW, BgNbd(2.5, 10.0, 1.0, 0.4), BgNbd(0.05, 0.3, 6.0, 3.0)]


@pytest.mark.parametrize("model", PARAMETERS)
def test_the_likelihood_is_that_of_the_paper(model: BgNbd) -> None:
    expected = [math.log(direct_likelihood(model, *case)) for case in CASES]
    assert [model.log_likelihood(customers(case)) for case in CASES] == pytest.approx(expected, rel=1e-10)
    assert model.log_likelihood(customers(*CASES)) == pytest.approx(sum(expected), rel=1e-10)


def test_the_likelihood_is_what_the_story_of_one_customer_gives() -> None:
    x, recency, age = 2, 3.0, 5.0

    def of_one(p: float, rate: float) -> float:
        alive = (1 - p) ** x * rate**x * math.exp(-rate * age)
        stopped = p * (1 - p) ** (x - 1) * rate**x * math.exp(-rate * recency)
        at_rate = float(gamma_distribution.pdf(rate, model.r, scale=1 / model.alpha))
        at_p = p ** (model.a - 1) * (1 - p) ** (model.b - 1) / float(beta(model.a, model.b))
        return float((alive + stopped) * at_rate * at_p)

    model = BgNbd(1.2, 2.0, 1.5, 2.5)
    total, _ = dblquad(of_one, 0, 15, 0, 1)
    assert model.log_likelihood(customers((x, recency, age))) == pytest.approx(math.log(total), abs=1e-4)


def test_many_purchases_do_not_overflow() -> None:
    seen = customers((5000, 499.0, 500.0, 10.0), (0, 0.0, 0.0))
    assert math.isfinite(CDNOW.log_likelihood(seen))
    assert np.all(np.isfinite(CDNOW.expected_purchases(seen, 520)))
    assert CDNOW.probability_alive(customers((5000, 1.0, 500.0)))[0] == 0.0
    assert math.isfinite(SPENDING.log_likelihood(seen))


@pytest.mark.parametrize("model", PARAMETERS)
def test_the_gradients_are_those_of_the_likelihoods(model: BgNbd) -> None:
    seen = customers(*(case for case in CASES))
    at = np.array([model.r, model.alpha, model.a, model.b])
    numeric = approx_fprime(at, lambda where: bg_nbd._likelihood(where, seen)[0], 1e-7)
    assert bg_nbd._likelihood(at, seen)[1] == pytest.approx(numeric, rel=1e-4, abs=1e-4)
    x, mean = np.array([1.0, 3.0, 20.0]), np.array([0.2, 1.0, 7.0])
    at = np.array([6.0, 3.7, 0.4])
    numeric = approx_fprime(at, lambda where: gamma_gamma._likelihood(where, x, mean)[0], 1e-7)
    assert gamma_gamma._likelihood(at, x, mean)[1] == pytest.approx(numeric, rel=1e-4, abs=1e-4)


def test_the_value_likelihood_is_a_mixture_of_gammas() -> None:
    model, x, mean = GammaGamma(2.0, 3.0, 4.0), 3, 1.5

    def of_one(rate: float) -> float:
        # The mean of x gammas of shape p is a gamma of shape p·x and rate ν·x.
        value = gamma_distribution.pdf(mean, model.p * x, scale=1 / (rate * x))
        return float(value * gamma_distribution.pdf(rate, model.q, scale=1 / model.v_minor))

    total, _ = quad(of_one, 0, np.inf)
    assert model.log_likelihood(customers((x, 1.0, 2.0, mean))) == pytest.approx(math.log(total), rel=1e-8)


def equation_10(model: BgNbd, x: float, recency: float, age: float, weeks: float) -> float:
    """As it is printed, with SciPy's hypergeometric function."""
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    f = hyp2f1(r + x, b + x, a + b + x - 1, weeks / (alpha + age + weeks))
    bought = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + weeks)) ** (r + x) * f)
    stopped = a / (b + x - 1) * ((alpha + age) / (alpha + recency)) ** (r + x) if x else 0.0
    return float(bought / (1 + stopped))


@pytest.mark.parametrize("weeks", [1.0, 39.0, 260.0])
def test_expected_purchases_are_those_of_the_paper(weeks: float) -> None:
    compared = 0
    grid = product((0.1, 0.2426, 3.0), (1.0, 4.4135, 40.0), (0.1, 0.7929, 2.2), (0.3, 2.4258, 12.0))
    for model in (BgNbd(*parameters) for parameters in grid):
        found = model.expected_purchases(customers(*CASES), weeks)
        for case, purchases in zip(CASES, found, strict=True):
            assert purchases == pytest.approx(equation_10(model, *case, weeks), rel=1e-6), (model, case)
            compared += 1
    assert compared == 81 * len(CASES)


@pytest.mark.parametrize("a", [1.0, 1 + 1e-12, 0.999999])
def test_a_near_1_is_no_special_case(a: float) -> None:
    around = [BgNbd(0.24, 4.4, near, 2.4).expected_purchases(customers(*CASES), 39) for near in (0.999, a, 1.001)]
    assert np.all((around[0] > around[1]) & (around[1] > around[2]))


def test_where_the_hypergeometric_function_fails_purchases_are_still_known() -> None:
    """A horizon so long that everybody stops in it: 1/p purchases, p ~ beta(a, b + x)."""
    model, seen = BgNbd(20.0, 0.05, 5.0, 0.1), customers((300, 0.5, 0.5))
    assert not math.isfinite(equation_10(model, 300, 0.5, 0.5, 520))
    expected = (5 + 300.1 - 1) / (5 - 1) * model.probability_alive(seen)[0]
    assert model.expected_purchases(seen, 520)[0] == pytest.approx(expected, rel=1e-6)


def test_who_was_silent_for_long_is_less_likely_alive() -> None:
    silent = [CDNOW.probability_alive(customers((x, 10.0, age)))[0] for x, age in ((5, 11.0), (5, 30.0), (15, 30.0))]
    assert silent[0] > silent[1] > silent[2]
    assert CDNOW.probability_alive(customers((0, 0.0, 38.0)))[0] == 1.0


def test_an_expected_order_lies_between_ones_own_mean_and_everybodys() -> None:
    orders = SPENDING.expected_order_minor(customers((0, 0, 30), (1, 5, 30, 10_000.0), (40, 25, 30, 10_000.0)))
    assert orders[0] == pytest.approx(6.249 * 1544.8 / 2.745)
    assert orders[0] < orders[1] < orders[2] < 10_000


def test_an_integral_of_the_posterior_gives_the_same_purchases() -> None:
    for model, (x, recency, age) in product(PARAMETERS, CASES):
        shape, b, span = model.r + x, model.b + x, 52 / (model.alpha + age)

        def rest(p: float, shape: float = shape, span: float = span) -> float:
            return shape * span if p == 0 else -math.expm1(-shape * math.log1p(p * span)) / p

        whole, _ = quad(rest, 0, 1, weight="alg", wvar=(model.a - 1, b - 1), epsrel=1e-10, limit=200)
        expected = whole / beta(model.a, b) * model.probability_alive(customers((x, recency, age)))[0]
        assert model.expected_purchases(customers((x, recency, age)), 52)[0] == pytest.approx(expected, rel=1e-6)


# --- simulated customers


def simulated(model: BgNbd, spending: GammaGamma, n: int, seed: int) -> RepeatPurchases:
    """n customers who began within a year, by the story that both models tell."""
    chance = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        age, at, x, last = chance.uniform(52, 104), 0.0, 0, 0.0
        rate, stops = chance.gamma(model.r, 1 / model.alpha), chance.beta(model.a, model.b)
        while (at := at + chance.exponential(1 / rate)) < age:
            x, last = x + 1, at
            if chance.random() < stops:
                break
        nu = chance.gamma(spending.q, 1 / spending.v_minor)
        mean = float(np.mean(chance.gamma(spending.p, 1 / nu, x))) if x else 0.0
        rows.append((float(x), last, age, mean))
    return customers(*rows)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_parameters_of_simulated_customers_are_found_again(seed: int) -> None:
    truth = (BgNbd(0.8, 6.0, 0.9, 3.0), GammaGamma(4.0, 5.0, 9000.0))
    models = Models.fitted(simulated(*truth, 20_000, seed))
    buying, spending = models.buying, models.spending
    assert (buying.r, buying.alpha) == pytest.approx((0.8, 6.0), rel=0.12)
    assert buying.a / (buying.a + buying.b) == pytest.approx(0.9 / 3.9, rel=0.06)
    assert (spending.p, spending.q, spending.v_minor) == pytest.approx((4.0, 5.0, 9000.0), rel=0.15)


def test_the_fit_does_not_depend_on_the_units() -> None:
    seen = simulated(BgNbd(0.8, 6.0, 0.9, 3.0), GammaGamma(4.0, 5.0, 9000.0), 3000, 4)
    days = RepeatPurchases(seen.repeats, seen.recency_weeks * 7, seen.age_weeks * 7, seen.mean_minor * 1000)
    weekly, daily = Models.fitted(seen), Models.fitted(days)
    assert daily.buying.alpha == pytest.approx(7 * weekly.buying.alpha, rel=1e-6)
    assert daily.spending.v_minor == pytest.approx(1000 * weekly.spending.v_minor, rel=1e-6)
    assert (daily.buying.r, daily.buying.a, daily.buying.b) == pytest.approx(
        (weekly.buying.r, weekly.buying.a, weekly.buying.b), rel=1e-6
    )


# --- refusals


@given(st.integers(0, 99))
def test_too_few_repeat_customers_are_refused(repeats: int) -> None:
    seen = customers(*[(1, 2.0, 9.0, 100.0)] * repeats, *[(0, 0.0, 9.0)] * 500)
    with pytest.raises(FitError, match=f"too little data: {repeats} customers"):
        bg_nbd.fit(seen)
    with pytest.raises(FitError, match="too little data"):
        gamma_gamma.fit(seen)


def test_customers_who_are_all_alike_are_refused() -> None:
    with pytest.raises(FitError, match=r"BG/NBD does not settle \(\w+ = "):
        bg_nbd.fit(customers(*[(9, 9.0, 10.0, 100.0)] * 200))
    with pytest.raises(FitError, match=r"gamma-gamma does not settle \(\w+ = "):
        gamma_gamma.fit(customers(*[(9, 9.0, 10.0, 100.0)] * 200))
