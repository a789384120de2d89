"""What the tables may hold of one lane, from the oracle: every row that is ever inserted is held against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.model.tables import COMPLETED, IDENTITY, Row, measures, of_the_log, pane_key
from tests.oracle.compare import difference
from tests.oracle.log import Definitions, Lane, Record
from tests.oracle.recompute import Counted, History, Identity, Tables, counted_ids, history
from tests.oracle.strategies import DEFINITIONS_KNOWN, WRITER_SCHEMAS

TOPIC = "touchpoints"
PARTITION = 3


class Untrue(AssertionError):  # noqa: N818 - the word for it
    """A row was inserted that no worker may ever write, even if a later one mends it."""


@dataclass(frozen=True)
class Truth:
    """Everything that can be said of one lane. ids: what counts as seen from before its log began."""

    lane: Lane
    identity: Mapping[str, Any]
    history: History
    ids: Mapping[str | Identity, Counted]

    def check(self, table: str, row: Row) -> None:
        """Raises Untrue for a row that the history doesn't hold."""
        expected, found = self._expected(table, row)
        if expected != found:
            raise Untrue(difference(_only(table, row, expected), _only(table, row, found)))

    def _expected(self, table: str, row: Row) -> tuple[Any, Any]:
        if table == "touchpoints":
            return self.history.final.touchpoints.get(row["log_offset"]), row
        if table == "stage_panes":
            return self.history.panes.get((pane_key(row), row["log_offset"])), measures(row)
        if table == COMPLETED:
            known = self.history.panes.get((pane_key(row), row["log_offset"]))
            return known and _without_duplicates(known), _without_duplicates(measures(row))
        if table == "dead_letters":
            return self.history.final.dead_letters.get(row["log_offset"]), row["reason"]
        if table == "erasures":
            return self.history.final.erasures.get((row["log_offset"], row["id_hash"])), row["erased_at"]
        if table == "control_records":
            return self.history.final.controls.get(row["log_offset"]), row["obeyed"]
        if any(row[name] != self.identity[name] for name in IDENTITY):
            raise Untrue(f"a lane row of another log: {row}, expected {self.identity}")
        return self.history.lanes.get(row["next_offset"]), of_the_log(row)

    def missing(self, found: Tables) -> list[str]:
        """What the tables lack of what their lane row promises: everything below its next offset."""
        end, final = found.lane.get("next_offset", 0), self.history.final
        lines = [f"touchpoints {at}: missing" for at in final.touchpoints if at < end and at not in found.touchpoints]
        lines += [
            f"dead_letters {at}: missing" for at in final.dead_letters if at < end and at not in found.dead_letters
        ]
        lines += [f"erasures {key}: missing" for key in final.erasures if key[0] < end and key not in found.erasures]
        lines += [f"control_records {at}: missing" for at in final.controls if at < end and at not in found.controls]
        for key, offset in self.history.panes:
            if offset < end and (key not in found.panes or found.panes[key]["log_offset"] < offset):
                lines.append(f"stage_panes {key}: does not hold offset {offset}")
        return lines


@dataclass(frozen=True)
class Ending:
    """Where a lane was left when its log was replaced.

    flushed: its lane row's next offset. next_offset: behind the last of its raw events, each of which counts.
    """

    truth: Truth
    flushed: int
    next_offset: int

    @property
    def row(self) -> Row:
        """The lane row, and what raw events behind it say of the lane."""
        row = self.truth.history.lanes[self.flushed]
        raw = [one for at, one in self._counted.items() if at >= self.flushed]
        clocks = [row["lane_clock"], *(one["lane_clock"] for one in raw)]
        occurred = [row["occurred_max"], *(one["occurred_at"] for one in raw)]
        return row | {"lane_clock": max(clocks), "occurred_max": max(occurred)}

    @property
    def _counted(self) -> dict[int, Row]:
        return {at: row for at, row in self.truth.history.final.touchpoints.items() if at < self.next_offset}

    def uncounted(self, found: Tables) -> list[str]:
        """Raw events that count for the next log, and are not there, or not in their panes."""
        lines = [
            f"touchpoints {at}: missing, and known to the next log" for at in {*self._counted} - {*found.touchpoints}
        ]
        for key, offset in self.truth.history.panes:
            held = found.panes.get(key, {"log_offset": -1})["log_offset"]
            if offset in self._counted and held < offset:
                lines.append(f"stage_panes {key}: does not hold offset {offset}, which counts for the next log")
        return lines


def truth_of(log_id: str, log: Sequence[Record], first: Definitions, before: Ending | None) -> Truth:
    """The truth about a log, which goes on from where its predecessor's lane was left, if there is one."""
    lane = Lane(log_id, PARTITION)
    if before is None:
        identity = _identity(1, "", 0)
        return Truth(lane, identity, history(log, lane, first, WRITER_SCHEMAS), {})
    row = before.row
    earlier = {
        event_id: seen._replace(offset=seen.offset - before.next_offset) for event_id, seen in before.truth.ids.items()
    }
    ids = {**earlier, **counted_ids(before.truth.history.final, before.next_offset)}
    known = {one.version: one for one in DEFINITIONS_KNOWN}
    inherited = (ids, row["lane_clock"], row["occurred_max"], row["ids_since"], row["ids_from"] - before.next_offset)
    sequence = row["control_sequence"]
    found = history(log, lane, known[row["definitions"]], WRITER_SCHEMAS, *inherited, sequence)
    generation = before.truth.identity["generation"] + 1
    return Truth(lane, _identity(generation, before.truth.lane.log_id, before.next_offset), found, ids)


def _identity(generation: int, predecessor: str, next_offset: int) -> dict[str, Any]:
    return dict(zip(IDENTITY, (TOPIC, generation, predecessor, next_offset), strict=True))


def _without_duplicates(pane: Row) -> Row:
    return {name: value for name, value in pane.items() if name not in ("duplicates", "conflicting")}


def _only(table: str, row: Row, value: Any) -> Tables:
    """Tables that hold one row, to be compared in lines for a reader."""
    if table == "lanes":
        return Tables(lane=value or {})
    if value is None:
        return Tables()
    if table == "erasures":
        return Tables(erasures={(row["log_offset"], row["id_hash"]): value})
    if table == "control_records":
        return Tables(controls={row["log_offset"]: value})
    if table == "touchpoints":
        return Tables(touchpoints={row["log_offset"]: value})
    if table == "stage_panes":
        return Tables(panes={pane_key(row): value})
    return Tables(dead_letters={row["log_offset"]: value})
