"""Metrics between touches: visits, passes, moves, churn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS, FAR_MS, TOPIC, lanes, metrics
from touchstream.sinks.clickhouse.sql import query_text

if TYPE_CHECKING:
    # It comes with the definitions of journeys, which resolve whole frames: no query needs those.
    from touchstream.schemas.paths import StagePath

_EVERYBODY, _TOUCHED = "all_rows", "people_touched_in_interval"
Rows = list[dict[str, Any]]

NOBODY: Final[Mapping[str, Any]] = {
    "entered": 0, "entered_first": 0, "progressed": 0, "dropped": 0, "open": 0, "open_progressed": 0, "recovered": 0,
    "conversion": None, "conversion_n": 0, "conversion_low": None, "conversion_high": None,
    "conversion_reason": "nobody_entered",
    "conversion_estimate": None, "conversion_estimate_n": 0, "conversion_estimate_low": None,
    "conversion_estimate_high": None, "conversion_estimate_ms": None,
    "dwell_ms_p50": None, "dwell_ms_p95": None, "dwell_ms_n": 0, "dwell_open": 0,
}  # fmt: skip
"""The fields of a group that no visit entered."""
_NO_PASSES: Final[Mapping[str, Any]] = {"passes": 0, "pass_ms_mean": None, "pass_ms_p50": None, "pass_ms_p95": None}
_NO_CHURN: Final[Mapping[str, Any]] = {
    "active": 0, "lost": 0, "churn_rate": None, "churn_rate_n": 0,
    "churn_rate_low": None, "churn_rate_high": None, "churn_rate_reason": "nobody_was_active",
}  # fmt: skip
_PASSES_OF, _CHURN_OF = ("journey",), ("journey", "segment")
"""Dimensions of passes and of churn: a pass and a lost customer have many stages and channels."""
_REASON: Final = "_reason"


def portfolio(
    client: Client,
    from_ms: int | None = None,
    to_ms: int | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    topic: str = TOPIC,
) -> Rows:
    """Every exact metric of [from_ms, to_ms): those of `metrics`, and what became of the visits that began in it.

    Arguments and errors are those of `metrics.exact.metrics`. How long passes last is said by none and by journey,
    lost customers by segment as well. `reasons` holds a word for each metric that isn't defined here, or not
    known, and is null for it; docs/journeys.md and docs/tables.md list them.
    """
    measured = metrics(client, from_ms, to_ms, by, where, topic)
    watermark_ms = min((lane.watermark_ms for lane in lanes(client, topic)), default=-FAR_MS)
    kept = {name: [value] for name, value in (where or {}).items()}
    entered = {_key(row, by): row for row in journey_metrics(client, watermark_ms, from_ms, to_ms, by, kept)}
    ways = _ways(client, (watermark_ms, from_ms, to_ms), by, kept)
    return [
        _with_reasons(
            row
            | {name: value for name, value in entered.get(_key(row, by), NOBODY).items() if name not in DIMENSIONS}
            | ways[0].get(_key(row, by), ways[1])
        )
        for row in measured
    ]


def _ways(
    client: Client, asked: tuple[int, int | None, int | None], by: Sequence[str], kept: Mapping[str, Sequence[str]]
) -> tuple[dict[tuple[str, ...], dict[str, Any]], dict[str, Any]]:
    """The fields of passes and churn by group, and those of a group of which there are none."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    nothing: dict[str, Any] = {}
    for ask, none, names, reason in (
        (passes, _NO_PASSES, _PASSES_OF, "passes"),
        (churn, _NO_CHURN, _CHURN_OF, "churn_rate"),
    ):
        if {*by, *kept} <= {*names}:
            nothing |= none
            for row in ask(client, *asked, by, kept):
                found.setdefault(_key(row, by), {}).update(row)
        else:
            nothing |= dict.fromkeys(none) | {reason + _REASON: f"only_of_{'_and_'.join(names)}"}
    return {key: nothing | {n: v for n, v in row.items() if n not in DIMENSIONS} for key, row in found.items()}, nothing


def _with_reasons(row: dict[str, Any]) -> dict[str, Any]:
    """The row with `reasons` in the place of its fields that end so, and of what isn't known."""
    reasons = {name.removesuffix(_REASON): row.pop(name) for name in [*row] if name.endswith(_REASON)}
    if row["revenue_minor"] is None:
        reasons["revenue_minor"] = "several_currencies"
    if row["customers"] is None:
        reasons["customers"] = "raw_events_past_retention"
    if row["duplicates"] is None:
        reasons |= dict.fromkeys(("duplicates", "conflicting"), "edge_within_ten_seconds")
    if row["conversion_estimate"] is not None and row["conversion_estimate_low"] is None:
        reasons["conversion_estimate_low"] = "all_or_none_went_on"
    return row | {"reasons": {name: reason for name, reason in reasons.items() if reason}}


def _key(row: Mapping[str, Any], by: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[name] for name in by)


def record_stages(client: Client, version: str, stages: "Iterable[StagePath]") -> None:
    """Record the path through the stages of a version of the definitions; idempotent."""
    rows = [{"definitions": version, **asdict(stage)} for stage in stages]
    names = list(rows[0])
    client.insert("journey_stages", [[row[name] for name in names] for row in rows], column_names=names)


def visits(client: Client, watermark_ms: int, from_ms: int | None = None, to_ms: int | None = None) -> Rows:
    """Every visit that began in [from_ms, to_ms) (milliseconds, UTC; None: no bound), by person and time."""
    text = query_text("visits_of_interval", scope=_scope(from_ms, to_ms))
    return _rows(client, text, _interval(from_ms, to_ms) | {"watermark_ms": watermark_ms})


def journey_metrics(
    client: Client,
    watermark_ms: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, Sequence[str]] | None = None,
) -> Rows:
    """What became of the visits that began in [from_ms, to_ms), one object for each group that was entered.

    by, where: as `sinks.clickhouse.metrics.exact.metrics` has them. watermark_ms: up to when outcomes are known.
    """
    text = query_text("journey_metrics", scope=_scope(from_ms, to_ms))
    parameters = _interval(from_ms, to_ms) | {"by": list(by), "watermark_ms": watermark_ms}
    return _rows(client, text, parameters | _kept(where))


def passes(
    client: Client,
    watermark_ms: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, Sequence[str]] | None = None,
) -> Rows:
    """How long the passes that began in [from_ms, to_ms) last, of all journeys together or by journey."""
    text = query_text("passes", scope=_scope(from_ms, to_ms))
    parameters = _interval(from_ms, to_ms) | {"by": list(by), "watermark_ms": watermark_ms}
    return _rows(client, text, parameters | _kept(where))


def churn(
    client: Client,
    watermark_ms: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, Sequence[str]] | None = None,
) -> Rows:
    """Active and lost customers, by journey, segment, both or neither.

    Over several journeys, each with a silence of its own, the figures are null and `churn_rate_reason` says so.
    """
    parameters = _interval(from_ms, to_ms) | {"by": list(by), "watermark_ms": watermark_ms}
    return _rows(client, query_text("churn"), parameters | _kept(where))


def transitions(
    client: Client, from_ms: int | None = None, to_ms: int | None = None, journeys: Sequence[str] = ()
) -> Rows:
    """Moves from stage to stage in [from_ms, to_ms), by journey, the most frequent first.

    An object has journey, from_stage, to_stage, transitions, across_passes, customers, dwell_ms_p50, dwell_ms_p95.
    """
    text = query_text("transitions", scope=_scope(from_ms, to_ms))
    return _rows(client, text, _interval(from_ms, to_ms) | {"journeys": list(journeys)})


def undeclared(client: Client, most: int) -> Rows:
    """Touchpoints of the raw events that the journeys don't know, at most `most`, the most frequent first.

    An object has journey, stage, channel, touchpoint, touches, newest_ms.
    """
    return _rows(client, query_text("undeclared"), {"most": most})


def touched_touchpoints(client: Client) -> Rows:
    """Every touchpoint that was ever touched, by journey and stage.

    An object has journey, stage, channel, touchpoint, touches, newest_ms (of the hour of the newest touch).
    """
    return _rows(client, query_text("touched_touchpoints"), {})


def newest_of_channels(client: Client, most: int) -> Rows:
    """The newest event of each channel that counted within the last day, at most `most`, the newest first.

    An object has channel, events (of that day), touchpoint, event_id, recorded_ms, occurred_ms.
    """
    return _rows(client, query_text("newest_of_channels"), {"most": most})


def _scope(from_ms: int | None, to_ms: int | None) -> str:
    """Whose touches are read: a visit that begins in an interval begins with a touch in it."""
    return _EVERYBODY if from_ms is None and to_ms is None else _TOUCHED


def _interval(from_ms: int | None, to_ms: int | None) -> dict[str, Any]:
    return {"raw_from": -FAR_MS if from_ms is None else from_ms, "raw_to": FAR_MS if to_ms is None else to_ms}


def _kept(where: Mapping[str, Sequence[str]] | None) -> dict[str, Any]:
    return {f"{name}s": list((where or {}).get(name, ())) for name in DIMENSIONS}


def _rows(client: Client, text: str, parameters: Mapping[str, Any]) -> Rows:
    return list(client.query(text, parameters=dict(parameters)).named_results())
