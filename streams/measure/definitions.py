"""Everything besides the log that a row depends on, as one versioned document.

A lane's definitions are switched by a control record in its own log, at one offset for everybody: two workers that were
configured differently still write the same facts.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from schemas.journey import Journeys

_DAY_MS = 86_400_000
_UNBOUNDED: Final = 2**62  # offsets


@dataclass(frozen=True)
class Definitions:
    """How events become rows: the journeys, and the bounds of time."""

    version: str
    journeys: Journeys
    lateness_ms: int
    duplicate_horizon_ms: int
    pane_retention_ms: int
    """0: panes are kept for ever."""
    duplicate_ids_max: int = _UNBOUNDED
    """Of so many of a lane's newest offsets ids are remembered at most."""

    @staticmethod
    @lru_cache(maxsize=8)  # every lane of a worker has the same, and reading a journey takes its time
    def parse(content: bytes | str) -> "Definitions":
        """Read a document made by `document`. Raises ValueError for anything else."""
        try:
            read: dict[str, Any] = msgspec.json.decode(content, type=dict)
            return Definitions(
                version=str(read["version"]),
                journeys=Journeys(msgspec.json.encode(read["journey"]).decode()),  # JSON is YAML
                lateness_ms=round(read["lateness_seconds"] * 1000),
                duplicate_horizon_ms=round(read["duplicate_horizon_seconds"] * 1000),
                duplicate_ids_max=int(read.get("duplicate_ids_max") or _UNBOUNDED),
                pane_retention_ms=int(read["pane_retention_days"]) * _DAY_MS,
            )
        except (KeyError, TypeError, msgspec.DecodeError) as error:
            raise ValueError(f"not a definitions document: {error!r}") from error


def document(
    journey: dict[str, Any],
    *,
    lateness_seconds: float,
    duplicate_horizon_seconds: float,
    pane_retention_days: int,
    duplicate_ids_max: int = 0,
) -> dict[str, Any]:
    """The document of these definitions; its version is a digest of its content."""
    content = {
        "journey": journey,
        "lateness_seconds": lateness_seconds,
        "duplicate_horizon_seconds": duplicate_horizon_seconds,
        "pane_retention_days": pane_retention_days,
    }
    if duplicate_ids_max:
        content["duplicate_ids_max"] = duplicate_ids_max
    digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
    return {"version": digest[:16], **content}
