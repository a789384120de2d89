"""Rows of planted changes: how many are found, how soon, and how their alerts end."""

import resource
import time
from dataclasses import replace

import numpy as np

from tests.bench.alerts.report import Row
from tests.bench.alerts.rows_false import DROP, H_ONE, NPS, POINTS, hourly
from tests.bench.alerts.scale import Scale
from tests.bench.alerts.simulation import Outcomes, outcomes, planted, simulate
from tests.bench.alerts.traffic import Changes, Traffic
from touchstream.streams.watch.evidence.buckets import (
    BUCKETS_PER_DAY,
    BUCKETS_PER_HOUR,
    BUCKETS_PER_WEEK,
    Floats,
    moment_of,
)
from touchstream.streams.watch.evidence.judges import CountJudge
from touchstream.streams.watch.evidence.power import Change, count_power
from touchstream.streams.watch.evidence.threshold import threshold

_MINUTES = 60 // BUCKETS_PER_HOUR
_SPREAD = 1.25  # of Poisson counts about a baseline from four weeks
_SURE = 0.95


def stated_power(traffic: Traffic, h: float) -> Floats:
    """What is said beforehand of each planted change; shape (changes,)."""
    rates, changes = traffic.rates(), traffic.changes
    powers = []
    for series, start, end, size in zip(changes.series, changes.start, changes.end, changes.size, strict=True):
        expected = float(rates[np.arange(start, end) % BUCKETS_PER_WEEK, series].sum())
        powers.append(count_power(DROP, h, expected, _SPREAD, Change(-float(size), int(end - start))))
    return np.array(powers)


def injected(scale: Scale) -> list[Row]:
    sizes, hours = -np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 2, 3, 4, 6])
    changes = planted(np.random.default_rng(scale.seed), scale.span, (sizes, hours), scale.series)
    traffic = Traffic(hourly((50, 100, 200, 500, 1000, 5000), scale.series), changes=changes)
    found = outcomes(simulate(traffic, DROP, H_ONE, scale.weeks, scale.seed), changes)
    power, rate = stated_power(traffic, H_ONE), traffic.hourly[changes.series]
    sure = power >= _SURE
    said = scale.said(f"drops of 10–40 %, 1–6 h, {len(power):,} in all; h {H_ONE:.1f}")
    high = sure & (rate >= 200)
    off = [abs(power[cell].mean() - found.found[cell].mean()) for cell in _cells(power) if cell.sum() >= 50]
    usual = (changes.size == -0.2) & (rate == 1000)
    return [
        Row("recall where stated power ≥ 0.95", said, float(found.found[sure].mean()), ("≥", 0.93)),
        Row("the same, 200 an hour and more", said, float(found.found[high].mean()), ("≥", 0.98)),
        Row("stated power less simulated, the worst tenth of power", said, float(max(off)), ("≤", 0.1)),
        Row("minutes to a drop of 20 % at 1,000 an hour, median", said, _median(found, usual), ("≤", 60)),
        Row("drops first fired within an hour of their end", said, float(found.late.mean()), ("≤", 0.05)),
        Row("false firings per 10 series-weeks beside drops", said, _false(found, scale), ("≤", 0.2)),
        Row("minutes from an end to resolved, 20 % at 1,000 an hour, median", said, _ends(found, usual), ("≤", 60)),
    ]


def surveys(scale: Scale) -> list[Row]:
    choices = (-np.array([20.0]), np.array([4, 6]))
    changes = planted(np.random.default_rng(scale.seed), scale.span, choices, scale.series)
    traffic = Traffic(np.full(scale.series, 500.0), changes=changes, answers=NPS)
    found = outcomes(simulate(traffic, POINTS, H_ONE, scale.weeks, scale.seed), changes)
    said = scale.said(f"20 points, 4 and 6 h; rule of 10 points; h {H_ONE:.1f}")
    flat = changes.series % 3 == 0
    return [
        Row("minutes to a drop of 20 NPS points at 500 answers an hour, median", said, _median(found, flat), ("≤", 90)),
        Row("recall of these", said, float(found.found[flat].mean()), ("≥", 0.93)),
    ]


def silence(scale: Scale) -> list[Row]:
    """Series whose expected number is at least h·φ/2.4 in a bucket fall silent."""
    changes = planted(np.random.default_rng(scale.seed), scale.span, (-np.array([1.0]), np.array([2])), scale.series)
    bucket = H_ONE * _SPREAD / 2.4
    traffic = Traffic(np.full(scale.series, 12 * bucket * 1.05), changes=changes)
    # A rule of min_n 50 would wait for 50 expected events.
    rule = replace(DROP, min_n=10.0)
    found = outcomes(simulate(traffic, rule, H_ONE, scale.weeks, scale.seed), changes)
    flat = changes.series % 3 == 0
    said = scale.said(f"{bucket * 1.05:.1f} expected in a bucket; min_n 10; h {H_ONE:.1f}")
    late = np.nanquantile(found.delay[flat], 0.5)
    return [Row("buckets to total silence, median", said, float(late), ("≤", 3))]


def lifecycle(scale: Scale) -> list[Row]:
    rows: list[Row] = []
    for name, effect, traffic, unit in (
        ("counts", DROP, Traffic(hourly((200, 1000, 10000), scale.series)), 0.01),
        ("NPS", POINTS, Traffic(hourly((500, 3000), scale.series), answers=NPS), 1.0),
    ):
        parts, whole = _stories(scale, unit)
        story = Traffic(traffic.hourly, 1.0, parts, 0.0, traffic.answers)
        run = simulate(story, effect, H_ONE, scale.weeks, scale.seed)
        found = outcomes(run, whole, 10 * BUCKETS_PER_HOUR)
        said = scale.said(f"{len(whole.series):,} drops that last, end, end in part, come back; h {H_ONE:.1f}")
        seen = found.found
        rows += [
            Row(f"lifecycle, {name}: resolved within the drop", said, _share(found.resolved_within, seen), ("≤", 0.05)),
            Row(f"lifecycle, {name}: second firing of one drop", said, _share(found.again, seen), ("≤", 0.05)),
        ]
    return rows


def _stories(scale: Scale, unit: float) -> tuple[Changes, Changes]:
    """Each judged week of each series has one of three stories: 30 for two days; 40, then 25; 30, nothing, 30 again.

    Returns what is planted, and the drops as one would name them.
    """
    parts: list[tuple[int, int, int, float]] = []
    whole: list[tuple[int, int, int, float]] = []
    hour, day = BUCKETS_PER_HOUR, BUCKETS_PER_DAY
    for series in range(scale.series):
        for week in range(scale.weeks[1]):
            start = scale.span[0] + week * BUCKETS_PER_WEEK + day + 9 * hour
            match (series // 3 + week) % 3:
                case 0:
                    drops = [(start, start + 2 * day, 30.0)]
                    whole.append((series, start, start + 2 * day, 30.0))
                case 1:
                    drops = [(start, start + 8 * hour, 40.0), (start + 8 * hour, start + day, 25.0)]
                    whole.append((series, start, start + day, 40.0))
                case _:
                    again = start + day
                    drops = [(start, start + 6 * hour, 30.0), (again, again + 6 * hour, 30.0)]
                    whole += [(series, start, start + 6 * hour, 30.0), (series, again, again + 6 * hour, 30.0)]
            parts += [(series, *drop) for drop in drops]
    return _changes(parts, unit), _changes(whole, unit)


def cost(scale: Scale) -> list[Row]:
    """Three thousand series: how long a bucket takes, and how much memory."""
    series, rng = 3 * scale.series, np.random.default_rng(scale.seed)
    judge = CountJudge.fresh(DROP, threshold(0.5, series), series, -1)
    judge.baseline.season.history[:] = 10.0
    judge.baseline.season.buckets[:] = 4 * BUCKETS_PER_WEEK
    slowest = 0.0
    for number in range(10 * BUCKETS_PER_HOUR):
        counts = rng.poisson(10.0, series).astype(float)
        began = time.process_time()
        judge.step(moment_of(number), counts)
        slowest = max(slowest, time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    said = f"{series:,} series with 4 weeks of history, 120 buckets"
    return [
        Row("CPU seconds of the slowest bucket", said, slowest, ("≤", 2)),
        Row("MiB of the whole simulation", said, peak, ("≤", 600)),
    ]


def _changes(rows: list[tuple[int, int, int, float]], unit: float) -> Changes:
    series, start, end = (np.array([row[at] for row in rows], dtype=np.int64) for at in range(3))
    return Changes(series, start, end, -unit * np.array([row[3] for row in rows]))


def _cells(power: Floats) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return [(power >= low / 10) & (power < (low + 1) / 10 + (low == 9)) for low in range(10)]


def _share(which: np.ndarray[tuple[int], np.dtype[np.bool_]], of: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(which[of].mean()) if of.any() else float("nan")


def _median(found: Outcomes, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(np.nanmedian(found.delay[which])) * _MINUTES


def _ends(found: Outcomes, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(np.nanmedian(found.end_delay[which])) * _MINUTES


def _false(found: Outcomes, scale: Scale) -> float:
    return 10 * found.false / (scale.series * scale.weeks[1])
