"""What the page shows of the rolling rows: bounded, whatever names events bring, and cheap enough for every second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.instruments import in_force
from touchstream.schemas.metrics import shipped
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.rolling.store import with_instruments
from touchstream.sinks.clickhouse.sql import query_text


@dataclass(frozen=True)
class Newest:
    """The newest rows of a window: milliseconds since 1970 of ClickHouse's clock; tick and writing 0 without any."""

    now_ms: int
    tick_ms: int
    written_at_ms: int


@dataclass(frozen=True)
class LiveTick:
    """A window at one of its ticks, in one journey: where the queries below look."""

    topic: str
    window: Window
    tick_ms: int
    journey: str

    def parameters(self, **more: Any) -> dict[str, Any]:
        """As the queries take them."""
        place = {"topic": self.topic, "window": self.window.name, "tick_ms": self.tick_ms, "journey": self.journey}
        return place | more


@dataclass(frozen=True)
class Groups:
    """Rolling rows of the groups that are shown; `names` and `touches` are of all groups, those left out too.

    A row has the columns of `stage_metrics`; its metrics are as in `schemas/metrics.yaml`. folded: how many names have
    no rows of their own and are counted together, about, and their touches.
    """

    rows: tuple[Mapping[str, Any], ...]
    names: int
    touches: int
    folded: tuple[int, int] = (0, 0)


NO_GROUPS: Final = Groups((), 0, 0)
OTHER: Final = {f"{dimension}_other": dimension for dimension in ("journey", "stage", "channel", "segment")}
"""In the key of a group: all names of a dimension that have no rows of their own."""


@dataclass(frozen=True)
class Names:
    """Names that can be chosen from, sorted, and how many there are in all."""

    shown: tuple[str, ...]
    total: int


def newest(client: Client, topic: str, window: Window) -> Newest:
    """When the window's rows were last written, and for which tick."""
    found = client.query(query_text("live_newest"), {"topic": topic, "window": window.name})
    return Newest(**next(iter(found.named_results())))


def last_event_ms(client: Client) -> int | None:
    """The hour of the newest event of all; None without any."""
    found = client.query(query_text("last_event")).result_rows
    return int(found[0][0]) if found else None


def last_touched_ms(client: Client, journey: str, stages: Sequence[str]) -> dict[str, int]:
    """The hour in which each of these stages was last touched; a stage that never was is left out."""
    parameters = {"journey": journey, "stages": list(stages)}
    return {stage: int(at_ms) for stage, at_ms in client.query(query_text("last_touched"), parameters).result_rows}


def stages(
    client: Client, tick: LiveTick, channel: str | None, segment: str | None, declared: Sequence[str], most: int
) -> Groups:
    """The journey's stages, at most `most`: the declared ones first, then the busiest. channel, segment: None for all.

    The row of the whole journey (stage None) comes before them; there is one of all channels and segments only.
    """
    chosen = _names(channel=channel, segment=segment)
    parameters = tick.parameters(chosen=chosen, declared=list(declared), most=most + 2)
    groups = _groups(client, "live_stages", parameters)
    has_whole = bool(groups.rows) and groups.rows[0]["stage"] is None
    return replace(groups, rows=groups.rows[: most + has_whole])


def channels(client: Client, tick: LiveTick, stage: str, segment: str | None, most: int) -> Groups:
    """A stage's channels, at most `most`, the busiest first."""
    parameters = tick.parameters(chosen=_names(stage=stage, segment=segment), most=most + 1)
    groups = _groups(client, "live_channels", parameters)
    return replace(groups, rows=groups.rows[:most])


def trend(
    client: Client,
    tick: LiveTick,
    stages: Sequence[str],
    channel: str | None,
    segment: str | None,
    ticks: int,
    metrics: Sequence[str],
) -> dict[str, list[Mapping[str, Any]]]:
    """By stage, the rows of the last `ticks` ticks: `at_ms`, `completeness` and `metrics`, the oldest first."""
    from_ms = tick.tick_ms - ticks * tick.window.step_ms
    keys = [_names(journey=tick.journey, stage=stage, channel=channel, segment=segment) for stage in stages]
    if not keys:
        return {}
    parameters = tick.parameters(keys=keys, from_ms=from_ms)
    by_stage: dict[str, list[Mapping[str, Any]]] = {}
    known = in_force()
    fields = {*shipped().columns_of("stage_metrics"), *shipped().under(known).instrument_fields}
    asked = tuple(name for name in metrics if name in fields)
    for row in client.query(query_text("live_trend", known, metrics=asked), parameters).named_results():
        by_stage.setdefault(row["stage"], []).append(row)
    return by_stage


def names(client: Client, tick: LiveTick, most: int) -> dict[str, Names]:
    """The busiest names of `journey`, `channel` and `segment` at the tick, at most `most` of each.

    For dimensions in OTHER also how many names have no rows of their own, if any: the largest number in one stage.
    """
    by_dimension: dict[str, list[Mapping[str, Any]]] = {}
    for row in client.query(query_text("live_names"), tick.parameters(most=most)).named_results():
        by_dimension.setdefault(row["dimension"], []).append(row)
    nothing = Names((), 0)
    return dict.fromkeys(("journey", "channel", "segment"), nothing) | {
        dimension: Names(tuple(sorted(row["name"] for row in rows if row["name"] is not None)), rows[0]["names"])
        for dimension, rows in by_dimension.items()
    }


def _names(**chosen: str | None) -> list[tuple[str, str]]:
    """Names as a group's key has them; None: all together."""
    return [(dimension, name) for dimension, name in chosen.items() if name is not None]


def _groups(client: Client, query: str, parameters: dict[str, Any]) -> Groups:
    rows = tuple(with_instruments(row) for row in client.query(query_text(query), parameters).named_results())
    own = tuple(row for row in rows if not row["other"])
    folded = next(((row["other_names"], row["touches"]) for row in rows if row["other"]), (0, 0))
    return Groups(own, rows[0]["names"], rows[0]["all_touches"], folded) if rows else NO_GROUPS
