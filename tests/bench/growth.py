"""How cost grows: measured at a few sizes, fitted, and printed. `make bench-growth`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

import numpy as np
from rich.console import Console
from rich.table import Table

Row = Mapping[str, float]

_POINTS_MIN: Final = 3
"""Through two points goes every line: that would be no fit."""


@dataclass(frozen=True)
class Fit:
    """Least squares. Either y = a + b·x, or y = a·x^b, which is a line of the logarithms; r2 is of what was fitted."""

    a: float
    b: float
    r2: float
    power: bool = False

    @classmethod
    def line(cls, xs: Sequence[float], ys: Sequence[float]) -> Self:
        """y = a + b·x."""
        return cls(*_least_squares(np.asarray(xs), np.asarray(ys)))

    @classmethod
    def power_law(cls, xs: Sequence[float], ys: Sequence[float]) -> Self:
        """y = a·x^b, for positive values."""
        a, b, r2 = _least_squares(np.log(xs), np.log(ys))
        return cls(float(np.exp(a)), b, r2, power=True)

    def at(self, x: float) -> float:
        """What it foretells."""
        return self.a * x**self.b if self.power else self.a + self.b * x

    def formula(self, x: str) -> str:
        """For people."""
        shown = f"{self.a:.3g} · {x}^{self.b:.2f}" if self.power else f"{self.a:.3g} {self.b:+.3g} · {x}"
        return f"{shown} (r² {self.r2:.2f})"


def _least_squares(xs: Any, ys: Any) -> tuple[float, float, float]:
    b, a = np.polyfit(xs, ys, 1)
    residual, spread = (float((away**2).sum()) for away in (ys - (a + b * xs), ys - ys.mean()))
    return float(a), float(b), 1 - residual / spread if spread else 1.0


@dataclass(frozen=True)
class Growth:
    """Something measured at several sizes: the first column of each row is the size, and fits are by column."""

    name: str
    title: str
    rows: Sequence[Row]
    fits: Mapping[str, Fit] = field(default_factory=dict)
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def size(self) -> str:
        """What grows."""
        return next(iter(self.rows[0]))

    def document(self) -> dict[str, Any]:
        """As `build/bench.json` has it."""
        return {
            "load_average": self.load_average,
            "rows": [dict(row) for row in self.rows],
            "fits": {name: asdict(fit) for name, fit in self.fits.items()},
        }


def lines(rows: Sequence[Row], *columns: str) -> dict[str, Fit]:
    """Straight lines of columns over the first one, where there are points enough."""
    return _fits(Fit.line, rows, columns)


def power_laws(rows: Sequence[Row], *columns: str) -> dict[str, Fit]:
    """The same, as power laws."""
    return _fits(Fit.power_law, rows, columns)


def _fits(fit: Any, rows: Sequence[Row], columns: Sequence[str]) -> dict[str, Fit]:
    if len(rows) < _POINTS_MIN:
        return {}
    size = next(iter(rows[0]))
    return {name: fit([row[size] for row in rows], [row[name] for row in rows]) for name in columns}


def print_growth(console: Console, growth: Growth) -> None:
    """A line for each size, and the fits below."""
    fitted = "\n".join(f"{name} ≈ {fit.formula(growth.size)}" for name, fit in growth.fits.items())
    caption = f"load average {growth.load_average:.1f}" + (f"\n{fitted}" if fitted else "")
    table = Table(title=growth.title, caption=caption, box=None)
    for name in growth.rows[0]:
        table.add_column(name, justify="right")
    for row in growth.rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console.print(table)


def _shown(value: float) -> str:
    if isinstance(value, int) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:,.3g}"
