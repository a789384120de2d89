"""Up to when `watch` has judged: written by it, read where no firing alert is reported."""

from dataclasses import dataclass, replace
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
    namespace: str = ""

    @property
    def due_ms(self) -> int:
        """When it has to have judged again, in event time."""
        return self.judged_to_ms + self.step_ms

    @property
    def silent_ms(self) -> int:
        """How long ago it was written."""
        return max(0, self.now_ms - self.written_at_ms)

    @property
    def is_silent(self) -> bool:
        """Whether the state of alerts is unknown."""
        return self.silent_ms > SILENT_MS

    def late_ms(self, watermark_ms: int) -> int:
        """How far the judgement is behind what is complete up to a watermark; 0 where that is within bounds.

        0 before the first judgement too, since then there is nothing that it could be measured from.
        """
        if not self.step_ms or not self.judged_to_ms:
            return 0
        behind = watermark_ms // self.step_ms * self.step_ms - self.judged_to_ms
        return behind if behind > LATE_MS else 0


def newest_rounds(client: Client, topic: str) -> list[Round]:
    """The newest round of each namespace; none where no `watch` has ever judged this topic."""
    rows = client.query(query_text("watch_rounds"), {"topic": topic}).named_results()
    return [Round(**row) for row in rows]


def newest_round(client: Client, topic: str) -> Round | None:
    """How a topic's rules stand: the round of the namespace that is furthest behind, with the rules of all.

    None where no `watch` has ever judged this topic. A namespace whose rules were all removed does not count.
    """
    rounds = newest_rounds(client, topic)
    judged = [one for one in rounds if one.rules] or rounds[:1]
    if not judged:
        return None
    silent = [one for one in judged if one.is_silent]
    worst = max(silent, key=lambda one: one.silent_ms) if silent else min(judged, key=lambda one: one.due_ms)
    return replace(worst, rules=sum(one.rules for one in judged))


def record_round(client: Client, topic: str, rules: int, step_ms: int, judged_to_ms: int, namespace: str = "") -> None:
    """Say how far all rules of a namespace have been judged (milliseconds since 1970)."""
    row = [topic, namespace, rules, step_ms, _EPOCH + timedelta(milliseconds=judged_to_ms)]
    client.insert("watch_rounds", [row], ["topic", "namespace", "rules", "step_ms", "judged_to"])
