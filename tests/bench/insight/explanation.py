"""People of eight groups in two periods; one group may get worse, and people may move between groups."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from touchstream.streams.insight.change.places import PlaceSums
from touchstream.streams.watch.evidence.split import split
from touchstream.streams.watch.explanation import explain

GROUPS = 8
CAUSE = 2
NAMES = tuple(str(group) for group in range(GROUPS))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExplanationOutcomes:
    """Shares. covered: of intervals that hold what a group adds in truth; named_first: of runs in which the planted
    cause is first; false: of the other groups whose interval doesn't hold 0 where their truth is 0.
    """

    covered: float
    named_first: float
    false: float


def period_sums(people: int, worse: float, moved: float, random: np.random.Generator) -> tuple[PlaceSums, Floats]:
    """Sums, and what each group adds in truth. worse: points that CAUSE loses; moved: share of people who go to it."""
    share = np.linspace(1, 2, GROUPS) / np.linspace(1, 2, GROUPS).sum()
    later = (1 - moved) * share + moved * (np.arange(GROUPS) == CAUSE)
    mean = np.linspace(60, 80, GROUPS)
    after = mean - worse * (np.arange(GROUPS) == CAUSE)
    columns: dict[str, list[float]] = {name: [] for name in PlaceSums.__dataclass_fields__}
    for group in range(GROUPS):
        # As many as half of the smaller period are there in both; all give one to three answers.
        often = people * min(share[group], later[group]) / 2
        both, only_b, only_a = (
            int(random.poisson(mean_people))
            for mean_people in (often, people * share[group] - often, people * later[group] - often)
        )
        n_b, n_a = both + only_b, both + only_a
        liking = random.normal(0, 20, both + only_b + only_a)
        k = random.integers(1, 4, size=(2, len(liking))).astype(np.float64)
        kb, ka = k[0] * (np.arange(len(liking)) < n_b), k[1] * (np.arange(len(liking)) >= only_b)
        noise = random.normal(0, 20, size=(2, len(liking)))
        sb = kb * (mean[group] + liking) + np.sqrt(kb) * noise[0]
        sa = ka * (after[group] + liking) + np.sqrt(ka) * noise[1]
        found = {
            "people_b": n_b, "people_a": n_a, "kb": kb.sum(), "ka": ka.sum(), "sb": sb.sum(), "sa": sa.sum(),
            "sb_sb": sb @ sb, "sb_kb": sb @ kb, "kb_kb": kb @ kb, "sa_sa": sa @ sa, "sa_ka": sa @ ka, "ka_ka": ka @ ka,
            "sb_sa": sb @ sa, "sb_ka": sb @ ka, "sa_kb": sa @ kb, "kb_ka": kb @ ka,
        }  # fmt: skip
        for name, value in found.items():
            columns[name].append(float(value))
    truth = split((share * mean, share), (later * after, later)).contribution
    return PlaceSums(**{name: np.array(column) for name, column in columns.items()}), truth


def simulate_explanations(people: int, worse: float, moved: float, runs: int, seed: int) -> ExplanationOutcomes:
    """Explain `runs` changes."""
    held = first = false = quiet = 0
    for run in range(runs):
        sums, truth = period_sums(people, worse, moved, np.random.default_rng([seed, run]))
        groups = {int(group.name): group for group in explain(NAMES, sums).groups}
        first += next(iter(groups)) == CAUSE
        for at, group in groups.items():
            held += group.low <= truth[at] <= group.high
            if abs(truth[at]) < 1e-9:
                quiet += 1
                false += not group.low <= 0 <= group.high
    return ExplanationOutcomes(int(held) / (runs * GROUPS), first / runs, false / max(quiet, 1))
