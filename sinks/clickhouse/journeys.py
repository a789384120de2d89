"""What happened between the touches: visits, passes, moves, churn. The formulas stand in `queries/*.sql`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.paths import StagePath
from sinks.clickhouse.queries import DIMENSIONS, FAR_MS, TOPIC, lanes, metrics
from sinks.clickhouse.query_texts import query_text

_EVERYBODY, _TOUCHED = "everybody", "touched_in_interval"
Rows = list[dict[str, Any]]

NOBODY: Final[Mapping[str, Any]] = {
    "entered": 0, "progressed": 0, "dropped": 0, "open": 0, "recovered": 0,
    "conversion": None, "conversion_n": 0, "conversion_low": None, "conversion_high": None,
    "dwell_ms_p50": None, "dwell_ms_p95": None, "dwell_ms_n": 0, "dwell_open": 0,
}  # fmt: skip
"""The fields of a group that nobody entered."""
_NO_PASSES: Final[Mapping[str, Any]] = {"passes": 0, "pass_ms_mean": None, "pass_ms_p50": None, "pass_ms_p95": None}
_NO_CHURN: Final[Mapping[str, Any]] = {
    "active": None, "lost": None, "churn_rate": None, "churn_rate_n": None,
    "churn_rate_low": None, "churn_rate_high": None,
}  # fmt: skip


def portfolio(
    client: Client,
    from_ms: int | None = None,
    to_ms: int | None = None,
    by: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    topic: str = TOPIC,
) -> Rows:
    """Every exact metric of [from_ms, to_ms): those of `metrics`, and what became of the visits that began in it.

    Arguments and errors are those of `sinks.clickhouse.queries.metrics`. How long passes last and who was lost is said
    of journeys only: by none and by journey, without other conditions.
    """
    measured = metrics(client, from_ms, to_ms, by, where, topic)
    watermark_ms = min((lane.watermark_ms for lane in lanes(client, topic)), default=-FAR_MS)
    kept = {name: [value] for name, value in (where or {}).items()}
    entered = {_key(row, by): row for row in journey_metrics(client, watermark_ms, from_ms, to_ms, by, kept)}
    of_journeys = set(by) <= {"journey"} and set(kept) <= {"journey"}
    ways = (
        passes_and_churn(client, watermark_ms, from_ms, to_ms, bool(by), kept.get("journey", ())) if of_journeys else {}
    )
    return [
        row
        | {name: value for name, value in entered.get(_key(row, by), NOBODY).items() if name not in DIMENSIONS}
        | ways.get(row.get("journey", ""), {})
        for row in measured
    ]


def _key(row: Mapping[str, Any], by: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[name] for name in by)


def record_stages(client: Client, version: str, stages: Iterable[StagePath]) -> None:
    """Note the way of a version of the definitions; again and again without harm."""
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

    by, where: as `sinks.clickhouse.queries.metrics` has them. watermark_ms: up to when outcomes are known.
    """
    text = query_text("journey_metrics", scope=_scope(from_ms, to_ms))
    parameters = _interval(from_ms, to_ms) | {"by": list(by), "watermark_ms": watermark_ms}
    return _rows(client, text, parameters | _kept(where))


def passes_and_churn(
    client: Client,
    watermark_ms: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
    by_journey: bool = False,
    journeys: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """How long passes last and who was lost, by journey; by "" for all of them together, where there are any.

    Active, lost and churn_rate are of one journey, whose silence it is: over several they are null.
    """
    parameters = _interval(from_ms, to_ms) | {
        "by": ["journey"] if by_journey else [], "journeys": list(journeys), "watermark_ms": watermark_ms,
    }  # fmt: skip
    passes = {
        row.pop("journey"): row for row in _rows(client, query_text("passes", scope=_scope(from_ms, to_ms)), parameters)
    }
    churn = {row.pop("journey"): row for row in _rows(client, query_text("churn"), parameters)}
    if not by_journey:
        churn = {"": next(iter(churn.values()))} if len(churn) == 1 else {}
    return {
        journey: dict(_NO_PASSES) | passes.get(journey, {}) | dict(_NO_CHURN) | churn.get(journey, {})
        for journey in passes.keys() | churn.keys() | (set() if by_journey else {""})
    }


def transitions(
    client: Client, from_ms: int | None = None, to_ms: int | None = None, journeys: Sequence[str] = ()
) -> Rows:
    """Moves from stage to stage in [from_ms, to_ms), by journey, the most frequent first.

    An object has journey, from_stage, to_stage, transitions, customers, dwell_ms_p50, dwell_ms_p95.
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


def _scope(from_ms: int | None, to_ms: int | None) -> str:
    """Whose touches are read: a visit that begins in an interval begins with a touch in it."""
    return _EVERYBODY if from_ms is None and to_ms is None else _TOUCHED


def _interval(from_ms: int | None, to_ms: int | None) -> dict[str, Any]:
    return {"raw_from": -FAR_MS if from_ms is None else from_ms, "raw_to": FAR_MS if to_ms is None else to_ms}


def _kept(where: Mapping[str, Sequence[str]] | None) -> dict[str, Any]:
    return {f"{name}s": list((where or {}).get(name, ())) for name in DIMENSIONS}


def _rows(client: Client, text: str, parameters: Mapping[str, Any]) -> Rows:
    return list(client.query(text, parameters=dict(parameters)).named_results())
