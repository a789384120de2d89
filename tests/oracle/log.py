"""A log and the definitions that it is measured by: what the recomputation starts from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONTROL_HEADER = "touchstream-control"
HEARTBEAT = b"heartbeat"
DEFINITIONS = b"definitions"
FORGET = b"forget"
KEYS = b"keys"
SIGNATURE_HEADER = "touchstream-signature"
REFUSED_HEADER = "touchstream-refused"
REFUSED_REASONS = (
    *("undecodable", "unknown_schema", "missing_field", "wrong_type", "out_of_scale", "from_the_future", "too_old"),
    *("too_large", "no_customer", "not_allowed"),
)
"""What a door may refuse an event for."""


@dataclass(frozen=True)
class Signing:
    """How a control record is to be signed: by which key of the tests, for which log (empty: its own) and partition.

    added: bytes that the value gets once it is signed.
    """

    sequence: int
    key: int = 0
    log_id: str = ""
    partitions_on: int = 0
    added: bytes = b""


@dataclass(frozen=True)
class Record:
    """One record of a Kafka partition. `timestamp_ms` is None or -1 where the broker gave none."""

    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    signing: Signing | None = None
    """Of a control record whose log is not known yet (`tests.oracle.control.signed`)."""

    @property
    def control(self) -> bytes | None:
        """What kind of control record this is, None for an event. Where the header repeats it is of no kind: empty."""
        kinds = [value for name, value in self.headers if name == CONTROL_HEADER]
        return (kinds[0] if len(kinds) == 1 else b"") if kinds else None

    @property
    def refused(self) -> str | None:
        """For which reason a door has refused it before, None for an event. Not a reason, or several: undecodable."""
        said = [value for name, value in self.headers if name == REFUSED_HEADER]
        if not said:
            return None
        names = [one for one in REFUSED_REASONS if [one.encode()] == said]
        return names[0] if names else "undecodable"


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
    semantics: int = 2
    correction_days: int = 14
    instruments: Sequence[Mapping[str, Any]] = ()
    """Each with its id, kind, lowest and highest answer, and step where that is not 1."""


def version_of(said: Mapping[str, Any]) -> str:
    """The version of a definitions document: the digest of all else that it says, with its keys in order."""
    content = {name: value for name, value in said.items() if name != "version"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class WriterSchemas:
    """The schemas that events may be written with, as JSON texts: by registry id, and those known by fingerprint."""

    by_id: Mapping[int, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()
