"""How long a step of `roll` takes by how many names arrive, each once, with the default bound on a local ClickHouse."""

from collections.abc import Sequence
from typing import Final

from clickhouse_connect.driver.client import Client

from tests.bench.growth import Growth, lines
from tests.bench.growth_clickhouse import _DAY, _EVENTS, _NAMES, _PANES, _SHORT, _database, _step_seconds
from tests.support.clickhouse_rows import lane, table
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.schemas import times
from touchstream.schemas.groups import SERIES_MAX
from touchstream.sinks.clickhouse.metrics.exact import TOPIC

NAMES: Final = (0, 1_000, 60_000)
_KNOWN: Final = 144
"""Groups of 8 stages, 6 channels and 3 segments, which are always there."""
_SLOTS: Final = {10: 30, 300: 12, 3600: 24}


def rolls_by_names(clickhouse: ClickHouse, names: Sequence[int], rounds: int = 3) -> Growth:
    """Seconds of a step, and rows of a window, by events each of which has four new names."""
    rows = []
    for count in names:
        client = _database(clickhouse, f"growth_names_{count}")
        now_ms = times.now_ms()
        for first, groups, slots in ((0, _KNOWN, _SLOTS), (_KNOWN, count, dict.fromkeys(_SLOTS, 1))):
            if groups:
                _fill(client, first, groups, slots, now_ms)
        client.insert_arrow("lanes", table("lanes", [lane(watermark=now_ms, lane_clock=now_ms, occurred_max=now_ms)]))
        short, day = (_step_seconds(client, windows, now_ms, rounds, SERIES_MAX) for windows in (_SHORT, _DAY))
        written = client.query(
            "SELECT count() FROM stage_metrics FINAL WHERE topic = {topic:String} AND window = '24h'", {"topic": TOPIC}
        )
        rows.append(
            {"names": count, "rows of 24h": int(written.result_rows[0][0]), "short windows s": short, "24h s": day}
        )
    title = "A step of roll by names that come once, seconds (short windows: 1m, 5m, 15m and 1h in one statement)"
    return Growth("names", title, rows, lines(rows, "short windows s", "24h s"))


def _fill(client: Client, first: int, groups: int, slots: dict[int, int], now_ms: int) -> None:
    """Panes and raw events of groups: the known ones, or others with names of their own in every dimension."""
    numbers = f"{first} + number % {{groups:UInt32}} AS group"
    names = _known() if first == 0 else _new()
    places = {"groups": groups, "now_ms": now_ms}
    for resolution_s, count in slots.items():
        text = _PANES.replace(_NAMES, names).replace("number % {groups:UInt32} AS group", numbers)
        client.command(text, places | {"resolution_s": resolution_s, "slots": count})
    text = _EVENTS.replace(_NAMES, names).replace("number % {groups:UInt32} AS group", numbers)
    client.command(text, places | {"events": 20_000 if first == 0 else groups})


def _known() -> str:
    return """
    'customer' AS journey, concat('stage-', toString(group % 8)) AS stage,
    concat('channel-', toString(intDiv(group, 8) % 6)) AS channel, 'page' AS touchpoint,
    concat('segment-', toString(intDiv(group, 48))) AS segment
"""


def _new() -> str:
    named = (f"concat('{name}-', toString(group)) AS {name}" for name in ("journey", "stage", "channel", "segment"))
    return f"\n    {', '.join(named)}, 'page' AS touchpoint\n"
