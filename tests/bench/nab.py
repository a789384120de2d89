"""python -m tests.bench.nab: the detector of series on 24 series of the Numenta benchmark, by its own scoring.

The scoring is that of Lavin and Ahmad, Evaluating real-time anomaly detection algorithms (ICMLA 2015): the standard
profile, 15 % of a series (750 values at most) not scored, 0 for telling nothing and 100 for telling all at once.
The data are not part of this repository; without them this says so. Before them: false alarms on simulated noise.
"""

import csv
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.noise import NOISE, false_alarms
from touchstream.streams.watch.series.detector import QUIET, THRESHOLD, WORSE, SeriesDetector

DATA: Final = Path(__file__).parents[3] / "shared" / "data" / "nab"
GROUPS: Final = {"ad exchange": "realAdExchange", "known causes": "realKnownCause", "artificial": "artificial"}
THRESHOLDS: Final = tuple(step / 4 for step in range(8, 25))
PRECISION: Final = 0.5
NEAR: Final = 3.0
"""Points of the score that fewer false alarms are worth."""
_NOISE_SIZE: Final = (12, 6_000)  # series, values
_SEED: Final = 20261130
_ROUNDING: Final = 1e-9  # a score of 0.5 is the threshold, but for its last digits
_FALSE_POSITIVE: Final = 0.11  # the standard profile; a window found and a window missed count 1


class LabelledSeries(NamedTuple):
    """A series with its windows: pairs of places, the last one included."""

    name: str
    seconds: Sequence[float]
    values: Sequence[float]
    windows: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class NabScore:
    """Sums over series. raw: points; windows, found: how many there are, and were found; right, false: tellings."""

    raw: float = 0.0
    windows: int = 0
    found: int = 0
    right: int = 0
    false: int = 0

    def __add__(self, other: "NabScore") -> "NabScore":
        return NabScore(
            self.raw + other.raw,
            self.windows + other.windows,
            self.found + other.found,
            self.right + other.right,
            self.false + other.false,
        )

    @property
    def score(self) -> float:
        """0 for a detector that tells nothing, 100 for one that tells each window at its beginning, and no more."""
        return 100 * (self.raw + self.windows) / (2 * self.windows) if self.windows else math.nan

    @property
    def precision(self) -> float:
        """How many of the tellings lie in a window."""
        return self.right / (self.right + self.false) if self.right + self.false else 1.0


def read_series(folder: Path) -> list[LabelledSeries]:
    """All series of a folder that lies as the benchmark does, in order of their names."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    found = []
    for path in sorted((folder / "data").glob("*/*.csv")):
        name = f"{path.parent.name}/{path.name}"
        with path.open(newline="") as file:
            rows = list(csv.reader(file))[1:]
        seconds = [_seconds(row[0]) for row in rows]
        windows = [(seconds.index(_seconds(begin)), seconds.index(_seconds(end))) for begin, end in labels[name]]
        found.append(LabelledSeries(name, seconds, [float(row[1]) for row in rows], windows))
    return found


def probation(values: int) -> int:
    """How many values at the beginning are not scored."""
    return min(values * 15 // 100, 750)


def position_points(position: float) -> float:
    """-1 to 1, by where a telling lies: -1 is the beginning of a window, 0 its end, more is behind it."""
    return -1.0 if position >= 3 else 2 / (1 + math.exp(5 * position)) - 1


def score(series: LabelledSeries, told: Iterable[int]) -> NabScore:
    """What tellings at these places are worth: the earliest of each window, less a little for each outside."""
    begun = probation(len(series.values))
    scored = [window for window in series.windows if window[1] >= begun]
    best = dict.fromkeys(scored, -1.0)
    raw, right, false = 0.0, 0, 0
    for place in sorted(place for place in told if place >= begun):
        around = next((window for window in scored if window[0] <= place <= window[1]), None)
        if around is None:
            raw += _FALSE_POSITIVE * position_points(_position_behind(series.windows, place))
            false += 1
            continue
        begin, end = around
        points = position_points((place - end - 1) / (end - begin + 1)) / position_points(-1)
        best[around] = max(best[around], points)
        right += 1
    return NabScore(raw + sum(best.values()), len(scored), sum(one > -1 for one in best.values()), right, false)


def _position_behind(windows: Sequence[tuple[int, int]], place: int) -> float:
    """How far behind the last window a place is, in widths of that window; 3 where there is none before it."""
    before = [window for window in windows if window[1] < place]
    return (place - before[-1][1]) / (before[-1][1] - before[-1][0]) if before else 3.0


def scores_of(series: LabelledSeries) -> tuple[list[float], list[int]]:
    """The detector's score of each value, and the places that it tells."""
    detector = SeriesDetector()
    verdicts = [detector.see(at, value) for at, value in zip(series.seconds, series.values, strict=True)]
    return [one.score for one in verdicts], [place for place, one in enumerate(verdicts) if one.told]


def told_at(scores: Sequence[float], threshold: float) -> list[int]:
    """The places that would be told at another threshold (standard deviations), from scores."""
    told: list[int] = []
    told_far = 0.0
    for place, one in enumerate(scores):
        far = THRESHOLD * one / (1 - one)
        if far >= threshold - _ROUNDING and (not told or place - told[-1] >= QUIET or far >= WORSE * told_far):
            told.append(place)
            told_far = far
    return told


def chosen(table: Mapping[float, NabScore]) -> float:
    """The highest threshold that is precise enough and at most NEAR below the best: the fewest false alarms."""
    precise = {threshold: one for threshold, one in table.items() if one.precision >= PRECISION} or table
    best = max(one.score for one in precise.values())
    return max(threshold for threshold, one in precise.items() if one.score >= best - NEAR)


def totals(scored: Mapping[str, Mapping[float, NabScore]], groups: Collection[str]) -> dict[float, NabScore]:
    """Sums over the series of some groups, by threshold."""
    names = [name for name in scored if any(name.startswith(GROUPS[group]) for group in groups)]
    return {threshold: sum((scored[name][threshold] for name in names), NabScore()) for threshold in THRESHOLDS}


def main() -> None:
    """Print noise, then each series, each threshold, and each group at the threshold that the other two choose."""
    _print_head("simulated noise", "false alarms per 1,000 values")
    for kind in NOISE:
        _print_row(kind, f"{false_alarms(kind, *_NOISE_SIZE, _SEED):.2f}")
    print(f"\n{_NOISE_SIZE[0]} series of {_NOISE_SIZE[1]:,} values each, seed {_SEED}\n")
    if not DATA.is_dir():
        print(f"skipped: the series of the Numenta benchmark are not at {DATA}")
        return
    scored: dict[str, dict[float, NabScore]] = {}
    whole = NabScore()
    _print_head("series", "score", "windows", "found", "told in windows", "outside")
    for series in read_series(DATA):
        scores, told = scores_of(series)
        one = score(series, told)
        whole += one
        scored[series.name] = {at: score(series, told_at(scores, at)) for at in THRESHOLDS}
        _print_row(series.name.removesuffix(".csv"), f"{one.raw:.2f}", one.windows, one.found, one.right, one.false)
    _print_row("**all, 0 to 100**", f"**{whole.score:.1f}**", whole.windows, whole.found, whole.right, whole.false)
    print(f"\nprecision {whole.precision:.2f}, threshold {THRESHOLD}\n")
    _print_thresholds(scored)
    _print_left_out(scored)


def _print_thresholds(scored: Mapping[str, Mapping[float, NabScore]]) -> None:
    _print_head("threshold", "score", "precision")
    for threshold, total in totals(scored, GROUPS).items():
        _print_row(threshold, f"{total.score:.1f}", f"{total.precision:.2f}")
    print(f"\nall three groups choose {chosen(totals(scored, GROUPS))}\n")


def _print_left_out(scored: Mapping[str, Mapping[float, NabScore]]) -> None:
    _print_head("group left out", "threshold that the others choose", "score", "windows", "found", "outside")
    left_out = NabScore()
    for group in GROUPS:
        threshold = chosen(totals(scored, GROUPS.keys() - {group}))
        one = totals(scored, [group])[threshold]
        left_out += one
        _print_row(group, threshold, f"{one.score:.1f}", one.windows, one.found, one.false)
    _print_row("**all three**", "", f"**{left_out.score:.1f}**", left_out.windows, left_out.found, left_out.false)
    print(f"\nprecision {left_out.precision:.2f}")


def _print_head(*cells: str) -> None:
    _print_row(*cells)
    print("|---" * len(cells) + "|")


def _print_row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


if __name__ == "__main__":
    main()
