"""Up to when `watch` has judged: written by it, read where no firing alert is reported."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.sql import query_text

ROUND_SECONDS: Final = 5.0
"""Longest interval at which `watch` records its progress."""
SILENT_MS: Final = 20_000
"""Silence after which `watch` counts as dead, hanging, or cut off from ClickHouse."""
LATE_MS: Final = 60_000
"""A round judges 30 windows of each rule, and takes seconds: one that is further behind is late."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Round:
    """A round of `watch` as it stands. Milliseconds since 1970; now_ms: of the clock that wrote the round.

    step_ms: the distance of the windows that it judges most often, 0 without rules. judged_to_ms: complete windows that
    end by then have been judged by every rule.
    """

    rules: int
    step_ms: int
    judged_to_ms: int
    written_at_ms: int
    now_ms: int

    @property
    def silent_ms(self) -> int:
        """How long ago it was written."""
        return max(0, self.now_ms - self.written_at_ms)

    @property
    def is_silent(self) -> bool:
        """Whether the state of alerts is unknown."""
        return self.silent_ms > SILENT_MS

    def late_ms(self, watermark_ms: int) -> int:
        """How far the judgement is behind what is complete up to a watermark; 0 where that is within bounds."""
        if not self.step_ms:
            return 0
        behind = watermark_ms // self.step_ms * self.step_ms - self.judged_to_ms
        return behind if behind > LATE_MS else 0


def newest_round(client: Client, topic: str) -> Round | None:
    """The newest round; None where no `watch` has ever judged this topic."""
    found = list(client.query(query_text("watch_round"), {"topic": topic}).named_results())
    return Round(**found[0]) if found else None


def record_round(client: Client, topic: str, rules: int, step_ms: int, judged_to_ms: int) -> None:
    """Say how far all rules have been judged (milliseconds since 1970)."""
    row = [topic, rules, step_ms, _EPOCH + timedelta(milliseconds=judged_to_ms)]
    client.insert("watch_rounds", [row], ["topic", "rules", "step_ms", "judged_to"])
