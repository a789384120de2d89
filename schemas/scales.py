"""Scales of instruments: which answers there are. A channel loads this, and not the file that declares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, Self

import msgspec

from touchstream.schemas.touchpoint import MICRO, SCALES

SLACK_MICRO: Final = 1e-3
"""A thousandth of a millionth: how far a double may lie beside the answer that it is the nearest to."""


class Scale(msgspec.Struct, frozen=True):
    """The answers to an instrument: `lowest`, then each `step` up to `highest`; in millionths."""

    id: str
    lowest: int
    highest: int
    step: int = MICRO

    @property
    def answers(self) -> range:
        """Every answer, ascending, in millionths."""
        return range(self.lowest, self.highest + 1, self.step)

    def has(self, score: float) -> bool:
        """Whether a score is one of the answers. NaN is none."""
        if not self.lowest - 1 < score * MICRO < self.highest + 1:
            return False
        nearest = round(score * MICRO)
        return nearest in self.answers and abs(score * MICRO - nearest) <= SLACK_MICRO

    def __str__(self) -> str:
        low, high, step = (f"{one / MICRO:g}" for one in (self.lowest, self.highest, self.step))
        return f"{low} to {high}" + ("" if self.step == MICRO else f" in steps of {step}")


class Scales(msgspec.Struct, frozen=True):
    """The scales that there are, those that always exist first."""

    each: tuple[Scale, ...]

    @classmethod
    def of(cls, declared: Iterable[Scale]) -> Self:
        """Those that always exist, and others."""
        return cls((*BUILT_IN, *(one for one in declared if one.id not in BUILT_IN_IDS)))

    def __iter__(self) -> Iterator[Scale]:
        return iter(self.each)

    @property
    def ids(self) -> tuple[str, ...]:
        """Their instruments."""
        return tuple(one.id for one in self.each)

    def find(self, instrument: str) -> Scale | None:
        """The scale of an instrument, if it is declared."""
        return next((one for one in self.each if one.id == instrument), None)

    def advice(self, instrument: str) -> str:
        """What to do about an instrument that is none of these."""
        near = get_close_matches(instrument[:100], self.ids, n=3, cutoff=0.6)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        return f"no such instrument is declared; {meant}There are {shown_ids(self.ids)} (instruments.yaml)"


@lru_cache(maxsize=8)
def shown_ids(ids: tuple[str, ...]) -> str:
    """A list of ids for a refusal, which is short."""
    return ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")


BUILT_IN_IDS: Final = ("nps", "csat", "ces")
"""Instruments that always exist: fields of an event are called so, and hold their answers."""
BUILT_IN: Final = tuple(Scale(name, SCALES[name][0] * MICRO, SCALES[name][1] * MICRO) for name in BUILT_IN_IDS)
ALWAYS: Final = Scales(BUILT_IN)
