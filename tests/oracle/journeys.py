"""Visits, moves, passes and churn, one touch after the other: what the queries are held against."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from statistics import NormalDist
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
    """A run of touches in one stage. Times in ms; None where nothing came after. `rows`: which touches it has."""

    stage: str
    channel: str
    pass_: int
    after_end: bool
    number: int
    entered: int
    last: int
    rows: set[Any]
    left: int | None = None
    next_stage: str = ""
    across: bool = False
    progressed: int | None = None

    def in_time(self, way: Way) -> bool:
        """Whether it went on to a later stage within the stage's timeout."""
        timeout = way.timeouts.get(self.stage)
        return self.progressed is not None and (timeout is None or self.progressed - self.entered <= timeout)

    def decided(self, way: Way, watermark: int) -> bool:
        """Whether its cohort is: entered at or before watermark - timeout, in a stage that has a later one."""
        timeout = way.timeouts.get(self.stage)
        return bool(way.later.get(self.stage)) and timeout is not None and self.entered <= watermark - timeout

    def outcome(self, way: Way, watermark: int) -> str:
        """progressed, dropped, recovered or open."""
        if self.in_time(way):
            return "progressed"
        if self.decided(way, watermark):
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
    silent = False
    for touch in touches:
        silent |= before is not None and _silence(before, touch, way)
        before = touch
        if touch["stage"] == "undeclared":
            continue
        visit = found[-1] if found else None
        if visit and visit.stage == touch["stage"] and not silent:
            visit.last = touch["occurred_at"]
            visit.rows.add(_row(touch))
        else:
            found.append(_next_visit(visit, touch, way, silent))
        silent = False
    for visit, after in pairwise(found):
        visit.left, visit.next_stage = after.entered, after.stage
        visit.across = (visit.pass_, visit.after_end) != (after.pass_, after.after_end)
    for place, visit in enumerate(found):
        ahead = [
            one.entered
            for one in found[place + 1 :]
            if (one.pass_, one.after_end) == (visit.pass_, visit.after_end)
            and one.stage in way.later.get(visit.stage, ())
        ]
        visit.progressed = min(ahead, default=None)
    return found


def lost_at(touches: Sequence[Row], way: Way) -> list[int]:
    """When a person was lost, each time."""
    found = []
    for touch, after in zip(touches, [*touches[1:], None], strict=True):
        until = _until(touch, way)
        if until is not None and (after is None or until <= after["occurred_at"]):
            found.append(until)
    return found


def active(touches: Sequence[Row], way: Way, now_ms: int, *, at_it: bool) -> bool:
    """Whether a person was touched before now_ms and not lost before it; at_it: before it or just then, both."""
    before = [one for one in touches if one["occurred_at"] < now_ms + at_it]
    until = _until(before[-1], way) if before else -math.inf
    return until is None or until >= now_ms + at_it


def segment(touches: Sequence[Row]) -> str:
    """The newest that was given, '' where none was."""
    return next((one["segment"] for one in reversed(touches) if one["segment"]), "")


def estimate(watched: Sequence[tuple[int, bool]], never: int) -> tuple[float | None, float | None, float | None]:
    """Kaplan and Meier's share that goes on, and its 95 % interval, log(-log) with Greenwood's variance.

    watched: of each visit how long it was (ms), and whether it went on then; never: how many more are known not to.
    """
    if not watched and not never:
        return None, None, None
    kept, variance = Fraction(1), Fraction(0)
    for at in sorted({time for time, went in watched if went}):
        there = never + sum(time >= at for time, _ in watched)
        went_on = sum(went and time == at for time, went in watched)
        kept *= Fraction(there - went_on, there)
        if there > went_on:
            variance += Fraction(went_on, there * (there - went_on))
    if not 0 < kept < 1:
        return float(1 - kept), None, None
    width = NormalDist().inv_cdf(0.975) * math.sqrt(variance) / -math.log(kept)
    return float(1 - kept), 1 - kept ** math.exp(-width), 1 - kept ** math.exp(width)


def quantile(values: Sequence[int], percent: int) -> int | None:
    """The value of rank floor(q n) + 1: of an even number the upper one of the two in the middle."""
    return sorted(values)[percent * len(values) // 100] if values else None


def _until(touch: Row, way: Way) -> int | None:
    """Until when a touch keeps a person; None: for ever."""
    if touch["action"] == "unsubscribe":
        return int(touch["occurred_at"])
    return touch["occurred_at"] + way.lost_after_ms if way.lost_after_ms else None


def _next_visit(visit: Visit | None, touch: Row, way: Way, silent: bool) -> Visit:
    """The visit that begins with this touch; visit: the one before."""
    starts = not way.starts or touch["stage"] in way.starts
    over = visit is not None and (visit.after_end or visit.stage in way.ends)
    if visit is None:
        pass_, after_end = 1, False
    elif silent or (over and starts):
        pass_, after_end = visit.pass_ + 1, False
    else:
        pass_, after_end = visit.pass_, over
    number, at = (visit.number if visit else 0) + 1, touch["occurred_at"]
    return Visit(touch["stage"], touch["channel"], pass_, after_end, number, at, at, {_row(touch)})


def _silence(before: Row, touch: Row, way: Way) -> bool:
    return bool(way.new_after_ms) and touch["occurred_at"] - before["occurred_at"] >= way.new_after_ms


def _row(touch: Row) -> tuple[Any, ...]:
    return touch["log_id"], touch["partition"], touch["log_offset"]


def _order(event: Row) -> tuple[Any, ...]:
    names = ("event_id", "stage", "channel", "touchpoint", "segment")
    return (event["occurred_at"], *(event[name].encode() for name in names))
