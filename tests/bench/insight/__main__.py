"""python -m tests.bench.insight: what is found of what was planted, as a Markdown table and in build/bench.json."""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.insight.change import Setting, simulate_changes
from tests.bench.insight.drivers import PLANTED, simulate_drivers
from tests.bench.insight.explanation import simulate_explanations
from tests.bench.insight.spending import simulate_spending

RESULT: Final = Path("build/bench.json")
FALSE_MAX: Final = 0.05 + 2 * 0.0069
"""5 %, and two standard errors of a share of 1,000 runs."""


class Figure(msgspec.Struct, frozen=True):
    """A share of runs and the bounds that it must keep."""

    what: str
    runs: int
    share: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        return self.low <= self.share <= self.high


def drivers(runs: int, seed: int) -> Iterator[Figure]:
    """Coverage of parts and of R², planted drivers found, false ones."""
    for people in (300, 1_000):
        found = simulate_drivers(runs, people, 1_000, seed)
        names = [f"part of planted driver {number}" for number in range(1, PLANTED + 1)] + ["R²"]
        for name, share in zip(names, found.covered, strict=True):
            yield Figure(f"drivers, {people:,} people: interval holds {name}", runs, share, 0.93, 0.97)
        for name, share in zip(names, found.found, strict=False):
            yield Figure(f"drivers, {people:,} people: found {name}", runs, share, 0.9, 1)
        yield Figure(f"drivers, {people:,} people: a driver that is none", runs, found.false, 0, FALSE_MAX)


def change(runs: int, seed: int) -> Iterator[Figure]:
    """Coverage of effects, effects that are none, planted ones found; what errors over people alone would call one."""
    for places, treated, effect in ((6, 1, 0.0), (10, 1, 0.0), (20, 1, 0.0), (20, 6, 0.0), (20, 6, 0.25), (20, 1, 0.6)):
        found = simulate_changes(Setting(places, treated, effect), runs, seed)
        what = f"change, {treated} of {places} places, {effect:+.2f}"
        # With few places t is wide, and holds more than 95 %.
        yield Figure(f"{what}: interval holds it", runs, found.covered, 0.93, 0.985)
        if effect:
            yield Figure(f"{what}: found", runs, found.called, 0.9, 1)
        else:
            yield Figure(f"{what}: called an effect", runs, found.called, 0, FALSE_MAX)
            yield Figure(f"{what}: errors over people alone call it one", runs, found.called_by_people, 0.1, 1)


def spending(runs: int, seed: int) -> Iterator[Figure]:
    """Coverage of slopes, slopes that are none, planted ones found; what would be called one without the confounder."""
    for people, slope in ((300, 0.0), (1_000, 0.0), (3_000, 0.0), (1_000, 0.15), (3_000, 0.1)):
        found = simulate_spending(people, slope, runs, seed)
        what = f"spending, {people:,} people, slope {slope:+.2f}"
        yield Figure(f"{what}: interval holds it", runs, found.covered, 0.93, 0.97)
        if slope:
            yield Figure(f"{what}: found", runs, found.called, 0.8, 1)
        else:
            yield Figure(f"{what}: called a slope", runs, found.called, 0, FALSE_MAX)
            yield Figure(f"{what}: called one without the confounder held", runs, found.called_plain, 0.5, 1)


def explanation(runs: int, seed: int) -> Iterator[Figure]:
    """Coverage of what groups add; groups that add nothing and seem to; the planted cause named first."""
    for people, worse, moved in ((400, 0.0, 0.0), (800, 25.0, 0.0), (3_000, 15.0, 0.1)):
        found = simulate_explanations(people, worse, moved, runs, seed)
        what = f"explain, {people:,} people, one group {-worse:+.0f}, {moved:.0%} move to it"
        yield Figure(f"{what}: interval holds what a group adds", runs, found.covered, 0.93, 0.97)
        if not moved:
            yield Figure(f"{what}: a group that adds nothing seems to", runs, found.false, 0, FALSE_MAX)
        if worse:
            yield Figure(f"{what}: the cause is first", runs, found.named_first, 0.95, 1)


PARTS: Final = {"drivers": drivers, "change": change, "spending": spending, "explanation": explanation}


def main() -> None:
    """Print each figure as it is known. Exit code 1: one is out of its bounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.insight", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or of {', '.join(PARTS)}")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=20261130)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    print(f"seed {options.seed}, load average {os.getloadavg()[0]:.1f}\n")
    print("| what | runs | share | must be | holds |\n|---|--:|--:|---|---|", flush=True)
    figures: list[Figure] = []
    for part in options.parts or PARTS:
        began = time.process_time()
        for figure in PARTS[part](options.runs, options.seed):
            figures.append(figure)
            bounds = f"{figure.low:.2f} to {figure.high:.2f}"
            print(f"| {figure.what} | {figure.runs:,} | {figure.share:.3f} | {bounds} | {figure.holds} |", flush=True)
        print(f"| {part}: {time.process_time() - began:.0f} s of CPU | | | | |", flush=True)
    _write(figures)
    raise SystemExit(not all(figure.holds for figure in figures))


def _write(figures: list[Figure]) -> None:
    known = msgspec.json.decode(RESULT.read_bytes()) if RESULT.exists() else {}
    known["insight"] = msgspec.to_builtins(figures)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(known)) + b"\n")


if __name__ == "__main__":
    main()
