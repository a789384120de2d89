"""The row of a lane in the table `lanes`: where the next owner of a partition resumes, and with what state."""

from dataclasses import dataclass, fields, replace
from typing import Final, Self

from touchstream.schemas.touchpoint import FUTURE_LIMIT_MS

CLOCK_AHEAD_MS_MAX: Final = 60 * 60 * 1_000
"""A lane clock further ahead than this is corrected when the lane is taken over; less may be skew between workers."""


@dataclass(frozen=True)
class LaneRow:
    """A lane's own state: what decides how its next event is treated. Instants are milliseconds since 1970, UTC."""

    topic: str
    partition: int
    log_id: str
    generation: int
    """Counts the logs that this partition has had."""
    next_offset: int
    """Where to resume: everything below is in the tables."""
    lane_clock_ms: int
    occurred_max_ms: int
    definitions: str
    predecessor_log_id: str = ""
    predecessor_next_offset: int = 0
    ids_since_ms: int = 0
    """Event ids that were counted at an earlier lane clock are forgotten; never falls."""
    ids_from: int = 0
    """Event ids that were counted at a lower offset are forgotten; never falls. In the log before, −1 is the last."""
    control_sequence: int = 0
    """The sequence number of the last control record that was applied; never falls."""
    control_keys: str = ""
    """The keys that may sign control records (`streams.measure.controls.keys_text`)."""

    @property
    def columns(self) -> dict[str, int | str]:
        """Its values by the names of the table's columns, without the watermark, which depends on the definitions."""
        values = {one.name: getattr(self, one.name) for one in fields(LaneRow)}
        return {name.removesuffix("_ms"): value for name, value in values.items()}

    def watermark(self, lateness_ms: int) -> int:
        """Event time up to which the lane has probably seen everything; never past the lane clock."""
        return min(self.occurred_max_ms - lateness_ms, self.lane_clock_ms)

    def not_ahead_of(self, now_ms: int) -> Self:
        """The row of a lane whose clock believed a producer: all its times moved back, to ten minutes after now."""
        if self.lane_clock_ms <= now_ms + CLOCK_AHEAD_MS_MAX:
            return self
        clock_ms = now_ms + FUTURE_LIMIT_MS
        moved_ms = self.lane_clock_ms - clock_ms
        return replace(
            self,
            lane_clock_ms=clock_ms,
            occurred_max_ms=min(self.occurred_max_ms, clock_ms),
            ids_since_ms=max(0, self.ids_since_ms - moved_ms),
        )

    def moved_to(self, next_offset: int, lane_clock_ms: int, horizon_ms: int, ids_max: int) -> Self:
        """The row once everything below an offset has been applied.

        horizon_ms, ids_max: for how long, and of how many records, event ids are remembered.
        """
        return replace(
            self,
            next_offset=next_offset,
            lane_clock_ms=lane_clock_ms,
            ids_since_ms=max(self.ids_since_ms, lane_clock_ms - horizon_ms),
            ids_from=max(self.ids_from, next_offset - ids_max),
        )


@dataclass(frozen=True, kw_only=True)
class WrittenLaneRow(LaneRow):
    """A lane row as the table has it."""

    watermark_ms: int
    written_at_ms: int
