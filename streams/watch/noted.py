"""What was noted, as incidents and rules by evidence ask for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from touchstream.schemas.alert_state import Group
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.incidents import IncidentAnnotation
from touchstream.sinks.clickhouse.alerts.annotations import AnnotationTable

SHOWN_MAX: Final = 10
"""Most annotations that an incident shows, the newest."""


@dataclass(frozen=True)
class Noted:
    """The annotations about a topic's events."""

    table: AnnotationTable
    topic: str

    def __call__(self, groups: Iterable[Group], from_ms: int, to_ms: int) -> list[IncidentAnnotation]:
        """What was noted in an interval (ms) about any of some groups, the newest first. Raises ClickHouseError."""
        looked_at = list(groups)
        found = [one for one in self.table.between(self.topic, from_ms, to_ms) if _concerns(one, looked_at)]
        return [
            IncidentAnnotation(id=one.id, kind=one.kind, at=one.at, text=one.text, link=one.link)
            for one in found[:SHOWN_MAX]
        ]


def _concerns(annotation: Annotation, groups: list[Group]) -> bool:
    return any(annotation.concerns(group) for group in groups)
