"""Rolling windows: those that are due written by one query, read by page, alerts, gauges and people."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.metrics import shipped
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.client import READ_SECONDS
from touchstream.sinks.clickhouse.metrics.exact import Cut
from touchstream.sinks.clickhouse.sql import query_text

_DIMENSIONS: Final = ("journey", "stage", "channel", "segment")

ROLLED: Final = {
    "pane_sums": "rolling_sums",
    "sums_with_bounds": "rolling_ends",
    "effects": "effects_of_group",
    "designs": "live_designs",
    "quantile_buckets": "live_buckets",
    "bounds": "rolling_bounds",
}
"""The parts of roll.sql."""
_BEHIND_INSERTS: Final = {"os_thread_priority": 10}
"""A nice value: where cores are scarce, inserts go first. Without CAP_SYS_NICE ClickHouse passes over it."""
_JOURNEYS_SETTINGS: Final = _BEHIND_INSERTS | {
    # Whoever asked has given up by then (client.READ_SECONDS), and a new leader asks again.
    "max_execution_time": READ_SECONDS,
    # All touches of recent visitors: spilled to disk rather than held in memory that other queries need.
    "max_bytes_before_external_group_by": 128 * 1024 * 1024,
    "max_bytes_before_external_sort": 128 * 1024 * 1024,
}


def write_rolling(
    client: Client, topic: str, ticks: Sequence[tuple[Window, int]], uncounted: Container[Window] = ()
) -> None:
    """Write the rows of windows at ticks, each at one (ms); idempotent.

    uncounted: windows whose customers would be too expensive to count; they are null, as in those that never count any.
    """
    windows = [window for window, _ in ticks]
    parameters = cuts_of(ticks, [window.counted_max > 0 and window not in uncounted for window in windows])
    parameters |= {"topic": topic, "windows": [window.name for window in windows], "partitions": []}
    settings = {} if any(window.watched for window in windows) else _BEHIND_INSERTS
    client.command(query_text("roll", **ROLLED), parameters=parameters, settings=settings)


def cuts_of(ticks: Sequence[tuple[Window, int]], with_customers: Sequence[bool]) -> dict[str, Any]:
    """What roll.sql has to know of windows at ticks, and whether it counts the customers of each."""
    return cuts_of_intervals([Cut.of(tick_ms - window.length_ms, tick_ms) for window, tick_ms in ticks], with_customers)


def cuts_of_intervals(cuts: Sequence[Cut], with_customers: Sequence[bool] = ()) -> dict[str, Any]:
    """What windows_panes.sql has to know of intervals, and whether each has its customers counted (no by default)."""
    with_customers = with_customers or [False] * len(cuts)
    counted = [cut for cut, counts in zip(cuts, with_customers, strict=True) if counts] or cuts
    bounds = {
        f"{name}_{which.__name__}": which(getattr(cut, name) for cut in (counted if name == "raw_from" else cuts))
        for name in vars(cuts[0])
        for which in (min, max)
    }
    return bounds | {"cuts": [list(vars(cut).values()) for cut in cuts], "with_customers": [*with_customers]}


def too_expensive(client: Client, topic: str, windows: Sequence[Window]) -> frozenset[Window]:
    """The windows that count customers but whose newest rows held too many touches to do so."""
    counting = {window.name: window for window in windows if window.counted_max}
    found = client.query(query_text("rolling_touches"), {"topic": topic, "windows": list(counting)})
    return frozenset(counting[name] for name, touches in found.result_rows if touches > counting[name].counted_max)


def completed_ticks(client: Client, topic: str) -> dict[str, int]:
    """Up to which tick (ms) each window was written complete within two days, by whichever worker led then."""
    found = client.query(query_text("completed_ticks"), {"topic": topic})
    return {str(window): int(tick_ms) for window, tick_ms in found.result_rows}


def write_journeys(client: Client, topic: str, window: Window, tick_ms: int, watermark_ms: int) -> None:
    """Write what became of the visits of the window that ends at a tick, as known up to the watermark."""
    parameters: dict[str, Any] = {
        "topic": topic,
        "window": window.name,
        "raw_from": tick_ms - window.length_ms,
        "raw_to": tick_ms,
        "watermark_ms": watermark_ms,
        "by": ["journey", "stage"],
        **{f"{name}s": [] for name in (*_DIMENSIONS, "touchpoint")},
    }
    text = query_text(
        "roll_journeys",
        scope="people_touched_in_interval",
        grouping="grouping_with_journeys",
        touch_details="no_touch_details",
    )
    client.command(text, parameters=parameters, settings=_JOURNEYS_SETTINGS)


def journeys_written(client: Client, topic: str) -> dict[str, int]:
    """When (ms) the journeys of each window were last written within two days, by whichever worker led then."""
    found = client.query(query_text("journeys_written"), {"topic": topic})
    return {str(window): int(written_at_ms) for window, written_at_ms in found.result_rows}


def journeys_now(client: Client, topic: str, window: str) -> list[dict[str, Any]]:
    """The newest row of each journey (stage None) and stage in a window: columns as in `journey_metrics`."""
    return list(client.query(query_text("journeys_now"), {"topic": topic, "window": window}).named_results())


def with_instruments(row: Mapping[str, Any]) -> dict[str, Any]:
    """A rolling row with the fields of instruments beside those of the other metrics."""
    fields = dict(row)
    kept = fields.pop("instruments", {})
    for name in shipped().instrument_fields:
        value = kept.get(name)
        fields[name] = int(value or 0) if name.endswith("_n") else value
    return fields


def rolling_now(
    client: Client, topic: str, window: str, where: Mapping[str, str | None] | None = None
) -> list[dict[str, Any]]:
    """The newest rows of a window, live ones; where: dimension to its name, None for all names together.

    In a row a dimension of which all names are together is None.
    """
    kept = [_kept(where[one]) if where and one in where else [] for one in _DIMENSIONS]
    found = client.query(query_text("rolling_rows"), {"topic": topic, "window": window, "kept": kept})
    return [with_instruments(row) for row in found.named_results()]


def rolling_at(
    client: Client, topic: str, window: Window, tick_ms: int, totals_only: bool = False
) -> list[dict[str, Any]]:
    """The rows of a window at a tick; totals_only: over all channels and segments."""
    parameters = {"topic": topic, "window": window.name, "tick_ms": tick_ms, "totals_only": totals_only}
    found = client.query(query_text("rolling_at"), parameters=parameters)
    return [with_instruments(row) for row in found.named_results()]


def _kept(name: str | None) -> list[str]:
    """A name as group_filters.sql takes it; None: all together."""
    return [""] if name is None else ["", name]
