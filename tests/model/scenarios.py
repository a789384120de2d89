"""Scenarios: logs, and what happens while they are measured. Drawn as bytes, each of which chooses one of some options.

A zero chooses the plainest option, so shrinking ends at few records and few, plain steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from random import Random

from hypothesis import strategies as st

from tests.oracle.events import Choices
from tests.oracle.log import Definitions, Record
from tests.oracle.strategies import DEFINITIONS_KNOWN, RECORD_BYTES, log_of
from touchstream.streams.measure import panes
from touchstream.streams.worker import takeover

KINDS = (
    *["take"] * 4, *["flush"] * 3, "begin", "insert", "insert", "write", "finish", "crash", "new log",
)  # fmt: skip
STEP_BYTES = 4
SETTINGS_BYTES = 2 + RECORD_BYTES
STEPS_MAX = 24
TOGETHER = 4  # drawn at once: what a draw costs is hardly its length
AMOUNTS = (1, 2, 0, 3, 4, 5, 6, 8)
RECORDS_MAX = (40, 12, 12)
"""Of each log of a scenario."""
FEW_STEPS, FEW_RECORDS = 12, (20, 8, 8)
"""The most of those that Hypothesis draws: many short scenarios in a second find more than a few long ones."""


@dataclass(frozen=True)
class Limits:
    """What a lane holds in memory. hot_panes: of each resolution, loaded by a take-over."""

    hot_panes: int = takeover.HOT_PANES_MAX
    names_unused: int = panes._NAMES_UNUSED_MAX
    labels: int = panes.LABELS_MAX


LIMITS = tuple(
    Limits(*chosen) for chosen in product((Limits.hot_panes, 2, 7), (Limits.names_unused, 0), (Limits.labels, 0, 4))
)


@dataclass(frozen=True)
class Step:
    """One thing that happens to one of two workers, or to the log.

    take: `amount` of the records to come. flush: begin, take a few, finish. begin: note the rows to be written.
    insert: `amount` of them, drawn from `mix`, but for the lane row: of raw events, or all those and some others.
    write: all of them, the lane row last. finish: write (again), be acknowledged, and keep some of the panes. crash:
    forget everything; what comes next takes the lane over, and the other worker goes on and writes after `mix` of the
    reads. new log: the broker keeps its id if `amount` is odd.
    """

    worker: int
    kind: str
    amount: int
    mix: int


@dataclass(frozen=True)
class Scenario:
    """Logs that follow one another, and what happens."""

    first: Definitions
    logs: tuple[Sequence[Record], ...]
    steps: Sequence[Step]
    limits: Limits = LIMITS[0]


def scenarios() -> st.SearchStrategy[Scenario]:
    """All of them."""
    logs = st.tuples(*(_several(TOGETHER * RECORD_BYTES, most // TOGETHER) for most in FEW_RECORDS))
    settings = st.binary(min_size=SETTINGS_BYTES, max_size=SETTINGS_BYTES)
    return st.builds(_scenario, settings, logs, _several(TOGETHER * STEP_BYTES, FEW_STEPS // TOGETHER))


def _several(size: int, most: int) -> st.SearchStrategy[bytes]:
    """Up to so many times so many bytes. What has no least size would be five long on average, whatever the most."""
    drawn = st.binary(min_size=size, max_size=size)
    some = st.integers(0, most).flatmap(lambda least: st.lists(drawn, min_size=least, max_size=most))
    return some.map(b"".join)


def scenario_of(seed: int) -> Scenario:
    """One of them: mostly short, some as long as they come."""
    random = Random(seed)

    def drawn(size: int, most: int) -> bytes:
        return random.randbytes(size * (1 + int(most * random.random() ** 2)))

    logs = [drawn(RECORD_BYTES, most) for most in RECORDS_MAX]
    return _scenario(random.randbytes(SETTINGS_BYTES), logs, drawn(STEP_BYTES, STEPS_MAX))


def _scenario(settings: bytes, logs: Sequence[bytes], steps: bytes) -> Scenario:
    choices = Choices(settings)
    first, limits = choices.of((*DEFINITIONS_KNOWN[:1], *DEFINITIONS_KNOWN)), choices.of(LIMITS)
    plain = [0, *(choices.of((3, 3, 0)) for _ in range(1, RECORD_BYTES))]  # all kinds of records
    made = tuple(log_of(_plainer(chosen, plain)) for chosen in logs)
    return Scenario(first, made, list(_steps(steps)), limits)


def _plainer(chosen: bytes, plain: Sequence[int]) -> bytes:
    """Choices of which some are always among the first of their options, else events would hardly meet in a pane."""
    return bytes(byte >> shift for byte, shift in zip(chosen, cycle(plain)))


def _steps(chosen: bytes) -> Iterator[Step]:
    for start in range(0, len(chosen), STEP_BYTES):
        choices = Choices(chosen[start : start + STEP_BYTES])
        kind, worker = choices.of(KINDS), choices.of((0, 0, 0, 1))
        yield Step(worker, kind, choices.of(AMOUNTS), choices.byte())
