"""The command `up`: the whole stack on this machine."""

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from touchstream.schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from touchstream.schemas.journey import UNDECLARED, Journeys
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.clickhouse.client import redacted
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.sinks.notify.notification import Notification
from touchstream.streams.cli.output import (
    err,
    errors_in_one_line,
    escaped,
    fail,
    load_settings,
    print_table,
)
from touchstream.streams.process.connection import kafka_servers
from touchstream.streams.process.logs import configure_logs
from touchstream.streams.process.settings import Settings
from touchstream.streams.process.signals import Stop
from touchstream.streams.watch.judge import FIRING, RESOLVED

if TYPE_CHECKING:
    from touchstream.streams.cli.local.stack import Addresses

_SUMMARY_COLUMNS: Final = (
    "stage", "touches", "customers", "nps", "nps_n", "csat", "csat_n", "success_rate", "purchases",
)  # fmt: skip


def _kafka_url(url: str | None) -> str | None:
    try:
        if url is not None:
            kafka_servers(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return url


def up(
    data: Annotated[Path | None, typer.Option(help="Directory for all data of the stack.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    seconds: Annotated[float | None, typer.Option("--for", help="Seconds after which it ends by itself.")] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="File for the addresses, as one JSON object, once everything answers; as DATA/ready.json."),
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(callback=_kafka_url, help="kafka://host:port of an existing Kafka, instead of the local broker."),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Publish simulated customers, labelled as such.")] = False,
) -> None:
    """The whole stack without Docker: broker, ClickHouse, topics, tables and workers. Ctrl-C stops all of it.

    Example: touchstream up --data ./data --workers 2
    """
    try:
        from touchstream.deploy.local.broker import BrokerNotInstalledError
        from touchstream.deploy.local.data_directory import DataDirectoryInUseError
        from touchstream.deploy.local.supervisor import ChildError
        from touchstream.streams.cli.local.stack import NotReady, running
    except ModuleNotFoundError as error:
        fail(f"the local stack is not installed ({error.name}): pip install 'touchstream\\[local]'")
    settings = load_settings(local=False)
    configure_logs(settings.log_format)
    stop = Stop.on_signals()
    started, started_ms = time.monotonic(), now_ms()
    directory = data or settings.data_dir
    try:
        with (
            errors_in_one_line(),
            running(settings, directory, workers, demo, _say, kafka, ready_file) as (stack, tick),
        ):
            _say(f"ready after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
            for name, value in _links(stack.addresses()):
                _say(f"  {name:11} {value}")
            deadline = None if seconds is None else time.monotonic() + seconds
            while not stop.wait(0.05) and (deadline is None or time.monotonic() < deadline):
                tick()
            if demo:
                _summary(stack.settings, started_ms)
            _say("stopping")
    except (ChildError, NotReady, BrokerNotInstalledError, DataDirectoryInUseError) as error:
        fail(escaped(str(error)))


def _links(addresses: "Addresses") -> list[tuple[str, str]]:
    """Where everything answers, for a person: the page first."""
    return [
        ("page", addresses.page),
        ("gateway", f"{addresses.gateway}/v1/touchpoints"),
        ("kafka", addresses.kafka),
        ("clickhouse", redacted(addresses.clickhouse)),
        *(("worker", url) for url in addresses.metrics),
        ("watch", addresses.watch),
    ]


def _summary(settings: Settings, since_ms: int) -> None:
    """What was measured, stage by stage of the journey, and which alerts fired: for the end of a demo."""
    client = connect(settings.clickhouse_url)
    journeys = Journeys.load(settings.journey_file or DEFAULT_JOURNEY).journeys
    order = [stage.id for journey in journeys for stage in journey.stages]
    measured = {row["stage"]: row for row in metrics(client, by=["stage"], topic=settings.topic)}
    # Ctrl-C waits for this table: names are without end, and a table of ten thousand rows takes a minute.
    rows = [measured[stage] for stage in dict.fromkeys([*order, UNDECLARED]) if stage in measured]
    print_table(rows, _SUMMARY_COLUMNS, title="measured from simulated customers, who don't exist")
    if others := len(measured) - len(rows):
        _say(f"{others:,} more stages, which no journey declares: touchstream metrics --by stage")
    changes = AlertTables(client, settings.topic, None).changes(since_ms, [FIRING, RESOLVED])
    for change in reversed(changes):
        told = Notification.of(change, settings.topic)
        err.print(f"{told.tick:%H:%M:%S} {told.text}", markup=False, soft_wrap=True)
    if not changes:
        _say("no alert fired: the incident begins after a minute, and its alerts fire within the next one")


def _say(text: str) -> None:
    # Where standard error is a file on a full disk, the stack goes on without being heard.
    with contextlib.suppress(OSError):
        err.print(text, markup=False, soft_wrap=True)
