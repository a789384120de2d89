"""Rows of false alarms: nothing is planted, and every firing is one too many."""

import numpy as np

from tests.bench.alerts.report import Row
from tests.bench.alerts.scale import Scale
from tests.bench.alerts.simulation import Run, outcomes, planted, simulate
from tests.bench.alerts.traffic import CSAT_SHARES, CSAT_VALUES, NPS_SHARES, NPS_VALUES, SHAPES, Traffic
from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_WEEK, Floats, moment_of
from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.silence import FeedJudge
from touchstream.streams.watch.evidence.threshold import silence_threshold, threshold

DROP, RISE, POINTS = Effect(0.2), Effect(0.2, falls=False), Effect(10.0)
H_ONE = threshold(0.1, 1)
NPS, CSAT = (NPS_VALUES, NPS_SHARES), (CSAT_VALUES, CSAT_SHARES)
_EVENTS = (50, 100, 200, 500, 1000, 2000, 10000)
_ANSWERS = (20, 50, 100, 500, 1000, 3000)


def hourly(rates: tuple[int, ...], series: int) -> Floats:
    """Each rate with each shape, in turn."""
    return np.resize(np.repeat(rates, len(SHAPES)), series).astype(float)


def null_counts(scale: Scale) -> list[Row]:
    run = simulate(Traffic(hourly(_EVENTS, scale.series)), DROP, H_ONE, scale.weeks, scale.seed)
    said = scale.said(f"drops of 20 %, 50 to 10,000 events an hour, h {H_ONE:.1f}")
    return [Row("Poisson, flat, day and night, opening hours: firings per 10 series-weeks", said, *_ten(run, 0.1))]


def null_answers(scale: Scale) -> list[Row]:
    rows = []
    for name, answers in (("NPS", NPS), ("CSAT", CSAT)):
        run = simulate(Traffic(hourly(_ANSWERS, scale.series), answers=answers), POINTS, H_ONE, scale.weeks, scale.seed)
        said = scale.said(f"drops of 10 points, 20 to 3,000 answers an hour, h {H_ONE:.1f}")
        rows.append(Row(f"{name}: firings per 10 series-weeks", said, *_ten(run, 0.2)))
    return rows


def wandering(scale: Scale) -> list[Row]:
    rows = []
    counts, answers = hourly((200, 1000), scale.series), np.full(scale.series, 500.0)
    for name, effect, sizes, traffic in (
        ("counts, sd 5 %", DROP, np.array([-0.3, -0.4]), Traffic(counts, wander_sd=0.05)),
        ("NPS, sd 3 points", POINTS, np.array([-30.0, -40.0]), Traffic(answers, wander_sd=3.0, answers=NPS)),
    ):
        said = scale.said(f"{name}, 3 h; h {H_ONE:.1f}")
        run = simulate(traffic, effect, H_ONE, scale.weeks, scale.seed)
        rows.append(Row(f"wandering level, {name}: firings per 10 series-weeks", said, *_ten(run, 1.0)))
        changes = planted(np.random.default_rng(scale.seed), scale.span, (sizes, np.array([3, 4, 6])), scale.series)
        changed = Traffic(traffic.hourly, 1.0, changes, traffic.wander_sd, traffic.answers)
        found = outcomes(simulate(changed, effect, H_ONE, scale.weeks, scale.seed + 1), changes).found
        rows.append(Row(f"wandering level, {name}: recall of 30–40, 3 to 6 h", said, float(found.mean()), ("≥", 0.7)))
    return rows


def dispersed(scale: Scale) -> list[Row]:
    rows = []
    dispersion = np.where(np.arange(scale.series) // 12 % 2, 2.0, 4.0)
    for name, effect in (("drops", DROP), ("rises", RISE)):
        traffic = Traffic(hourly((50, 200, 1000, 10000), scale.series), dispersion)
        run = simulate(traffic, effect, H_ONE, scale.weeks, scale.seed)
        said = scale.said(f"{name} of 20 %, φ 2 and 4, h {H_ONE:.1f}")
        rows.append(Row(f"negative binomial, {name}: firings per 10 series-weeks", said, *_ten(run, 0.2)))
    return rows


def new_series(scale: Scale) -> list[Row]:
    rows = []
    for name, effect, traffic in (
        ("counts", DROP, Traffic(hourly(_EVENTS, scale.series))),
        ("NPS", POINTS, Traffic(hourly(_ANSWERS, scale.series), answers=NPS)),
    ):
        run = simulate(traffic, effect, H_ONE, (0, 4), scale.seed)
        said = f"{scale.series:,} series, first 4 weeks, h {H_ONE:.1f}, seed {scale.seed}"
        rows.append(Row(f"new series, {name}: firings per 10 series-weeks", said, *_ten(run, 0.2)))
    return rows


def whole_file(scale: Scale) -> list[Row]:
    """Two rules on counts and one on NPS, which share the budget."""
    third = scale.series
    h = threshold(0.5, 3 * third)
    parts = (
        simulate(Traffic(hourly(_EVENTS, third)), DROP, h, scale.weeks, scale.seed),
        simulate(Traffic(hourly(_EVENTS, third), 2.0), DROP, h, scale.weeks, scale.seed + 1),
        simulate(Traffic(hourly(_ANSWERS, third), answers=NPS), POINTS, h, scale.weeks, scale.seed + 2),
    )
    said = f"{3 * third:,} series (Poisson, φ 2, NPS), 4 weeks after 4, h {h:.1f}, seeds from {scale.seed}"
    firings = float(sum(part.firings.sum() for part in parts))
    return [Row("a whole file at 0.5 a week: firings in four weeks", said, firings, ("≤", 4))]


def silent_feeds(scale: Scale) -> list[Row]:
    h = silence_threshold(0.5, scale.series)
    dispersion = np.resize(np.repeat([1.0, 2.0, 4.0], 12), scale.series)
    traffic = Traffic(hourly((5, 20, 60, 300), scale.series), dispersion)
    judge, false, silent_before = FeedJudge.fresh(h, scale.series), 0, np.zeros(scale.series, dtype=bool)
    history, judged = scale.weeks
    for number, bucket in enumerate(traffic.buckets(np.random.default_rng(scale.seed), history + judged)):
        silent = judge.step(moment_of(number), bucket)
        if number >= history * BUCKETS_PER_WEEK:
            false += int((silent & ~silent_before).sum())
        silent_before = silent
    said = scale.said(f"5 to 300 events an hour, φ 1, 2, 4, h {h:.1f}")
    return [Row("feeds at night: false silences in four weeks", said, float(false), ("≤", 2))]


def _ten(run: Run, limit: float) -> tuple[float, tuple[str, float]]:
    return run.false_per_ten, ("≤", limit)
