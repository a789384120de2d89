"""What people did about alerts, as rows that stay."""

from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_actions import Action, Actions, AlertTarget
from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.sql import query_text

KEPT_DAYS: Final = 100
"""How far back actions are looked at: a silence lasts 90 days at most, and so may an alert that was acknowledged."""
_ROWS_MAX: Final = 100_000
_DAY_MS: Final = 86_400_000
_COLUMNS: Final = (
    "topic", "kind", "id", "at", "namespaces", "rule", "group_key", "since", "until", "by", "reason",
)  # fmt: skip


class ActionTable:
    """The actions about a topic's alerts. Blocking; raises ClickHouseError."""

    def __init__(self, client: Client, topic: str) -> None:
        self._client, self._topic = client, topic

    def since(self, from_ms: int) -> list[Action]:
        """Actions since an instant, the oldest first; with the silences that end after it."""
        parameters = {"topic": self._topic, "from_ms": from_ms, "most": _ROWS_MAX}
        rows = self._client.query(query_text("alert_actions_since"), parameters).named_results()
        return [
            Action(
                kind=row["kind"],
                id=row["id"],
                target=AlertTarget(tuple(row["namespaces"]), row["rule"], tuple(row["group_key"])),
                at_ms=int(row["at_ms"]),
                by=row["by"],
                reason=row["reason"],
                since_ms=int(row["since_ms"]),
                until_ms=int(row["until_ms"]),
            )
            for row in rows
        ]

    def actions(self, now_ms: int) -> Actions:
        """All that may matter now."""
        return Actions(self._topic, self.since(now_ms - KEPT_DAYS * _DAY_MS))

    def record(self, one: Action) -> None:
        """Write it down; a second time changes nothing."""
        target = one.target
        row = [
            self._topic, one.kind, one.id, instant(one.at_ms), list(target.namespaces), target.rule,
            list(target.group_key), instant(one.since_ms), instant(one.until_ms), one.by, one.reason,
        ]  # fmt: skip
        self._client.insert("alert_actions", [row], list(_COLUMNS))
