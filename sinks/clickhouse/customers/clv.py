"""Customer lifetime value in ClickHouse: repeat purchases, fitted parameters, and what people are worth by them.

Days are days of UTC. An observation ends with a day: purchases on it count, later ones don't.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.sql import query_text

if TYPE_CHECKING:
    import pyarrow as pa

CUSTOMERS_MAX: Final = 1_000_000
"""Most customers that a fit reads, 40 MB. Of more it reads a sample; the parameters' error is then far below 1 %."""
WEEKS: Final = 52.0
TOP_MAX: Final = 100_000
_FIRST_DAY: Final = date(1970, 1, 1)


class ClvError(ValueError):
    """There is nothing to read or score as asked for; the message says what to do."""


@dataclass(frozen=True)
class Buying:
    """What was bought in one currency: by about how many buyers, from the first day to the last."""

    currency: str
    buyers: int
    first_day: date
    last_day: date

    @property
    def one_in(self) -> int:
        """The sampling interval of a fit: it reads one in this many customers."""
        return -(-self.buyers // CUSTOMERS_MAX)


@dataclass(frozen=True)
class ClvParameters:
    """A row of `clv_parameters`, whose columns have comments. The four of a holdout are None together."""

    currency: str
    r: float
    alpha: float
    a: float
    b: float
    p: float
    q: float
    v_minor: float
    customers: int
    repeat_customers: int
    one_in: int
    repeats: int
    log_likelihood: float
    log_likelihood_value: float
    first_day: date
    last_day: date
    holdout_last_day: date | None = None
    holdout_repeats: int | None = None
    holdout_predicted: float | None = None
    holdout_mae: float | None = None

    @property
    def version(self) -> str:
        """A digest of all of it: the same purchases give the same."""
        return hashlib.sha256(json.dumps(asdict(self), default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Score:
    """What a person is worth. known: a customer, not an anonymous id; purchases: days with one; money in minor units.

    p_alive: that the person will ever buy again of their own accord. The expected purchases and the predicted value are
    those of the weeks asked for, not discounted; expected_order_minor is what a purchase is expected to bring.
    """

    known: bool
    person: str
    purchases: int
    spent_minor: int
    first_purchase: date
    last_purchase: date
    p_alive: float
    expected_purchases: float
    expected_order_minor: float
    predicted_clv_minor: float


@dataclass(frozen=True)
class Scores:
    """Scores of people for the `weeks` after `last_day`, by a version of the parameters, fitted to n customers."""

    currency: str
    version: str
    n: int
    last_day: date
    weeks: float
    people: tuple[Score, ...]


def bought(client: Client, currency: str | None = None) -> Buying:
    """What was bought in a currency; None: in the only one. Raises ClvError for none, or several to choose from."""
    rows = client.query(query_text("clv_currencies")).result_rows
    found = {name: Buying(name, buyers, _day(first), _day(last)) for name, buyers, first, last in rows}
    if not found:
        raise ClvError("no purchases: events with the action `purchase` need `revenue_minor` and `currency`")
    return found[_chosen(currency, list(found), "nothing was bought in")]


def repeat_purchases(client: Client, bought: Buying, last_day: date, until: date) -> "pa.Table":
    """One row for each customer who had bought by last_day: what the models are fitted to.

    Columns repeats, recency_weeks, age_weeks, mean_minor as in `streams.insight.clv.history`, and later: days with a
    purchase in (last_day, until]. At most about CUSTOMERS_MAX rows.
    """
    asked = _asked(bought.currency, last_day, until) | {"one_in": bought.one_in}
    return client.query_arrow(query_text("clv_history"), asked)


def record_parameters(client: Client, fitted: ClvParameters, fitted_at: datetime) -> None:
    """Write a version; it is in force for its currency from now on. Written again, it is the same row."""
    row = asdict(fitted) | {"version": fitted.version, "fitted_at": fitted_at}
    client.insert("clv_parameters", [list(row.values())], list(row))


def parameters_in_force(client: Client, currency: str | None = None) -> ClvParameters:
    """The parameters of a currency; None: of the only one. Raises ClvError where there are none, or several."""
    rows = client.query(query_text("clv_parameters"), {"currencies": []}).named_results()
    names = ClvParameters.__dataclass_fields__
    found = {row["currency"]: ClvParameters(**{name: row[name] for name in names}) for row in rows}
    if not found:
        raise ClvError("nothing is fitted yet: run `touchstream clv fit`")
    return found[_chosen(currency, list(found), "nothing is fitted in")]


def version_in_force(client: Client, currency: str) -> str | None:
    """The version by which people are scored in a currency; None where nothing is fitted in it yet."""
    rows = client.query(query_text("clv_parameters"), {"currencies": [currency]}).named_results()
    return next((str(row["version"]) for row in rows), None)


def scores(
    client: Client,
    currency: str | None = None,
    *,
    last_day: date | None = None,
    weeks: float = WEEKS,
    person: tuple[bool, str] | None = None,
    most: int = 100,
) -> Scores:
    """The people with the highest predicted value in the `weeks` to come, at most `most`; or one person.

    last_day: up to which purchases are known; None: that of the last purchase. person: (known, id); one who has
    never bought in the currency has no score. Raises ClvError as `parameters_in_force` and `bought` do.
    """
    model = parameters_in_force(client, currency)
    end = last_day or bought(client, model.currency).last_day
    known, name = person or (False, "")
    asked = _asked(model.currency, end, end) | {"one_in": 1, "known": known, "person": name}
    asked |= {"currencies": [model.currency], "weeks": weeks, "most": min(most, TOP_MAX)}
    rows = client.query(query_text("clv_scores"), asked).named_results()
    people = tuple(_score(row) for row in rows)
    return Scores(model.currency, model.version, model.customers, end, weeks, people)


def _chosen(currency: str | None, found: list[str], none: str) -> str:
    names = ", ".join(name or "'' (none given)" for name in found)
    if currency is None and len(found) > 1:
        raise ClvError(f"there are several currencies: say --currency, one of {names}")
    if currency is not None and currency not in found:
        raise ClvError(f"{none} {currency or 'no currency'}: there is {names}")
    return found[0] if currency is None else currency


def _asked(currency: str, last_day: date, until: date) -> dict[str, Any]:
    everybody = {"person": "", "known": False}
    return {"currency": currency, "last_day": _number(last_day), "until_day": _number(until)} | everybody


def _score(row: dict[str, Any]) -> Score:
    first = _day(row["first_day"])
    values = ("p_alive", "expected_purchases", "expected_order_minor", "predicted_clv_minor")
    return Score(
        bool(row["known"]), row["person"], int(row["purchases"]), int(row["spent_minor"]),
        first, first + timedelta(days=round(7 * row["recency_weeks"])), *(row[name] for name in values),
    )  # fmt: skip


def _day(number: int) -> date:
    return _FIRST_DAY + timedelta(days=number)


def _number(day: date) -> int:
    return (day - _FIRST_DAY).days


def day_before(at_ms: int) -> date:
    """The last whole day before an instant (milliseconds since 1970)."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date() - timedelta(days=1)
