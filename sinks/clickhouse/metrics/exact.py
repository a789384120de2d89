"""Exact metrics of an interval, and the lanes, for people and programs.

The formulas stand in the SQL beside; here they get their parameters and their answers become rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.instruments import in_force
from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.schemas.metrics import Catalogue, Metric, shipped
from touchstream.sinks.clickhouse.intervals import PEOPLE_MIN
from touchstream.sinks.clickhouse.sql import query_text

DIMENSIONS: Final = ("journey", "stage", "channel", "touchpoint", "segment")
TOPIC: Final = "touchpoints"
FAR_MS: Final = (1 << 62) // 3_600_000 * 3_600_000
"""Beyond every instant that a table can hold, and a whole hour."""
OF_AN_INTERVAL: Final = {
    "panes": "interval_panes",
    "effects": "no_effects",
    "bounds": "no_bounds",
    "sums_with_bounds": "counts_of_sums",
}
"""The parts of metrics_of_sums.sql where metrics are those of an interval."""
OF_PEOPLE: Final = {
    "people": "people_by_group",
    "designs": "exact_designs",
    "quantile_buckets": "exact_buckets",
}
_PLACES: Final = ("people_", "ends_")
"""Arrays in a row of customers.sql with a place for each of `Catalogue.statistics`: people, and low, then high ends."""
_TENS_MS, _FIVES_MS, _HOURS_MS = 10_000, 300_000, 3_600_000


class IntervalError(ValueError):
    """The metrics of this interval can't be known, or there is no such interval; the message says what to ask for."""


@dataclass(frozen=True)
class Cut:
    """An interval [raw_from, raw_to) cut into what panes of each resolution cover; milliseconds since 1970, UTC.

    raw_from <= tens_from <= fives_from <= hours_from <= hours_to <= fives_to <= tens_to <= raw_to.
    """

    raw_from: int
    tens_from: int
    fives_from: int
    hours_from: int
    hours_to: int
    fives_to: int
    tens_to: int
    raw_to: int

    @classmethod
    def of(cls, from_ms: int | None, to_ms: int | None) -> "Cut":
        """Cut [from_ms, to_ms); None stands for no bound. Raises IntervalError for an empty interval."""
        start = -FAR_MS if from_ms is None else from_ms
        end = FAR_MS if to_ms is None else to_ms
        if start >= end:
            raise IntervalError(f"the interval is empty: its start {start} isn't before its end {end} (milliseconds)")
        tens = _inside(start, end, _TENS_MS)
        fives = _inside(*tens, _FIVES_MS)
        hours = _inside(*fives, _HOURS_MS)
        return cls(start, tens[0], fives[0], *hours, fives[1], tens[1], end)

    def ragged_tens(self) -> list[int]:
        """Starts of the ten seconds that the interval covers in part: they are measured from raw events."""
        ragged = []
        if self.raw_from < self.tens_from:
            ragged.append(self.raw_from // _TENS_MS * _TENS_MS)
        if self.tens_to < self.raw_to:
            ragged.append(self.tens_to)
        return ragged


def _inside(start: int, end: int, step: int) -> tuple[int, int]:
    """The longest [a, b) of whole steps inside [start, end); empty at `end` where no whole step fits."""
    first, last = -(-start // step) * step, end // step * step
    return (first, last) if first <= last else (end, end)


def metrics(
    client: Client,
    from_ms: int | None = None,
    to_ms: int | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    topic: str = TOPIC,
) -> list[dict[str, Any]]:
    """Exact metrics of event time in [from_ms, to_ms) (milliseconds, UTC; None: no bound), one object for each group.

    by: any of DIMENSIONS; they come first in each object, which are sorted by them. Without any there is one object,
    also where nothing was measured. where: dimension to the one value that is kept.

    Null where not known: statistics without answers; `revenue_minor` over several currencies; `customers`, response
    rates and intervals where raw events are past their retention; `duplicates` and `conflicting` where an edge is no
    whole ten seconds.
    `completeness` is the same in all objects (completeness.sql).

    Raises ValueError for an unknown dimension; IntervalError for an empty interval, or one with an edge that is no
    whole ten seconds in a time whose raw events are past their retention.
    """
    groups = _dimensions(by)
    kept = {name: [(where or {})[name]] for name in _dimensions(where or {})}
    cut = Cut.of(from_ms, to_ms)
    parameters: dict[str, Any] = {**vars(cut), "by": groups, **{f"{name}s": kept.get(name, []) for name in DIMENSIONS}}
    # In this order: a lane row is true of panes read after it, and raw events are written before their panes.
    completeness = _completeness(client, topic, cut)
    known = in_force()
    measured = _rows(client, query_text("metrics_of_sums", known, **OF_AN_INTERVAL), parameters)
    of_people = query_text("customers", known, **OF_PEOPLE)
    people = {_group(row): row for row in _rows(client, of_people, parameters)}
    catalogue = shipped().under(known)
    if cut.ragged_tens():
        _require_raw_events(client, cut.ragged_tens())
        measured = [row | {"duplicates": None, "conflicting": None} for row in measured if row["touches"] or not groups]
    measured.sort(key=lambda row: [row[name] for name in groups])
    return [
        {name: row[name] for name in groups}
        | {name: value for name, value in row.items() if name not in (*DIMENSIONS, "place", "no_bounds")}
        | _people(people.get(_group(row)), row, catalogue)
        | completeness
        for row in measured
    ]


def lanes(client: Client, topic: str = TOPIC) -> list[WrittenLaneRow]:
    """The newest generation of each partition of `topic` that has a lane row, by partition."""
    return [WrittenLaneRow(**row) for row in _rows(client, query_text("lanes"), {"topic": topic, "partitions": []})]


def _dimensions(names: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(names))
    unknown = [name for name in found if name not in DIMENSIONS]
    if unknown:
        raise ValueError(f"no dimension {', '.join(unknown)}: there are {', '.join(DIMENSIONS)}")
    return found


def _group(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in DIMENSIONS)


def _people(row: Mapping[str, Any] | None, measured: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The fields that rest on raw events: n 0 without touches, null where raw events are missing."""
    statistics = [catalogue.metrics[name] for name in catalogue.statistics]
    if row is not None and row["raw_touches"] >= measured["touches"]:
        found = {name: value for name, value in row.items() if name not in (*DIMENSIONS, "raw_touches", *_PLACES)}
        ends, most = row["ends_"], len(statistics)
        for metric, people, low, high in zip(statistics, row["people_"], ends[:most], ends[most:], strict=True):
            found |= _interval(metric, int(people), *((None, None) if measured[metric.name] is None else (low, high)))
            if measured[metric.name] is not None:
                few = "too_few_people" if people < PEOPLE_MIN else "too_few_answers"
                found |= {
                    f"{metric.name}_{end}_reason": few
                    for end in ("low", "high")
                    if found[f"{metric.name}_{end}"] is None
                }
        return found
    n = 0 if measured["touches"] == 0 else None
    unknown: dict[str, Any] = {"customers": n}
    for rate in (f"{field}_response_rate" for field in catalogue.response_rates):
        unknown |= {rate: None, f"{rate}_n": n, f"{rate}_low": None, f"{rate}_high": None}
    for metric in statistics:
        answered = bool(metric.n and measured[metric.n])
        unknown |= _interval(metric, None if answered else 0, None, None)
        if answered:
            unknown |= {f"{metric.name}_{end}_reason": "raw_events_past_retention" for end in ("low", "high")}
    return unknown


def _interval(metric: Metric, people: int | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {f"{metric.name}_people": people, f"{metric.name}_low": low, f"{metric.name}_high": high}


def _completeness(client: Client, topic: str, cut: Cut) -> dict[str, Any]:
    parameters = {"topic": topic, "partitions": [], "raw_to": cut.raw_to, "open_ended": cut.raw_to == FAR_MS}
    return _rows(client, query_text("completeness"), parameters)[0]


def _require_raw_events(client: Client, starts: list[int]) -> None:
    parameters = {"starts": starts, "first": starts[0], "last": starts[-1]}
    touches = _rows(client, query_text("edge_events"), parameters)[0]
    if touches["raw_touches"] < touches["pane_touches"]:
        raise IntervalError(
            "the raw events at the edges of this interval are past their retention: "
            "let it begin and end at whole ten seconds, which panes cover"
        )


def _rows(client: Client, text: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(client.query(text, parameters=dict(parameters)).named_results())
