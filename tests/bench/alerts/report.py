"""What a simulated row says, beside what it is to hold."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One number. bound: what it is held to, with its direction. run: what was simulated, at which h, and the seed."""

    test: str
    run: str
    figure: float
    bound: tuple[str, float]

    @property
    def holds(self) -> bool:
        side, limit = self.bound
        return bool(not np.isnan(self.figure) and (self.figure <= limit if side == "≤" else self.figure >= limit))

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "figure": round(float(self.figure), 4), "holds": self.holds}

    def line(self) -> str:
        """A line of the Markdown table."""
        mark = "yes" if self.holds else "**no**"
        return f"| {self.test} | {self.run} | {self.figure:.3g} | {self.bound[0]} {self.bound[1]:g} | {mark} |"


HEAD = "| test | simulated | figure | to hold | held |\n|---|---|---|---|---|"
