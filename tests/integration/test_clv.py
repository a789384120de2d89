"""Customer lifetime value in ClickHouse: purchases → fit → parameters → scores, on the real engine."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from threading import Event

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from scipy.special import hyp2f1
from typer.testing import CliRunner, Result

from tests.support import cdnow
from tests.support.clickhouse_rows import Row, table, touchpoint
from tests.support.databases import migrated_database
from tests.support.real_data import needs_data
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.customers import clv
from touchstream.sinks.clickhouse.customers.clv import Buying, ClvError, ClvParameters
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.sink import Flush
from touchstream.streams.cli.main import app
from touchstream.streams.insight.clv.bg_nbd import BgNbd
from touchstream.streams.insight.clv.gamma_gamma import GammaGamma
from touchstream.streams.insight.clv.history import RepeatPurchases

pytestmark = pytest.mark.stack

DAY_MS = 86_400_000
MONDAY = date(2026, 6, 1)
MONDAY_MS = 1_780_272_000_000
NOW = datetime(2100, 1, 1, tzinfo=UTC)
"""Later than any fit of the command's."""
CDNOW = ClvParameters(
    "USD", 0.2426, 4.4135, 0.7929, 2.4258, 6.249, 3.745, 1544.8, 2357, 946, 1, 2457, -9582.4, -8412.4,
    date(1997, 1, 1), date(1997, 9, 30),
)  # fmt: skip


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture(scope="module")
def sample(clickhouse_url: str) -> Iterator[Client]:
    """The purchases of the CDNOW sample."""
    with migrated_database(clickhouse_url) as client:
        bought = [(who, at_ms, minor, "USD") for who, at_ms, minor in cdnow.purchases()]
        write(client, [purchase(number, *one) for number, one in enumerate(bought)])
        yield client


def purchase(offset: int, who: str, at_ms: int, minor: int | None = 1000, currency: str = "EUR", **more: str) -> Row:
    row = touchpoint(offset, customer_id=who, occurred_at=at_ms, revenue_minor=minor, currency=currency)
    return row | {"action": "purchase"} | more


def write(client: Client, rows: Iterable[Row]) -> None:
    assert LaneWriter(client).write(Flush({"touchpoints": table("touchpoints", rows)}), Event()) == ()


def run(client: Client, clickhouse_url: str, *arguments: str) -> Result:
    environment = {"TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database))}
    return CliRunner().invoke(app, ["clv", *arguments], env=environment)


# --- the published sample, by the commands


@needs_data
def test_the_command_fits_the_published_parameters_and_reports_the_holdout(sample: Client, clickhouse_url: str) -> None:
    asked = ("fit", "--calibrate-until", "1997-10-01", "--json")
    result = run(sample, clickhouse_url, *asked)
    assert result.exit_code == 0, result.output
    fitted = json.loads(result.stdout)
    assert (fitted["in_force"], fitted["version_in_force"]) == (False, None)
    assert "nothing is fitted yet" in run(sample, clickhouse_url, "scores").stderr
    found = [fitted[name] for name in ("r", "alpha", "a", "b", "p", "q")] + [fitted["v_minor"] / 100]
    assert found == pytest.approx([0.2426, 4.4135, 0.7929, 2.4258, 6.249, 3.745, 15.448], rel=0.01)
    assert (fitted["customers"], fitted["repeat_customers"], fitted["repeats"]) == (2357, 946, 2457)
    assert (fitted["last_day"], fitted["holdout_last_day"]) == ("1997-09-30", "1998-06-30")
    assert fitted["holdout_repeats"] == 1882
    assert fitted["holdout_predicted"] == pytest.approx(1653.4, abs=0.5)
    assert fitted["holdout_mae"] == pytest.approx(0.785, abs=0.001)
    whole = json.loads(run(sample, clickhouse_url, "fit", "--json").stdout)
    assert (whole["in_force"], whole["version_in_force"]) == (True, whole["version"])
    still = json.loads(run(sample, clickhouse_url, *asked).stdout)
    assert (still["version"], still["version_in_force"]) == (fitted["version"], whole["version"])
    again = json.loads(run(sample, clickhouse_url, *asked, "--use").stdout)
    assert (again["in_force"], again["version_in_force"]) == (True, fitted["version"])
    rows = "SELECT count() FROM clv_parameters FINAL WHERE version = {version:String}"
    assert sample.command(rows, {"version": fitted["version"]}) == 1


@needs_data
def test_scores_in_sql_equal_those_of_the_models(sample: Client) -> None:
    clv.record_parameters(sample, CDNOW, NOW)
    scores = clv.scores(sample, last_day=date(1997, 9, 30), weeks=39, most=10_000)
    found = {score.person: score for score in scores.people}
    who, seen = cdnow.summary(cdnow.by_day(cdnow.purchases()), cdnow.CALIBRATION_END_MS)
    assert found.keys() == set(who)
    model, spending = BgNbd(0.2426, 4.4135, 0.7929, 2.4258), GammaGamma(6.249, 3.745, 1544.8)
    purchases, orders = model.expected_purchases(seen, 39), spending.expected_order_minor(seen)
    ordered = [found[customer] for customer in who]
    assert [score.purchases for score in ordered] == list(seen.repeats + 1)
    assert [score.p_alive for score in ordered] == pytest.approx(list(model.probability_alive(seen)), rel=1e-12)
    assert [score.expected_purchases for score in ordered] == pytest.approx(list(purchases), rel=1e-8)
    assert [score.expected_order_minor for score in ordered] == pytest.approx(list(orders), rel=1e-12)
    assert [score.predicted_clv_minor for score in ordered] == pytest.approx(list(purchases * orders), rel=1e-8)
    values = [score.predicted_clv_minor for score in scores.people]
    assert values == sorted(values, reverse=True)


@needs_data
def test_the_command_shows_the_most_valuable_and_what_that_rests_on(sample: Client, clickhouse_url: str) -> None:
    clv.record_parameters(sample, CDNOW, NOW)
    people = json.loads(run(sample, clickhouse_url, "scores", "--top", "3", "--as-of", "1997-10-01", "--json").stdout)
    best = clv.scores(sample, last_day=date(1997, 9, 30), most=3)
    assert [row["person"] for row in people] == [score.person for score in best.people]
    assert {(row["n"], row["version"], row["last_day"]) for row in people} == {(2357, CDNOW.version, "1997-09-30")}
    table = run(sample, clickhouse_url, "scores", "--top", "3").stdout
    assert "n = 2,357 customers" in table
    assert clv.scores(sample, person=(True, people[2]["person"]), last_day=date(1997, 9, 30)).people == best.people[2:]
    assert clv.scores(sample, person=(True, "nobody")).people == ()
    early = run(sample, clickhouse_url, "scores", "--as-of", "1996-01-01")
    assert (early.exit_code, early.stdout) == (0, "no customer had bought anything by 1995-12-31\n")


# --- the formulas over a grid


def equation_10(model: ClvParameters, x: float, recency: float, age: float, weeks: float) -> float:
    """Fader, Hardie and Lee (2005), as it is printed."""
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    f = hyp2f1(r + x, b + x, a + b + x - 1, weeks / (alpha + age + weeks))
    bought = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + weeks)) ** (r + x) * f)
    stopped = a / (b + x - 1) * ((alpha + age) / (alpha + recency)) ** (r + x) if x else 0.0
    return float(bought / (1 + stopped))


def test_expected_purchases_in_sql_are_those_of_the_paper(client: Client) -> None:
    grid = list(product((0.2426, 3.0), (1.0, 40.0), (0.1, 0.7929, 2.2), (0.3, 2.4258, 12.0)))
    histories = [(0, 0), (0, 280), (1, 3), (1, 200), (4, 200), (30, 250)]
    bought = []
    for x, recency in histories:
        days = [0, *range(recency - x + 1, recency + 1)]
        bought += [(f"{x}-{recency}", MONDAY_MS + day * DAY_MS) for day in days]
    # Everybody began on one day, and there is a history for each set of parameters.
    rows = [(*one, number) for number, one in product(range(len(grid)), bought)]
    write(client, [purchase(i, who, at_ms, 100, str(number)) for i, (who, at_ms, number) in enumerate(rows)])
    compared = 0
    for number, (r, alpha, a, b) in enumerate(grid):
        model = replace(CDNOW, currency=str(number), r=r, alpha=alpha, a=a, b=b)
        clv.record_parameters(client, model, NOW)
        for weeks in (1.0, 39.0, 260.0) if number % 8 == 4 else (39.0,):
            scores = clv.scores(client, str(number), last_day=MONDAY + timedelta(days=280), weeks=weeks)
            found = {score.person: score.expected_purchases for score in scores.people}
            for x, recency in histories:
                expected = equation_10(model, x, recency / 7, 40, weeks)
                assert found[f"{x}-{recency}"] == pytest.approx(expected, rel=1e-6), (model, x, recency, weeks)
                compared += 1
    assert compared == (36 + 2 * 4) * len(histories)


def test_a_near_1_many_purchases_and_long_horizons_are_no_special_case(client: Client) -> None:
    days, end = [*range(300), 400], MONDAY + timedelta(days=400)
    bought = [purchase(day, "often", MONDAY_MS + day * DAY_MS) for day in days]
    write(client, [*bought, purchase(500, "once", MONDAY_MS)])
    seen = RepeatPurchases(np.array([300.0, 0.0]), np.array([400 / 7, 0.0]), np.array([400 / 7] * 2), np.zeros(2))
    for number, (r, a) in enumerate(product([0.01, 2000.0], [0.999, 1.0, 1.001, 30.0])):
        model = replace(CDNOW, currency="EUR", r=r, alpha=0.05, a=a, b=0.1)
        clv.record_parameters(client, model, NOW + timedelta(seconds=number))
        found = {score.person: score for score in clv.scores(client, last_day=end, weeks=1040).people}
        expected = list(BgNbd(r, 0.05, a, 0.1).expected_purchases(seen, 1040))
        assert [found[who].expected_purchases for who in ("often", "once")] == pytest.approx(expected, rel=1e-6)
        assert all(purchases > 0 for purchases in expected)


# --- what counts as a purchase, and whose it is


def columns(client: Client, last_day: date, until: date | None = None, currency: str = "EUR") -> list[Sequence[float]]:
    found = clv.repeat_purchases(client, clv.bought(client, currency), last_day, until or last_day)
    return [tuple(row.values()) for row in found.to_pylist()]


def test_a_days_purchases_are_one_transaction(client: Client) -> None:
    at = [0, DAY_MS - 1, 7 * DAY_MS, 7 * DAY_MS + 5, 14 * DAY_MS]
    write(client, [purchase(i, "ann", MONDAY_MS + ms, 100 * (i + 1)) for i, ms in enumerate(at)])
    # 700 on the second day and 500 on the third; the first day's 300 are no repeat.
    assert columns(client, MONDAY + timedelta(days=21)) == [(2, 2.0, 3.0, 600.0, 0)]
    assert columns(client, MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)) == [(1, 1.0, 1.0, 700.0, 1)]


def test_only_purchases_of_a_known_value_in_the_currency_count(client: Client) -> None:
    later = MONDAY_MS + 7 * DAY_MS
    write(client, [
        purchase(0, "ann", MONDAY_MS), purchase(1, "ann", later, 0), purchase(2, "ann", later + DAY_MS, None),
        purchase(3, "ann", later + 2 * DAY_MS, 500, "GBP"), purchase(4, "ann", later + 3 * DAY_MS, -1000),
        purchase(5, "ann", later + 4 * DAY_MS, -1000, action="return"),
        purchase(6, "ann", later + 5 * DAY_MS, action="contact"),
    ])  # fmt: skip
    assert columns(client, MONDAY + timedelta(days=28)) == [(1, 1.0, 4.0, 0.0, 0)]


def test_a_flush_that_was_written_twice_is_spent_once(client: Client) -> None:
    rows = [purchase(0, "ann", MONDAY_MS), purchase(1, "ann", MONDAY_MS + 7 * DAY_MS)]
    for _ in range(2):
        write(client, rows)
    assert columns(client, MONDAY + timedelta(days=14)) == [(1, 1.0, 2.0, 1000.0, 0)]
    clv.record_parameters(client, replace(CDNOW, currency="EUR"), NOW)
    assert clv.scores(client).people[0].spent_minor == 2000


def test_purchases_from_before_a_customer_was_known_are_theirs(client: Client) -> None:
    bought = [purchase(0, "", MONDAY_MS, anonymous_id="browser"), purchase(1, "ann", MONDAY_MS + 7 * DAY_MS)]
    write(client, [*bought, purchase(2, "", MONDAY_MS, anonymous_id="ann")])
    clv.record_parameters(client, replace(CDNOW, currency="EUR"), NOW)
    assert {(score.known, score.person, score.purchases) for score in clv.scores(client).people} == {
        (True, "ann", 1), (False, "browser", 1), (False, "ann", 1),
    }  # fmt: skip
    write(client, [touchpoint(3, customer_id="ann", anonymous_id="browser", action="identify")])
    assert {(score.known, score.person, score.purchases) for score in clv.scores(client).people} == {
        (True, "ann", 2), (False, "ann", 1),
    }  # fmt: skip
    (ann,) = clv.scores(client, person=(True, "ann")).people
    assert (ann.purchases, ann.first_purchase, ann.last_purchase) == (2, MONDAY, MONDAY + timedelta(days=7))
    assert [score.purchases for score in clv.scores(client, person=(False, "ann")).people] == [1]


def test_of_too_many_customers_one_in_so_many_is_read_always_the_same(client: Client) -> None:
    write(client, [purchase(number, f"customer-{number}", MONDAY_MS) for number in range(900)])
    many = Buying("EUR", 3 * clv.CUSTOMERS_MAX, MONDAY, MONDAY)
    assert many.one_in == 3
    found = clv.repeat_purchases(client, many, MONDAY, MONDAY)
    assert 200 < found.num_rows < 400
    assert clv.repeat_purchases(client, many, MONDAY, MONDAY).equals(found)


# --- versions and refusals


def test_the_newest_fit_is_in_force_for_its_currency(client: Client) -> None:
    write(client, [purchase(0, "ann", MONDAY_MS), purchase(1, "bob", MONDAY_MS, 5, "GBP")])
    first, second = replace(CDNOW, currency="EUR"), replace(CDNOW, currency="EUR", r=0.3)
    clv.record_parameters(client, first, NOW)
    assert clv.parameters_in_force(client) == first
    clv.record_parameters(client, second, NOW + timedelta(days=1))
    clv.record_parameters(client, replace(CDNOW, currency="GBP"), NOW + timedelta(days=2))
    assert clv.parameters_in_force(client, "EUR") == second
    assert clv.scores(client, "EUR").version == second.version != first.version
    # The same fit again comes into force again.
    clv.record_parameters(client, first, NOW + timedelta(days=3))
    assert clv.parameters_in_force(client, "EUR") == first
    with pytest.raises(ClvError, match="several currencies: say --currency, one of EUR, GBP"):
        clv.parameters_in_force(client)


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        ([], ["fit"], "no purchases"),
        ([], ["scores"], "run `touchstream clv fit`"),
        ([purchase(0, "ann", MONDAY_MS)], ["fit"], "too little data: 0 customers bought on more than one day"),
        ([purchase(0, "ann", MONDAY_MS)], ["fit", "--currency", "USD"], "nothing was bought in USD: there is EUR"),
        (
            [purchase(0, "ann", MONDAY_MS), purchase(1, "ann", MONDAY_MS, 1, "GBP")],
            ["fit"],
            "several currencies: say --currency, one of EUR, GBP",
        ),
        (
            [purchase(0, "ann", MONDAY_MS)],
            ["fit", "--calibrate-until", "2026-06-02"],
            "there are purchases from 2026-06-01 to 2026-06-01; take a day between them",
        ),
        ([purchase(0, "ann", MONDAY_MS)], ["fit", "--calibrate-until", "soon"], "is no time"),
    ],
)
def test_purchases_that_cannot_be_fitted_or_scored_are_an_error_of_one_line(
    client: Client, clickhouse_url: str, rows: list[Row], arguments: list[str], message: str
) -> None:
    if rows:
        write(client, rows)
    result = run(client, clickhouse_url, *arguments)
    assert result.exit_code == (2 if message == "is no time" else 1)
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert client.command("SELECT count() FROM clv_parameters") == 0
