"""Visits, moves, passes and churn, one touch after the other: what the queries are held against."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Person = tuple[str, bool, str]


@dataclass(frozen=True)
class Way:
    """A journey: its stages in order with the time allowed in each (ms), and when a pass or a customer ends."""

    timeouts: Mapping[str, int | None]
    later: Mapping[str, Sequence[str]]
    starts: Sequence[str] = ()
    ends: Sequence[str] = ()
    new_after_ms: int | None = None
    lost_after_ms: int | None = None


@dataclass
class Visit:
    """A run of touches in one stage. Times in ms; None where nothing came after."""

    stage: str
    channel: str
    pass_: int
    entered: int
    last: int
    touches: int = 1
    left: int | None = None
    next_stage: str = ""
    progressed: int | None = None

    def outcome(self, timeout: int | None, watermark: int) -> str:
        """progressed, dropped, recovered or open."""
        if self.progressed is not None and (timeout is None or self.progressed - self.entered <= timeout):
            return "progressed"
        if timeout is not None and self.entered + timeout < watermark:
            return "dropped" if self.progressed is None else "recovered"
        return "open"


def people(events: Iterable[Row]) -> dict[Person, list[Row]]:
    """The touches of each person in each journey, in the order in which they count; identify events are none."""
    events = list(events)
    claims: dict[str, tuple[int, str, str]] = {}
    for event in events:
        anonymous, customer = event["anonymous_id"], event["customer_id"]
        if event["action"] == "identify" and anonymous and customer:
            claim = (event["occurred_at"], event["event_id"], customer)
            claims[anonymous] = min(claim, claims.get(anonymous, claim))
    found = defaultdict(list)
    for event in events:
        if event["action"] == "identify":
            continue
        customer = event["customer_id"] or claims.get(event["anonymous_id"], (0, "", ""))[2]
        found[event["journey"], bool(customer), customer or event["anonymous_id"]].append(event)
    return {person: sorted(touches, key=_order) for person, touches in found.items()}


def visits(touches: Sequence[Row], way: Way) -> list[Visit]:
    """The visits of one person."""
    found: list[Visit] = []
    before: Row | None = None
    number = 1
    for touch in touches:
        if touch["stage"] == "undeclared":
            continue
        new_pass = before is not None and _new_pass(before, touch, way)
        number += new_pass
        if before is not None and not new_pass and before["stage"] == touch["stage"]:
            found[-1].last = touch["occurred_at"]
            found[-1].touches += (touch["occurred_at"], touch["event_id"]) != (
                before["occurred_at"],
                before["event_id"],
            )
        else:
            entered = touch["occurred_at"]
            if found and not new_pass:
                found[-1].left, found[-1].next_stage = entered, touch["stage"]
            found.append(Visit(touch["stage"], touch["channel"], number, entered, entered))
        before = touch
    for place, visit in enumerate(found):
        ahead = [
            one.entered
            for one in found[place + 1 :]
            if one.pass_ == visit.pass_ and one.stage in way.later.get(visit.stage, ())
        ]
        visit.progressed = min(ahead, default=None)
    return found


def lost_at(touches: Sequence[Row], way: Way) -> list[int]:
    """When a person was lost, each time."""
    found = []
    for touch, after in zip(touches, [*touches[1:], None], strict=True):
        if touch["action"] == "unsubscribe":
            until = touch["occurred_at"]
        elif way.lost_after_ms:
            until = touch["occurred_at"] + way.lost_after_ms
        else:
            continue
        if after is None or until < after["occurred_at"]:
            found.append(until)
    return found


def _new_pass(before: Row, touch: Row, way: Way) -> bool:
    if way.new_after_ms and touch["occurred_at"] - before["occurred_at"] >= way.new_after_ms:
        return True
    begins = not way.starts or touch["stage"] in way.starts
    return before["stage"] != touch["stage"] and before["stage"] in way.ends and begins


def _order(event: Row) -> tuple[int, bytes]:
    return event["occurred_at"], event["event_id"].encode()
