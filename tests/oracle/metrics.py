"""Exact metrics of groups of touchpoint rows, in fractions until the last step. Formulas: the table in metrics.md.

A metric `m` comes with `m_n`, and with `m_low`, `m_high` where it has a 95 % interval. Without answers `m_n` is 0 and
all others are None.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from statistics import NormalDist
from typing import Any

Row = Mapping[str, Any]
Fields = dict[str, Any]
Z95 = NormalDist().inv_cdf(0.975)
SURVEYS = ("nps", "csat", "ces")


def metrics_by(rows: Iterable[Row], by: Sequence[str] = ()) -> dict[tuple[str, ...], Fields]:
    """The metrics of each group of `rows`; its key holds the values of the columns `by`."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return {key: group_metrics(group) for key, group in groups.items()}


def group_metrics(rows: Sequence[Row]) -> Fields:
    """Every survey and operational field of one group."""
    found: Fields = {
        "touches": len(rows),
        "customers": len({customer(row) for row in rows}),
        "purchases": sum(row["action"] == "purchase" for row in rows),
        "late": sum(bool(row["late"]) for row in rows),
    }
    found |= outcomes(rows) | durations(rows) | sentiment(rows) | revenue(rows)
    found |= nps(answers(rows, "nps")) | csat(answers(rows, "csat")) | ces(answers(rows, "ces"))
    for survey in SURVEYS:
        found |= response_rate(rows, survey)
    return found


def answers(rows: Iterable[Row], name: str) -> list[int]:
    """The values of column `name` that were given."""
    return [row[name] for row in rows if row[name] is not None]


def customer(row: Row) -> tuple[str, str]:
    """Who a row is about: `customer_id`, else `anonymous_id`. The two are name spaces of their own."""
    return ("customer", row["customer_id"]) if row["customer_id"] else ("anonymous", row["anonymous_id"])


def nps(scores: Sequence[int]) -> Fields:
    """NPS, -100 to 100, with the adjusted Wald interval (Rocks 2016)."""
    n = len(scores)
    promoters, detractors = sum(score >= 9 for score in scores), sum(score <= 6 for score in scores)
    if not n:
        return {"nps": None, "nps_low": None, "nps_high": None, "nps_n": 0}
    low, high = nps_interval(promoters, detractors, n)
    return {"nps": float(Fraction(100 * (promoters - detractors), n)), "nps_low": low, "nps_high": high, "nps_n": n}


def nps_interval(promoters: int, detractors: int, n: int) -> tuple[float, float]:
    """Adjusted Wald, ×100, clipped to ±100: three answers more, of which each end of the scale gets three quarters."""
    p, d = (Fraction(count) + Fraction(3, 4) for count in (promoters, detractors))
    centre, margin = p / (n + 3) - d / (n + 3), nps_margin(p / (n + 3), d / (n + 3), n + 3)
    return max(-100.0, 100 * (float(centre) - margin)), min(100.0, 100 * (float(centre) + margin))


def nps_margin(p: Fraction, d: Fraction, n: int) -> float:
    """Half the width of the plain 95 % interval of p - d, where p and d are shares of n answers."""
    return Z95 * math.sqrt((p + d - (p - d) ** 2) / n)


def csat(scores: Sequence[int]) -> Fields:
    """Top-2 box of a 1–5 scale in per cent, with Wilson's interval; and the mean."""
    top = proportion("csat", sum(score >= 4 for score in scores), len(scores))
    return top | mean("csat_mean", scores)


def ces(scores: Sequence[int]) -> Fields:
    """CES 2.0: mean of a 1–7 scale where 7 is very easy; `ces_easy` is the per cent of answers of at least 5."""
    return mean("ces", scores) | proportion("ces_easy", sum(score >= 5 for score in scores), len(scores))


def mean(name: str, values: Sequence[int]) -> Fields:
    """The mean of whole numbers and how many they are."""
    return {name: float(Fraction(sum(values), len(values))) if values else None, f"{name}_n": len(values)}


def proportion(name: str, successes: int, n: int, scale: int = 100) -> Fields:
    """`scale`·successes/n with Wilson's interval."""
    if not n:
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_n": 0}
    low, high = wilson(successes, n)
    return {
        name: float(Fraction(scale * successes, n)),
        f"{name}_low": scale * low,
        f"{name}_high": scale * high,
        f"{name}_n": n,
    }


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion at 95 %: the p with (successes/n - p)² = z²·p·(1-p)/n."""
    share, z2 = successes / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    margin = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - margin), min(1.0, centre + margin)


def response_rate(rows: Sequence[Row], survey: str) -> Fields:
    """Customers with at least one answer to `survey` ÷ customers touched, 0 to 1."""
    touched = {customer(row) for row in rows}
    answered = {customer(row) for row in rows if row[survey] is not None}
    return proportion(f"{survey}_response_rate", len(answered), len(touched), scale=1)


def outcomes(rows: Sequence[Row]) -> Fields:
    """`success_rate`, 0 to 1: success ÷ (success + failure + abandoned)."""
    known = [row["outcome"] for row in rows if row["outcome"] in ("success", "failure", "abandoned")]
    return proportion("success_rate", known.count("success"), len(known), scale=1)


def durations(rows: Sequence[Row]) -> Fields:
    """Exact quantiles in milliseconds: what the sketch is to meet within one per cent."""
    values = sorted(answers(rows, "duration_ms"))
    found: Fields = {f"duration_ms_p{percent}": quantile(values, percent) for percent in (50, 95, 99)}
    return found | {"duration_ms_n": len(values)}


def quantile(ordered: Sequence[int], percent: int) -> int | None:
    """The value of rank ⌊1 + q(n-1)⌋, the lower quantile that DDSketch estimates (Masson, Rim and Lee 2019)."""
    return ordered[percent * (len(ordered) - 1) // 100] if ordered else None


def sentiment(rows: Sequence[Row]) -> Fields:
    """Mean sentiment, -1 to 1, of the micro-units that rows hold."""
    values = answers(rows, "sentiment_micro")
    return {
        "sentiment": float(Fraction(sum(values), 1_000_000 * len(values))) if values else None,
        "sentiment_n": len(values),
    }


def revenue(rows: Sequence[Row]) -> Fields:
    """Net revenue in minor units. Over several currencies there is no sum: it is None, and the map holds each."""
    paid = [row for row in rows if row["revenue_minor"] is not None]
    by_currency = sum_by_currency(paid)
    purchases = [row for row in rows if row["action"] == "purchase"]
    spent = sum_by_currency(row for row in purchases if row["revenue_minor"] is not None)
    average = Fraction(sum(spent.values()), len(purchases)) if purchases and len(spent) == 1 else None
    return {
        "revenue_minor": sum(by_currency.values()) if len(by_currency) <= 1 else None,
        "revenue_minor_by_currency": by_currency,
        "average_order_minor": float(average) if average is not None else None,
        "average_order_minor_n": len(purchases),
    }


def sum_by_currency(rows: Iterable[Row]) -> dict[str, int]:
    """Revenue of `rows` by currency, '' where none was given."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["revenue_minor"]
    return sums
