"""Annotations in ClickHouse."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.annotations import Annotation
from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.sql import query_text

READ_MAX: Final = 10_000
"""Most annotations that are read at once, the newest."""
_COLUMNS: Final = (
    "topic", "id", "kind", "at", "until", "journey", "stage", "channel", "segment", "text", "source", "link", "exclude",
    "record_at", "log_id", "log_offset",
)  # fmt: skip


@dataclass(frozen=True)
class LoggedAnnotation:
    """An annotation of a topic's events as it stands in the log. record_ms: its timestamp, since 1970."""

    topic: str
    annotation: Annotation
    record_ms: int
    log_id: str
    log_offset: int


class AnnotationTable:
    """Annotations of all topics. Blocking; milliseconds since 1970. Raises ClickHouseError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def between(self, topic: str, from_ms: int, to_ms: int, most: int = READ_MAX) -> list[Annotation]:
        """What was noted in an interval, the newest first."""
        parameters = {"topic": topic, "from_ms": from_ms, "to_ms": to_ms, "most": most}
        rows = self._client.query(query_text("annotations_between"), parameters).named_results()
        return [_annotation(row) for row in rows]

    def read_to(self, log_id: str) -> int | None:
        """The offset of the last one of a log that is here."""
        found = self._client.query(query_text("annotations_read"), {"log_id": log_id}).result_rows[0][0]
        return None if found is None else int(found)

    def record(self, logged: Iterable[LoggedAnnotation]) -> None:
        """Write annotations; of an id the one that was written to the log last counts."""
        rows = [
            [
                one.topic, said.id, said.kind, said.at, said.until, said.journey, said.stage, said.channel,
                said.segment, said.text, said.source, said.link, said.exclude,
                instant(one.record_ms), one.log_id, one.log_offset,
            ]
            for one in logged
            for said in (one.annotation,)
        ]  # fmt: skip
        if rows:
            self._client.insert("annotations", rows, list(_COLUMNS))


def _annotation(row: Mapping[str, Any]) -> Annotation:
    names = ("id", "kind", "journey", "stage", "channel", "segment", "text", "source", "link")
    until_ms = row["until_ms"]
    return Annotation(
        **{name: row[name] for name in names},
        at=instant(int(row["at_ms"])),
        until=None if until_ms is None else instant(int(until_ms)),
        exclude=bool(row["exclude"]),
    )
