"""How much is simulated."""

from dataclasses import dataclass

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_WEEK


@dataclass(frozen=True)
class Scale:
    """series of each row, weeks of history and judged, and the seed of all random numbers."""

    series: int
    weeks: tuple[int, int]
    seed: int

    @property
    def span(self) -> tuple[int, int]:
        """First and last bucket that is judged."""
        history, judged = self.weeks
        return history * BUCKETS_PER_WEEK, (history + judged) * BUCKETS_PER_WEEK

    def said(self, more: str) -> str:
        """What was run, for the table."""
        history, judged = self.weeks
        return f"{self.series:,} series, {judged} weeks after {history}; {more}; seed {self.seed}"
