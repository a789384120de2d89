"""People whose spending before makes them answer better, and spend more afterwards: a confounder, and a slope."""

from dataclasses import dataclass

import numpy as np

from touchstream.streams.insight.spending.model import Spenders, spending


@dataclass(frozen=True)
class SpendingOutcomes:
    """Shares of runs: interval holds the planted slope; called one (p < 0.05), with and without the confounder held.

    bias: mean error of the logarithm of the slope, in standard errors of that mean.
    """

    covered: float
    called: float
    called_plain: float
    bias: float


def spenders(people: int, slope: float, random: np.random.Generator) -> Spenders:
    """People of two segments; three in ten had not bought before, about as many don't buy afterwards."""
    premium = random.random(people) < 0.4
    before = np.where(random.random(people) < 0.3, 0.0, np.exp(random.normal(8, 1, people)))
    tenure = random.exponential(400, people)
    liking = 3 + 0.15 * (np.log1p(before) - 6) + 0.3 * premium + random.normal(0, 1, people)
    score = np.clip(np.round(liking), 1, 5)
    mean = np.exp(6 + slope * score + 0.2 * np.log1p(before) + 0.3 * premium - 0.05 * np.log1p(tenure))
    bought = random.random(people) < 0.7
    after = np.round(np.where(bought, mean / 0.7 * np.exp(random.normal(-0.32, 0.8, people)), 0.0))
    returned = np.where(random.random(people) < 0.1, after, 0.0)
    columns = [np.asarray(column, dtype=np.float64) for column in (score, after, before, returned, tenure)]
    segments = tuple(np.where(premium, "premium", "basic").tolist())
    return Spenders(columns[0], columns[1], np.round(columns[2]), columns[3], np.floor(columns[4]), segments)


def simulate_spending(people: int, slope: float, runs: int, seed: int) -> SpendingOutcomes:
    """Look for the slope (of the logarithm, a point) in `runs` runs."""
    truth = 100 * (np.exp(slope) - 1)
    held = called = plain = 0
    errors = []
    for run in range(runs):
        found = spending(spenders(people, slope, np.random.default_rng([seed, people, run])))
        held += found.adjusted.low <= truth <= found.adjusted.high
        called += found.adjusted.p < 0.05
        plain += found.plain.p < 0.05
        errors.append(np.log1p(found.adjusted.percent / 100) - slope)
    off = float(np.mean(errors) / (np.std(errors) / np.sqrt(runs)))
    return SpendingOutcomes(int(held) / runs, called / runs, plain / runs, off)
