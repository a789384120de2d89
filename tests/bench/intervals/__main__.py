"""python -m tests.bench.intervals: coverage of 95 % intervals, as Markdown tables and in build/bench.json."""

import argparse
import os
import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tests.bench.intervals.coverage import NEARLY_ALL, Cell, exact_cells, live_cells

RESULT: Final = Path("build/bench.json")


def main() -> None:
    """Print a table for each metric. Exit code 1: a cell with ten people on each side is out of 93 to 97 %."""
    options = _options()
    began = time.monotonic()
    print(f"seed {options.seed}, {options.runs:,} runs a cell, load average {os.getloadavg()[0]:.1f}", flush=True)
    cells = [*exact_cells(options.runs, options.seed), *live_cells(options.runs, options.seed)]
    for metric in dict.fromkeys(cell.metric for cell in cells):
        print("\n".join(("", *_table([cell for cell in cells if cell.metric == metric]))), flush=True)
    print("\n".join(("", *_summary(cells))))
    known = msgspec.json.decode(RESULT.read_bytes()) if RESULT.exists() else {}
    known["intervals"] = [cell.document() for cell in cells]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(known)) + b"\n")
    print(f"\nseconds: {time.monotonic() - began:.0f}")
    raise SystemExit(not all(cell.held for cell in cells))


def _table(cells: Sequence[Cell]) -> Iterable[str]:
    """A row for each kind of people, a column for each truth; bold: ten people on each side, and out of bounds."""
    columns = list(dict.fromkeys(cell.column for cell in cells))
    yield f"| {cells[0].metric}: answers | people | alike | {' | '.join(f'{one:g}' for one in columns)} |"
    yield f"|---|--:|--:|{'--:|' * len(columns)}"
    for (often, people, alike), row in groupby(cells, lambda cell: (cell.often, cell.people, cell.alike)):
        yield f"| {often} | {people} | {alike:g} | {' | '.join(map(_said, row))} |"


def _said(cell: Cell) -> str:
    if np.isnan(cell.covered):
        return "–"
    text = f"{cell.covered:.3f}".removeprefix("0")
    text = text if cell.held else f"**{text}**"
    return text if cell.given > 0.995 else f"{text} ({cell.given:.0%})"


def _summary(cells: Sequence[Cell]) -> Iterable[str]:
    """By metric: mean and range of cells where nearly all runs have an interval, and how many cells are out."""
    yield "| metric | intervals | mean, from 15 people on | lowest and highest, ten on each side | out of bounds |"
    yield "|---|---|--:|--:|--:|"
    for metric in dict.fromkeys(cell.metric for cell in cells):
        for kind in ("exact", "live"):
            of = [
                cell
                for cell in cells
                if cell.metric == metric
                and cell.often.startswith("window") == (kind == "live")
                and not np.isnan(cell.covered)
            ]
            mean = np.mean([cell.covered for cell in of if cell.people >= 15 and cell.given >= NEARLY_ALL])
            plain = [cell for cell in of if cell.plain]
            whole = [cell.covered for cell in plain if cell.given >= NEARLY_ALL]
            out = sum(not cell.held for cell in of)
            yield f"| {metric} | {kind} | {mean:.3f} | {min(whole):.3f}, {max(whole):.3f} | {out} of {len(plain)} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.intervals", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="of each cell (1,000)")
    parser.add_argument("--seed", type=int, default=20261130)
    return parser.parse_args()


if __name__ == "__main__":
    main()
