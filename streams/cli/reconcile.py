"""The command `reconcile`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.upkeep.placing import Placing, Twins
from touchstream.sinks.clickhouse.upkeep.reconcile import PaneDifference, Reconciled
from touchstream.sinks.clickhouse.upkeep.reconcile import reconcile as compare
from touchstream.streams.cli.output import (
    FAILED,
    Json,
    err,
    errors_in_one_line,
    load_settings,
    out,
    print_json,
    print_table,
    progress_bar,
)
from touchstream.streams.cli.time_arguments import point_in_time


def reconcile(
    start: Annotated[
        str | None, typer.Option("--from", help="From this time on: ISO 8601 (UTC), epoch ms, -1h.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to before this time.")] = None,
    as_json: Json = False,
) -> None:
    """Recompute panes from the raw events and compare; exit code 1 and the differences if they differ.

    May run while events arrive: it compares up to what the lanes have written at one moment. Of each resolution (10 s,
    5 min, 1 h) it takes the panes that lie in [from, to) as a whole, and only as far back as raw events are kept.

    Example: touchstream reconcile --from -24h
    """
    settings = load_settings()
    with errors_in_one_line(), progress_bar() as progress:
        from_ms, to_ms = (point_in_time(text) if text else None for text in (start, end))
        bar = progress.add_task("events", total=None)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        found = compare(connect(settings.clickhouse_url), from_ms, to_ms, settings.topic, show)
    if as_json:
        print_json(_plain(found))
    else:
        _print(found)
    if found.differing:
        raise typer.Exit(FAILED)


def _plain(found: Reconciled) -> dict[str, Any]:
    return asdict(found) | {
        "from": _instant(found.from_ms),
        "to": _instant(found.to_ms),
        "differences": _rows(found.differences),
    }


def _print(found: Reconciled) -> None:
    if found.panes:
        err.print(f"compared {found.panes:,} panes from {_instant(found.from_ms)} to {_instant(found.to_ms)}")
    else:
        err.print("nothing to compare: no panes, or no raw events that are all there, in this interval")
    if found.moving:
        err.print(f"left out: {found.moving:,} panes that went on meanwhile; run it again for those")
    for one in found.left_out:
        err.print(one)
    _print_placing(found.placing)
    if not found.differing:
        out.print("no differences")
        return
    out.print(f"[red]{found.differing:,} panes differ[/red] from their raw events", markup=True)
    columns = ["resolution_s", "pane_start", "journey", "stage", "channel", "touchpoint", "segment", "partition"]
    print_table(_rows(found.differences), [*columns, "measure", "pane", "raw"])


def _print_placing(found: Placing) -> None:
    if found.misrouted:
        out.print(
            f"[yellow]{found.misrouted:,} events are outside of their customer's partition[/yellow], or under another"
            " Kafka key: sent again the right way they count again; see docs/events.md",
            markup=True,
        )
    if found.twins:
        out.print(
            f"[yellow]{found.twins:,} ids count more than once[/yellow], under two Kafka keys or in two partitions:",
            markup=True,
        )
        shown = [{"source": one.source, "event_id": one.event_id, "places": _places(one)} for one in found.examples]
        print_table(shown, ["source", "event_id", "places"])


def _places(twins: Twins) -> str:
    return "; ".join(f"{key or 'no key'} in {partition} at {offset}" for partition, offset, key in twins.places)


def _rows(differences: Sequence[PaneDifference]) -> list[dict[str, Any]]:
    return [asdict(one) | {"pane_start": _instant(one.start_ms)} for one in differences]


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
