"""A group's metrics over time, and by its parts: from panes, so that the span's length costs nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_state import Group
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.metrics.exact import Cut
from touchstream.sinks.clickhouse.rolling.store import cuts_of_intervals
from touchstream.sinks.clickhouse.sql import query_text

STEPS_MAX: Final = 200
"""Most steps of a course of up to fifteen years."""
PARTS_MAX: Final = 50
"""Most parts of a group, those with the most touches in both intervals."""

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
_STEPS: Final = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 28 * _DAY)
_OF_PLACES: Final = {
    "sums_with_bounds": "rolling_ends",
    "effects": "effects_of_part",
    "designs": "live_designs",
    "quantile_buckets": "live_buckets",
    "bounds": "rolling_bounds",
}
"""The parts of metrics_of_sums.sql where intervals are widened by measured design effects."""

PartOf = Literal["", "channel", "touchpoint", "segment"]
"""A dimension, or nothing: all together is the one part, ''."""


@dataclass(frozen=True)
class TimeSpan:
    """An interval [from_ms, to_ms) of event time; milliseconds since 1970, UTC."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        """How long it is."""
        return self.to_ms - self.from_ms

    def back(self, by_ms: int) -> "TimeSpan":
        """The span of the same length that much earlier."""
        return TimeSpan(self.from_ms - by_ms, self.to_ms - by_ms)


@dataclass(frozen=True)
class Parts:
    """A group's parts, the busiest first; `left_out`: how many have no place. now and before: rows by name."""

    names: tuple[str, ...]
    now: Mapping[str, Mapping[str, Any]]
    before: Mapping[str, Mapping[str, Any]]
    left_out: int


def step_of(span: TimeSpan) -> int:
    """The length of a course's steps in milliseconds: the shortest that makes at most STEPS_MAX, else four weeks."""
    return next((step for step in _STEPS if span.length_ms <= (STEPS_MAX - 1) * step), _STEPS[-1])


def course(client: Client, topic: str, group: Group, span: TimeSpan) -> list[Mapping[str, Any]]:
    """The group's metrics in the steps of a span, the earliest first; steps without any pane are left out.

    A row has `at_ms`, the step's start, and the metrics with their intervals; the first and the last step reach to the
    next whole step outside of the span.
    """
    step_ms = step_of(span)
    from_ms, to_ms = span.from_ms // step_ms * step_ms, -(-span.to_ms // step_ms) * step_ms
    resolution_s = next(one for one in (3600, 300, 10) if step_ms % (1_000 * one) == 0)
    asked = {"from_ms": from_ms, "to_ms": to_ms, "step_ms": step_ms, "resolution_s": resolution_s}
    rows = _rows(client, "course_sums", topic, group, step_ms, asked | {"by": ""})
    placed = [{"at_ms": from_ms + row["place"][0] * step_ms} | row for row in rows]
    return sorted(placed, key=lambda row: int(row["at_ms"]))


def parts(client: Client, topic: str, group: Group, by: PartOf, now: TimeSpan, before: TimeSpan) -> Parts:
    """The metrics of a group's parts in two spans."""
    asked = cuts_of_intervals([Cut.of(one.from_ms, one.to_ms) for one in (now, before)])
    rows = _rows(client, "part_sums", topic, group, now.length_ms, asked | {"by": by})
    found: list[dict[str, Mapping[str, Any]]] = [{}, {}]
    touches: dict[str, int] = {}
    for row in rows:
        cut, name = row["place"]
        found[cut - 1][name] = row
        touches[name] = touches.get(name, 0) + row["touches"]
    names = sorted(touches, key=lambda name: (-touches[name], name))
    return Parts(tuple(names[:PARTS_MAX]), found[0], found[1], max(0, len(names) - PARTS_MAX))


def _rows(
    client: Client, sums: str, topic: str, group: Group, length_ms: int, asked: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    fitting = [window.name for window in WINDOWS if window.length_ms <= length_ms]
    parameters = dict(asked) | {
        "topic": topic,
        "effects_window": fitting[-1] if fitting else WINDOWS[0].name,
        "parent": list(group.key),
        "journeys": _kept(group.journey),
        "stages": _kept(group.stage),
        "channels": _kept(group.channel),
        "segments": _kept(group.segment),
        "touchpoints": [],
    }
    text = query_text("metrics_of_sums", pane_sums=sums, admits="touchpoint_of_panes", **_OF_PLACES)
    return list(client.query(text, parameters=parameters).named_results())


def _kept(name: str | None) -> list[str]:
    return [] if name is None else [name]
