"""Everything besides the log that a row depends on, as one versioned document.

A lane's definitions are switched by a control record in its own log, at one offset for everybody: two workers that were
configured differently still write the same facts.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

from touchstream.schemas.instruments import NONE, Instruments
from touchstream.schemas.journey import Journeys
from touchstream.schemas.scales import Scales
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VOID_WORDS, VoidIds

_DAY_MS = 86_400_000
_UNBOUNDED: Final = 2**62  # offsets

# The bounds of the settings: a lane takes no others, whoever signed them.
_LATENESS_DAYS_MAX: Final = 30
_HORIZON_DAYS_MAX: Final = 365
_RETENTION_DAYS_MAX: Final = 36_500
_IDS_MAX: Final = 2**30
_CORRECTION_DAYS_MAX: Final = 90
CORRECTION_DAYS: Final = 14
"""How far back corrections reach where definitions say nothing: what all did before they could."""
SEMANTICS: Final = 2
"""A lane's own rules. Events are told apart by 1: their event_id; 2: their source, Kafka key and event_id."""
_VOID_IDS_MAX: Final = 10_000  # words; the setting has at most so many characters
_Word = Annotated[str, msgspec.Meta(max_length=10_000)]


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
    """Upper bound on remembered event ids: those of this many of a lane's newest offsets."""
    void_ids: VoidIds = DEFAULT_VOID_IDS
    """What is no id: an event that carries it is refused."""
    correction_ms: int = CORRECTION_DAYS * _DAY_MS
    """A version of an answer amends one that was counted at most so much earlier, by the lane clock; 0: none does."""
    instruments: Instruments = NONE
    """What may be answered, and on which scales."""
    semantics: int = 1
    """By which rules of its own the lane goes (SEMANTICS); a lane never goes back to earlier ones."""
    content: str = ""
    """The document that they were read from, as the tables keep it."""

    @property
    def scales(self) -> Scales:
        """Which answers there are: any other is refused."""
        return self.instruments.scales

    @staticmethod
    @lru_cache(maxsize=8)  # every lane of a worker has the same, and reading a journey takes its time
    def parse(content: bytes | str) -> "Definitions":
        """Read a document made by `document`. Raises ValueError for anything else.

        Its version has to be the digest of what it says: no other journey goes by the same name.
        """
        try:
            read = msgspec.json.decode(content, type=_Document)
            said = msgspec.json.decode(content, type=dict[str, Any])
            journeys = Journeys(msgspec.json.encode(read.journey).decode())  # JSON is YAML
            instruments = Instruments.of_document(read.instruments) if read.instruments else NONE
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"not a definitions document: {str(error)[:300]}") from error
        del said["version"]
        if read.version != _digest(said):
            raise ValueError(f"not a definitions document: its version is {_digest(said)}, not {read.version[:40]!r}")
        return Definitions(
            version=read.version,
            journeys=journeys,
            lateness_ms=round(read.lateness_seconds * 1000),
            duplicate_horizon_ms=round(read.duplicate_horizon_seconds * 1000),
            duplicate_ids_max=read.duplicate_ids_max or _UNBOUNDED,
            pane_retention_ms=read.pane_retention_days * _DAY_MS,
            void_ids=VoidIds.of(read.void_ids),
            correction_ms=read.correction_days * _DAY_MS,
            instruments=instruments,
            semantics=read.semantics,
            content=content if isinstance(content, str) else content.decode(),
        )


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    journey: dict[str, Any]
    lateness_seconds: Annotated[float, msgspec.Meta(ge=0, le=_LATENESS_DAYS_MAX * 86_400)]
    duplicate_horizon_seconds: Annotated[float, msgspec.Meta(ge=0, le=_HORIZON_DAYS_MAX * 86_400)]
    pane_retention_days: Annotated[int, msgspec.Meta(ge=0, le=_RETENTION_DAYS_MAX)]
    duplicate_ids_max: Annotated[int, msgspec.Meta(ge=0, le=_IDS_MAX)] = 0
    semantics: Annotated[int, msgspec.Meta(ge=1, le=SEMANTICS)] = 1
    void_ids: Annotated[tuple[_Word, ...], msgspec.Meta(max_length=_VOID_IDS_MAX)] = VOID_WORDS
    instruments: list[dict[str, Any]] = []
    correction_days: Annotated[int, msgspec.Meta(ge=0, le=_CORRECTION_DAYS_MAX)] = CORRECTION_DAYS


def document(
    journey: dict[str, Any],
    *,
    lateness_seconds: float,
    duplicate_horizon_seconds: float,
    pane_retention_days: int,
    duplicate_ids_max: int = 0,
    void_ids: tuple[str, ...] = VOID_WORDS,
    instruments: Instruments = NONE,
    correction_days: int = CORRECTION_DAYS,
) -> dict[str, Any]:
    """The document of these definitions; its version is a digest of its content."""
    content = {
        "journey": journey,
        "lateness_seconds": lateness_seconds,
        "duplicate_horizon_seconds": duplicate_horizon_seconds,
        "pane_retention_days": pane_retention_days,
        "semantics": SEMANTICS,
    }
    if duplicate_ids_max:
        content["duplicate_ids_max"] = duplicate_ids_max
    if void_ids != VOID_WORDS:
        content["void_ids"] = list(void_ids)
    if instruments.declared:
        content["instruments"] = instruments.document
    if correction_days != CORRECTION_DAYS:
        content["correction_days"] = correction_days
    return {"version": _digest(content), **content}


def _digest(content: dict[str, Any]) -> str:
    """The version of what a document says besides its version."""
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]
