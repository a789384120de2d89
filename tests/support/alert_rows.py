"""Complete rolling rows as `roll` writes them, and rules about them, for tests of alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from tests.browser.rolling_rows import in_group, row
from touchstream.schemas.alerts import Rules
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import now_ms
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.streams.watch.watch import Watch

ALL = None


_HOUR_MS = 3_600_000
START_MS = now_ms() // _HOUR_MS * _HOUR_MS - _HOUR_MS
"""A whole hour, one or two hours ago: rolling rows are kept for 35 days."""
STEP_MS = 10_000
CATALOGUE = Catalogue.load()
CSAT_LOW = "{name: csat_low, summary: Unhappy, metric: csat, window: 1m, each: [stage], below: 60, min_n: 50, for: 20s}"
NPS_DROP = (
    "{name: nps_drop, summary: Worse, metric: nps, window: 1m, where: {stage: support}, drop: {points: 10}, min_n: 50}"
)


__all__ = ["ALL", "row"]


def rules(*lines: str) -> Rules:
    """A file of these rules."""
    return Rules(
        "format: 1\nrules:\n" + "".join(f"  - {line}\n" for line in lines) if lines else "format: 1\nrules: []"
    )


def at(tick: int) -> int:
    """The end of the window of a tick, in milliseconds."""
    return START_MS + tick * STEP_MS


def support(**metrics: Any) -> dict[str, Any]:
    """A row of the stage support."""
    return row("support", **metrics)


def write_ticks(
    client: Client,
    ticks: Sequence[tuple[int, Sequence[dict[str, Any]]]],
    window: str = "1m",
    completeness: float = 1.0,
    topic: str = "touchpoints",
) -> None:
    """Rows of ticks, which count in steps of ten seconds since START_MS."""
    assert BY_NAME[window].step_ms == STEP_MS
    place = {"topic": topic, "window": window, "completeness": completeness}
    written = [
        place | in_group(one) | {"tick": datetime.fromtimestamp(at(tick) / 1000, UTC)}
        for tick, rows in ticks
        for one in rows
    ]
    names = sorted({name for one in written for name in one})
    client.insert("stage_metrics", [[one[name] for name in names] for one in written], names)


def empty_alert_tables(client: Client) -> None:
    """Without any rolling rows and alerts."""
    for name in ("stage_metrics", "alerts", "alert_changes", "alert_deliveries", "alert_namespaces", "alerts_judged"):
        client.command(f"TRUNCATE TABLE {name}")


INCIDENT = [85.0, 55.0, 50.0, 40.0, 45.0, 70.0, 85.0]
"""CSAT of ticks 1 to 7: low at 2 to 5, which has lasted long enough at 4; good again at 6."""


def incident(client: Client, first: int = 1, csat: Sequence[float] = INCIDENT) -> None:
    """Ticks with a CSAT of the stage support."""
    write_ticks(client, [(first + n, [support(csat=value)]) for n, value in enumerate(csat)])


def watch(tables: AlertTables, wanted: Rules, destinations: tuple[str, ...] = ("webhook",)) -> Watch:
    """As one that has just been started."""
    return Watch(tables, wanted, CATALOGUE, destinations)


def step_through(
    tables: AlertTables,
    client: Client,
    csat: Sequence[float] = INCIDENT,
    destinations: tuple[str, ...] = ("webhook",),
) -> None:
    """A watch from before the incident on."""
    write_ticks(client, [(0, [support(csat=85.0)])])
    judging = watch(tables, rules(CSAT_LOW), destinations)
    judging.step()
    incident(client, csat=csat)
    judging.step()


def changes(tables: AlertTables) -> list[tuple[int, str]]:
    """(tick, new state) in order."""
    return [(change.tick_ms, change.state) for change in reversed(tables.changes())]


class Died(Exception):  # noqa: N818
    """A process, in the middle of something."""
