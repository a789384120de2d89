"""A log and the definitions that it is measured by: what the recomputation starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CONTROL_HEADER = "touchstream-control"
HEARTBEAT = b"heartbeat"
DEFINITIONS = b"definitions"
FORGET = b"forget"


@dataclass(frozen=True)
class Record:
    """One record of a Kafka partition. `timestamp_ms` is None or -1 where the broker gave none."""

    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def control(self) -> bytes | None:
        """What kind of control record this is, None for an event. Where the header repeats, the last one holds."""
        kinds = [value for name, value in self.headers if name == CONTROL_HEADER]
        return kinds[-1] if kinds else None


@dataclass(frozen=True)
class Lane:
    """A partition of one log."""

    log_id: str
    partition: int


@dataclass(frozen=True)
class Definitions:
    """What decides, apart from the log, what a row holds. `journey` is the journey file as a JSON object."""

    version: str
    journey: Mapping[str, Any]
    lateness_seconds: int = 60
    duplicate_horizon_seconds: int = 86_400
    pane_retention_days: int = 0
    duplicate_ids_max: int = 0


@dataclass(frozen=True)
class WriterSchemas:
    """The schemas that events may be written with, as JSON texts: by registry id, and those known by fingerprint."""

    by_id: Mapping[int, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()
