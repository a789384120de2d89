"""The command `normalise`."""

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from threading import Thread
from typing import Annotated, Final

import typer

from touchstream.streams.channels.formats.mapping import MappingError
from touchstream.streams.channels.formats.message_mapping import MessageMapping, mapping_of
from touchstream.streams.channels.normalise.decoding import MessageFormat, schema_of
from touchstream.streams.channels.normalise.service import NormaliseOptions, Normaliser, NormaliseSummary
from touchstream.streams.channels.normalise.source import StartOffset, from_beginning, from_end, from_time
from touchstream.streams.cli.output import (
    FAILED,
    WRONG_USE,
    Json,
    err,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    print_json,
)
from touchstream.streams.cli.time_arguments import point_in_time
from touchstream.streams.process.health_server import serve_health
from touchstream.streams.process.last_resort import LastResort
from touchstream.streams.process.logs import configure_logs
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.signals import Stop

_LOOK_SECONDS: Final = 0.1
_END_SECONDS: Final = 4.0
"""Seconds that it has to end: less than the last resort's."""


def normalise(
    topic: Annotated[str, typer.Argument(help="The foreign topic, in the same Kafka.")],
    mapping: Annotated[
        str, typer.Option("--map", help="MAPPING.yaml, or the name of a shipped mapping (`touchstream mapping list`).")
    ],
    message_format: Annotated[
        MessageFormat, typer.Option("--format", help="How values are written; auto: Avro by its header, else JSON.")
    ] = MessageFormat.AUTO,
    schema: Annotated[Path | None, typer.Option(help="SCHEMA.avsc of Avro that no registry knows.")] = None,
    group: Annotated[
        str | None, typer.Option(help="Consumer group, which remembers how far it is. Default: normalise-TOPIC.")
    ] = None,
    start: Annotated[
        str,
        typer.Option("--from", help="Where a new group begins: beginning, end, or a time (ISO 8601, or -7d)."),
    ] = "beginning",
    once: Annotated[bool, typer.Option("--once", help="End where the topic ends now.")] = False,
    as_json: Json = False,
) -> None:
    """Read a foreign Kafka topic, map its messages to events and publish these, until Ctrl-C. Nothing counts twice.

    Start several for more load: Kafka parts the topic's partitions among them. With --once, exit code 1: an event was
    refused, or not all was read.

    Example: touchstream normalise shop.orders --map orders.yaml --from -7d
    """
    settings = load_settings()
    configure_logs(settings.log_format)
    try:
        options = NormaliseOptions(
            topic,
            _message_mapping(mapping),
            group or f"normalise-{topic}",
            _start(start),
            message_format,
            schema_of(schema) if schema else None,
            once,
        )
        normaliser = Normaliser(settings, options, stop := Stop())
    except ValueError as error:  # of the mapping, the schema, the time, or the topic
        fail(escaped(str(error)), WRONG_USE)
    stop.set_on_signals()
    last_resort = LastResort()
    last_resort.arm_on_signals()
    with errors_in_one_line():
        if not once:
            _serve(settings, normaliser, last_resort)
        summary = _run(normaliser, stop)
    if not once:
        return
    _print(summary, as_json)
    if not normaliser.is_complete:
        fail("stopped before the topic's end; the same command goes on")
    if summary.refused or summary.lost:
        raise typer.Exit(FAILED)


def _run(normaliser: Normaliser, stop: Stop) -> NormaliseSummary:
    """Run it, in a thread: the clients of Kafka wait for it in calls that no signal ends.

    Where one of them does so after a signal, the process ends all the same. What was not committed is read again.
    """
    ended: Future[NormaliseSummary] = Future()
    thread = Thread(target=lambda: _fulfil(ended, normaliser.run), name="normalise", daemon=True)
    thread.start()
    while not ended.done() and not stop.wait(_LOOK_SECONDS):
        pass
    try:
        return ended.result(_END_SECONDS if stop.is_set() else None)
    except FutureTimeout:
        err.print("Kafka does not answer; what was not committed is read again")
        logging.shutdown()
        os._exit(0)


def _fulfil(future: "Future[NormaliseSummary]", run: Callable[[], NormaliseSummary]) -> None:
    try:
        future.set_result(run())
    except BaseException as error:  # whatever it is, the main thread raises it
        future.set_exception(error)


def _message_mapping(given: str) -> MessageMapping:
    found = mapping_of(given)
    if not isinstance(found, MessageMapping):
        raise MappingError(f"{given} maps columns of files; a topic needs format: 2")
    return found


def _start(text: str) -> StartOffset:
    if text == "beginning":
        return from_beginning
    return from_end if text == "end" else from_time(point_in_time(text))


def _serve(settings: Settings, normaliser: Normaliser, last_resort: LastResort) -> None:
    try:
        serve_health(settings.normalise_host, settings.normalise_port, normaliser.health, last_resort.arm)
    except OSError as error:
        place = f"{settings.normalise_host}:{settings.normalise_port}"
        raise OSError(
            f"normalise can't listen on {place}; set TOUCHSTREAM_NORMALISE_HOST and TOUCHSTREAM_NORMALISE_PORT"
        ) from error


def _print(summary: NormaliseSummary, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "records": summary.records,
                "accepted": summary.accepted,
                "refused": summary.refused,
                "skipped": dict(summary.skipped),
                "lost": summary.lost,
            }
        )
        return
    err.print(f"{summary.records:,} records became {summary.accepted:,} events; the topic's end is reached")
    for reason, count in sorted(summary.refused.items()):
        err.print(f"  refused, {reason}: {count:,} (`touchstream dead-letters list`)")
    for why, count in sorted(summary.skipped.items()):
        err.print(f"  no event, because {escaped(why)}: {count:,}")
    if summary.lost:
        err.print(f"  deleted by Kafka before they were read: {summary.lost:,}")
