"""The tables, recomputed from the log: one record after the other, in plain dicts and whole numbers."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.oracle.control import FIRST_KEYS, Keeper
from tests.oracle.decode import Decoder, Refused
from tests.oracle.journey import resolve
from tests.oracle.log import (
    DEFINITIONS,
    FORGET,
    HEARTBEAT,
    SIGNATURE_HEADER,
    Definitions,
    Lane,
    Record,
    WriterSchemas,
)
from tests.oracle.panes import PaneKey, empty_pane, micro, pane_keys, touch
from tests.oracle.validate import INTEGER_BITS, check

Row = dict[str, Any]

NO_EVENT_MS = -2_208_988_800_000
"""1900, the lowest instant that the tables hold: what stands where nothing has occurred yet."""

# columns that an event fills as it is; a text that it doesn't give is empty
TEXTS = (
    "event_id", "customer_id", "anonymous_id", "channel", "touchpoint", "segment", "action", "outcome", "currency",
    "source", "sent_by", "instrument", "amends",
)  # fmt: skip
VALUES = tuple(INTEGER_BITS)


class Identity(NamedTuple):
    """Which event an event is, by the second semantics. By the first it is its event_id, whoever numbered it."""

    source: str
    key: bytes
    event_id: str


SAID = (
    "channel", "touchpoint", "segment", "action", "outcome", "sentiment_micro", "currency",
    "instrument", "score_micro",
    *(name for name in VALUES if name != "received_at"),
)  # fmt: skip
"""What a copy has to say as well, else it is a conflicting one."""


class Counted(NamedTuple):
    """When and where an id was last counted: the lane clock (ms), the offset; in the log before, −1 is the last."""

    clock: int
    offset: int
    said: tuple[Any, ...]


@dataclass
class Tables:
    """What the tables hold of one lane. Times are milliseconds since 1970; texts are empty where the columns' are."""

    touchpoints: dict[int, Row] = field(default_factory=dict)
    panes: dict[PaneKey, Row] = field(default_factory=dict)
    dead_letters: dict[int, str] = field(default_factory=dict)
    erasures: dict[tuple[int, str], int] = field(default_factory=dict)
    controls: dict[int, bool] = field(default_factory=dict)
    """Of each control record but heartbeats, whether it was obeyed."""
    lane: Row = field(default_factory=dict)


@dataclass
class History:
    """Every row that a lane may ever write: each pane as of each offset, each lane row by its next_offset."""

    panes: dict[tuple[PaneKey, int], Row] = field(default_factory=dict)
    lanes: dict[int, Row] = field(default_factory=dict)
    final: Tables = field(default_factory=Tables)
    """What `recompute` says of the same log."""


def recompute(
    log: Sequence[Record],
    lane: Lane,
    definitions: Definitions,
    writer_schemas: WriterSchemas,
    predecessor_ids: Mapping[str | Identity, Counted] | None = None,
    predecessor_clock: int = 0,
    predecessor_occurred_max: int | None = None,
    predecessor_ids_since: int = 0,
    predecessor_ids_from: int = 0,
    predecessor_sequence: int = 0,
) -> Tables:
    """The tables after the whole of `log`, which starts under `definitions`.

    Where the same partition of an earlier log went before, `predecessor_ids` gives what that counted below
    `predecessor_next_offset` (see `counted_ids`), `predecessor_clock` its lane clock there,
    `predecessor_occurred_max` the highest time of an event there, and `predecessor_ids_since` the lane clock before
    which ids are forgotten there, all in milliseconds; `predecessor_ids_from` is the offset before which they are;
    `predecessor_sequence` is the number of the last control record that was obeyed there.
    """
    oracle = _Oracle(lane, definitions, Decoder(writer_schemas), dict(predecessor_ids or {}), predecessor_clock)
    oracle.occurred_max, oracle.ids_since = predecessor_occurred_max, predecessor_ids_since
    oracle.ids_from, oracle.keeper.sequence = predecessor_ids_from, predecessor_sequence
    for record in log:
        oracle.take(record)
    oracle.tables.lane = oracle.lane_row(log[-1].offset + 1 if log else 0)
    return oracle.tables


def history(
    log: Sequence[Record],
    lane: Lane,
    definitions: Definitions,
    writer_schemas: WriterSchemas,
    predecessor_ids: Mapping[str | Identity, Counted] | None = None,
    predecessor_clock: int = 0,
    predecessor_occurred_max: int | None = None,
    predecessor_ids_since: int = 0,
    predecessor_ids_from: int = 0,
    predecessor_sequence: int = 0,
) -> History:
    """What `recompute` passes through. A row that isn't in it breaks the one rule, even if it is mended later."""
    oracle = _Oracle(lane, definitions, Decoder(writer_schemas), dict(predecessor_ids or {}), predecessor_clock)
    oracle.occurred_max, oracle.ids_since = predecessor_occurred_max, predecessor_ids_since
    oracle.ids_from, oracle.keeper.sequence = predecessor_ids_from, predecessor_sequence
    found = History()
    found.lanes[0] = oracle.lane_row(0)
    for record in log:
        oracle.take(record)
        found.lanes[record.offset + 1] = oracle.lane_row(record.offset + 1)
        for key, pane in oracle.tables.panes.items():
            if pane["log_offset"] == record.offset:
                found.panes[key, record.offset] = {name: copy(value) for name, value in pane.items()}
    found.final = oracle.tables
    found.final.lane = oracle.lane_row(log[-1].offset + 1 if log else 0)
    return found


def counted_ids(tables: Tables, next_offset: int) -> dict[str | Identity, Counted]:
    """What the lane's successor remembers: the ids counted below `next_offset`, each as it was counted last."""
    ids: dict[str | Identity, Counted] = {}
    for offset, row in sorted(tables.touchpoints.items()):
        if offset < next_offset:
            ids |= dict.fromkeys(names_of(row), Counted(row["lane_clock"], offset - next_offset, said_by(row)))
    return ids


def names_of(row: Row) -> tuple[str, Identity]:
    """What an event goes by under the first semantics, and under the second."""
    canonical = (row["customer_id"] or row["anonymous_id"]).encode()
    key = canonical if row["kafka_key"] is None else row["kafka_key"]
    return row["event_id"], Identity(row["source"] or row["channel"], key, row["event_id"])


def said_by(row: Row) -> tuple[Any, ...]:
    """What an event says, of what is told apart."""
    return tuple(row[name] for name in SAID)


class _Oracle:
    """One lane, from its first record on."""

    def __init__(
        self, lane: Lane, definitions: Definitions, decoder: Decoder, ids: dict[str | Identity, Counted], clock: int
    ) -> None:
        self.lane, self.definitions, self.decoder = lane, definitions, decoder
        self.counted_at = ids  # what an event goes by -> when it was last counted; the clock never falls
        self.clock = clock
        self.occurred_max: int | None = None
        self.ids_since = self.ids_from = 0
        self.keeper = Keeper.of(FIRST_KEYS, 0)
        self.tables = Tables()
        self.counting: dict[Identity, Row] = {}  # answer -> the version that took its place last
        self.amended_at: dict[Identity, int] = {}  # answer -> the lane clock at its last amendment

    def take(self, record: Record) -> None:
        """Apply one record."""
        record_at = self.clock if record.timestamp_ms in (None, -1) else record.timestamp_ms
        assert record_at is not None
        self.clock = max(record_at, self.clock)
        try:
            if record.control is None:
                self.apply_event(record, record_at)
            else:
                self.apply_control(record, record_at)
        except Refused as refused:
            self.tables.dead_letters[record.offset] = refused.reason
            if record.control is not None:
                self.tables.controls[record.offset] = False
        self.ids_since, self.ids_from = self.horizon(), self.lowest(record.offset + 1)

    def lowest(self, offset: int) -> int:
        """Of more of the newest offsets than so many, ids are forgotten; more brings nothing back."""
        most = self.definitions.duplicate_ids_max
        return max(self.ids_from, offset - most) if most else self.ids_from

    def remembered(self, row: Row) -> Counted | None:
        """When an event that counts as seen was counted."""
        seen, offset = self.counted_at.get(names_of(row)[self.definitions.semantics - 1]), row["log_offset"]
        known = seen is not None and seen.clock >= self.horizon() and seen.offset >= self.lowest(offset)
        return seen if known else None

    def horizon(self) -> int:
        """What was counted at an earlier lane clock is forgotten; a longer horizon brings nothing back."""
        return max(self.ids_since, self.clock - self.definitions.duplicate_horizon_seconds * 1000)

    def apply_control(self, record: Record, record_at: int) -> None:
        """A heartbeat counts for time as an event would; what is signed holds from the next record on."""
        unsigned = all(name != SIGNATURE_HEADER for name, _ in record.headers)
        if record.control == HEARTBEAT and unsigned and not record.value:
            self.saw(record_at)
            return
        sequence, value = self.keeper.check(record, self.lane), record.value or b""
        if record.control == DEFINITIONS:
            made = self.decoder.definitions(value)
            if made.semantics < self.definitions.semantics:
                raise Refused("control_refused", "semantics never go back")
            self.definitions = made
        elif record.control == FORGET:
            until = self.decoder.erasures(value, record_at)
            self.tables.erasures |= {(record.offset, one): at for one, at in until.items()}
        else:
            self.keeper.rotate(value, sequence)
        self.keeper.sequence = sequence
        self.tables.controls[record.offset] = True

    def apply_event(self, record: Record, record_at: int) -> None:
        """Count an event, or its being a duplicate."""
        if record.refused is not None:
            raise Refused(record.refused, "at a door")
        event = check(self.decoder.event(record.value), record_at, self.definitions.instruments)
        self.refuse_too_old(event)
        row = self.touchpoint_row(record, record_at, event)
        if seen := self.remembered(row):
            for pane in self.panes_of(row):
                pane["duplicates"] += 1
                pane["conflicting"] += seen.said != said_by(row)
            return
        self.counted_at |= dict.fromkeys(names_of(row), Counted(self.clock, record.offset, said_by(row)))
        self.saw(row["occurred_at"])
        self.tables.touchpoints[record.offset] = row
        self.settle(row)
        if row["replaced"] != row["log_offset"]:
            for pane in self.panes_of(row):
                touch(pane, row)

    def settle(self, row: Row) -> None:
        """Which version of its answer counts from now on, where one was amended within reach."""
        answer = names_of(row | {"event_id": row["amends"] or row["event_id"]})[1]
        reach = self.definitions.correction_days * 86_400_000
        amended = bool(row["amends"]) or self.amended_at.get(answer, self.clock - reach - 1) >= self.clock - reach
        if row["amends"]:
            self.amended_at[answer] = self.clock
        before = self.counting.get(answer)
        if before is None or not amended or reach == 0 or before["lane_clock"] < self.clock - reach:
            self.counting[answer] = row
        elif (before["occurred_at"], before["log_offset"]) > (row["occurred_at"], row["log_offset"]):
            row["replaced"] = row["log_offset"]
        else:
            row["replaced"] = before["log_offset"]
            self.counting[answer] = row
            for pane in self.panes_of(before):
                pane["log_offset"] = row["log_offset"]
                touch(pane, before, -1)

    def refuse_too_old(self, event: Row) -> None:
        """Where panes are deleted after some days, an event before that must not make one anew."""
        retention_ms = self.definitions.pane_retention_days * 86_400_000
        if retention_ms > 0 and event["occurred_at"] < self.clock - retention_ms:
            raise Refused("too_old", f"occurred_at {event['occurred_at']}")

    def saw(self, occurred_at: int) -> None:
        """Move on the highest time of an event."""
        self.occurred_max = occurred_at if self.occurred_max is None else max(self.occurred_max, occurred_at)

    def panes_of(self, row: Row) -> list[Row]:
        """The panes of an event's key, made where they are missing; each says that it now holds this event."""
        panes = []
        for key in pane_keys(row):
            if key not in self.tables.panes:
                self.tables.panes[key] = empty_pane()
            self.tables.panes[key]["log_offset"] = row["log_offset"]
            panes.append(self.tables.panes[key])
        return panes

    def touchpoint_row(self, record: Record, record_at: int, event: Row) -> Row:
        """The columns of `touchpoints`, but for `inserted_at`."""
        place = resolve(self.definitions.journey, event)
        key, canonical = record.key or b"", (event["customer_id"] or event["anonymous_id"]).encode()
        late_before = record_at - self.definitions.lateness_seconds * 1000
        return {
            "log_id": self.lane.log_id,
            "partition": self.lane.partition,
            "log_offset": record.offset,
            "record_at": record_at,
            "lane_clock": self.clock,
            "definitions": self.definitions.version,
            "journey": place.journey,
            "stage": place.stage,
            "declared": place.declared,
            "late": event["occurred_at"] < late_before,
            "sentiment_micro": micro(event["sentiment"]),
            "score_micro": micro(event["score"]),
            "attributes": dict(event["attributes"]),
            "kafka_key": None if key == canonical else key,
            "replaced": None,
            **{name: event[name] or "" for name in TEXTS},
            **{name: event[name] for name in VALUES},
        }

    def lane_row(self, next_offset: int) -> Row:
        """What `lanes` holds that follows from the log."""
        occurred_max = NO_EVENT_MS if self.occurred_max is None else self.occurred_max
        return {
            "log_id": self.lane.log_id,
            "partition": self.lane.partition,
            "next_offset": next_offset,
            "lane_clock": self.clock,
            "occurred_max": occurred_max,
            "watermark": max(min(occurred_max - self.definitions.lateness_seconds * 1000, self.clock), NO_EVENT_MS),
            "definitions": self.definitions.version,
            "ids_since": self.ids_since,
            "ids_from": self.ids_from,
            "control_sequence": self.keeper.sequence,
            "control_keys": self.keeper.text,
        }
