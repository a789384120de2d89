"""The commands of `clv`: customer lifetime value."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from touchstream.sinks.clickhouse.customers import clv
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.cli.output import (
    Json,
    err,
    errors_in_one_line,
    fail,
    load_settings,
    out,
    print_json,
    print_table,
)
from touchstream.streams.cli.time_arguments import point_in_time

Currency = Annotated[str | None, typer.Option(help="Purchases in this currency; needed where there are several.")]

_SHOWN = (
    "person", "purchases", "spent_minor", "last_purchase", "p_alive", "expected_purchases", "expected_order_minor",
    "predicted_clv_minor",
)  # fmt: skip


def fit(
    calibrate_until: Annotated[
        str | None,
        typer.Option(help="Fit to the days before this time, and compare with the purchases from then on."),
    ] = None,
    use: Annotated[
        bool, typer.Option("--use", help="Put a fit with --calibrate-until in force as well: scores use it.")
    ] = False,
    currency: Currency = None,
    as_json: Json = False,
) -> None:
    """Fit when customers buy again and what they spend (BG/NBD, gamma-gamma), and put the fit in force.

    One with --calibrate-until only tells how good it is: it comes into force with --use.

    Example: touchstream clv fit --calibrate-until 2026-10-01 --currency EUR
    """
    if find_spec("scipy") is None:
        fail("`touchstream clv fit` needs SciPy: install it with pip install 'touchstream\\[clv]'")
    settings = load_settings()
    with errors_in_one_line(), err.status("fitting"):
        client = connect(settings.clickhouse_url)
        bought = clv.bought(client, currency)
        fitted = _fitted(client, bought, _calibration_end(bought, calibrate_until))
        if use or calibrate_until is None:
            clv.record_parameters(client, fitted, datetime.now(UTC))
        in_force = clv.version_in_force(client, fitted.currency)
    row = {"version": fitted.version, "in_force": fitted.version == in_force, "version_in_force": in_force}
    row |= asdict(fitted)
    if as_json:
        print_json(row)
    else:
        print_table([{"name": name, "value": value} for name, value in row.items()], ["name", "value"])


def scores(
    top: Annotated[int, typer.Option(min=1, max=clv.TOP_MAX, help="Number of people, the most valuable first.")] = 20,
    weeks: Annotated[float, typer.Option(min=1, max=1040, help="Weeks to come whose value is predicted.")] = clv.WEEKS,
    as_of: Annotated[
        str | None,
        typer.Option(help="As of this time: the days before it are known. After the last purchase by default."),
    ] = None,
    currency: Currency = None,
    as_json: Json = False,
) -> None:
    """Predicted value of people: whether they will buy again, how often and for how much.

    Example: touchstream clv scores --top 100 --weeks 26
    """
    settings = load_settings()
    with errors_in_one_line():
        last_day = clv.day_before(point_in_time(as_of)) if as_of else None
        found = clv.scores(connect(settings.clickhouse_url), currency, last_day=last_day, weeks=weeks, most=top)
    about = {name: getattr(found, name) for name in ("currency", "version", "n", "last_day", "weeks")}
    rows = [asdict(person) for person in found.people]
    if as_json:
        print_json([row | about for row in rows])
    elif rows:
        title = f"{found.weeks:g} weeks after {found.last_day}, {found.currency}; fitted to n = {found.n:,} customers"
        print_table(rows, _SHOWN, title)
    else:
        out.print(f"no customer had bought anything by {found.last_day}")


def _calibration_end(bought: clv.Buying, until: str | None) -> date:
    if until is None:
        return bought.last_day
    end = clv.day_before(point_in_time(until))
    if not bought.first_day <= end < bought.last_day:
        raise clv.ClvError(
            f"--calibrate-until {until}: there are purchases from {bought.first_day} to {bought.last_day}; "
            "take a day between them"
        )
    return end


def _fitted(client: Any, bought: clv.Buying, end: date) -> clv.ClvParameters:
    # Imported here: scores need no SciPy.
    from touchstream.streams.insight.clv.fit import Models
    from touchstream.streams.insight.clv.history import RepeatPurchases

    found = clv.repeat_purchases(client, bought, end, bought.last_day)
    repeats, recency, age, mean, later = (column.to_numpy().astype(float) for column in found.columns)
    seen = RepeatPurchases(repeats, recency, age, mean)
    models = Models.fitted(seen)
    holdout: dict[str, Any] = {}
    if end < bought.last_day:
        held = models.holdout(seen, later, (bought.last_day - end).days / 7)
        holdout = {"holdout_last_day": bought.last_day}
        holdout |= {f"holdout_{name}": value for name, value in asdict(held).items()}
    return clv.ClvParameters(
        currency=bought.currency,
        **asdict(models.buying),
        **asdict(models.spending),
        customers=len(seen),
        repeat_customers=int((repeats > 0).sum()),
        one_in=bought.one_in,
        repeats=int(repeats.sum()),
        log_likelihood=models.buying.log_likelihood(seen),
        log_likelihood_value=models.spending.log_likelihood(seen),
        first_day=bought.first_day,
        last_day=end,
        **holdout,
    )
