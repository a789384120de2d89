"""The command `tail`: what just arrived, and what became of it."""

import json
import os
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.registry import HttpSchemaRegistry
from touchstream.schemas.void_ids import VoidIds
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.journeys import newest_of_channels
from touchstream.streams.broker.log_reader import log_reader
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.cli.output import (
    Json,
    err,
    errors_in_one_line,
    escaped,
    load_settings,
    out,
    print_json,
    print_table,
)
from touchstream.streams.process.signals import ctrl_c_asked
from touchstream.streams.upkeep.arrivals import Arrival, Arrivals

CHANNELS_MAX = 1_000
"""Names come from events, and there may be any number of them."""
_COLUMNS = (("channel", 14), ("touchpoint", 24), ("action", 10), ("person", 20), ("event_id", 24))
"""What a line shows, and how wide."""


def tail(
    channel: Annotated[str | None, typer.Option(help="Only events of this channel.")] = None,
    last: Annotated[int, typer.Option(min=0, max=10_000, help="How many of the newest are shown first.")] = 20,
    follow: Annotated[bool, typer.Option(help="Go on with what arrives, until Ctrl-C.")] = True,
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="Go on for so many seconds only.")] = None,
    channels: Annotated[
        bool, typer.Option("--channels", help="Instead: each channel's newest event of the last day that counted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Events as they arrive in Kafka, also those that can't be used, with the reason.

    Whether an event is a copy of another only shows once it is counted. With --json, an object a line.

    Example: touchstream tail --channel app
    """
    settings = load_settings()
    with errors_in_one_line():
        if channels:
            _print_channels(newest_of_channels(connect(settings.clickhouse_url), CHANNELS_MAX), as_json)
            return
        connection = settings.kafka_connection()
        positions = log_identity(connection, settings.topic)
        registry = HttpSchemaRegistry(settings.schema_registry_url) if settings.schema_registry_url else None
        with log_reader(connection, settings.topic) as reader, ctrl_c_asked() as stop:
            arrivals = Arrivals(
                reader, WriterSchemas(registry), VoidIds.of(settings.void_words), channel, settings.scales()
            )
            try:
                _print(arrivals.newest(positions, last), 0, as_json)
                for found, left_out in arrivals.following(stop, seconds) if follow else ():
                    _print(found, left_out, as_json)
            except KeyboardInterrupt:
                pass
            except BrokenPipeError:  # `| head` has seen enough; what Python would flush at its end goes nowhere
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_channels(rows: list[dict[str, Any]], as_json: bool) -> None:
    timed = [
        {name: one[name] for name in ("channel", "touchpoint", "event_id", "events")}
        | {"recorded_at": _instant(one["recorded_ms"]), "occurred_at": _instant(one["occurred_ms"])}
        for one in rows
    ]
    if as_json:
        print_json(timed)
    else:
        print_table(timed, ["channel", "recorded_at", "occurred_at", "touchpoint", "event_id", "events"])


def _print(found: list[Arrival], left_out: int, as_json: bool) -> None:
    for arrival in found:
        if as_json:
            sys.stdout.write(json.dumps(_row(arrival), ensure_ascii=False) + "\n")
        else:
            out.print(_line(arrival), soft_wrap=True)
    sys.stdout.flush()
    if left_out:
        err.print(f"{left_out:,} more arrived meanwhile and are not shown; --channel shows less", soft_wrap=True)


def _row(arrival: Arrival) -> dict[str, Any]:
    refusal = arrival.refusal
    row = {"partition": arrival.partition, "offset": arrival.offset, "recorded_at": _instant(arrival.at_ms)}
    row |= {"event": dict(arrival.event)} if arrival.event else {"value": arrival.value}
    row |= {"sent_by": arrival.sent_by} if arrival.sent_by else {}
    return row | ({"refused": refusal.reason.value, "detail": refusal.detail} if refusal else {})


def _line(arrival: Arrival) -> str:
    event = arrival.event
    person = event.get("customer_id") or event.get("anonymous_id")
    shown = dict(event) | {"person": person}
    cells = (
        [_cell(str(shown.get(name) or "–"), width) for name, width in _COLUMNS] if event else [_cell(arrival.value, 96)]
    )
    line = f"{_instant(arrival.at_ms)}  {' '.join(cells)}"
    if arrival.refusal is None:
        return line.rstrip()
    return f"{line} [red]{arrival.refusal.reason}[/red]: {escaped(arrival.refusal.detail)}"


def _cell(text: str, width: int) -> str:
    text = text if len(text) <= width else text[: width - 1] + "…"
    return escaped(text.ljust(width))


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
