"""The command `up`: the whole stack on this machine."""

import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from sinks.clickhouse.alerts import AlertTables
from sinks.clickhouse.client import connect
from sinks.clickhouse.queries import metrics
from sinks.notify.notification import Notification
from streams.cli.output import errors_in_one_line, escaped, fail, load_settings, people, print_table
from streams.logs import configure_logs
from streams.settings import Settings
from streams.watch.judge import FIRING, RESOLVED


def up(
    data: Annotated[Path | None, typer.Option(help="Directory of everything it stores.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    seconds: Annotated[float | None, typer.Option("--for", help="End by itself after so many seconds.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Gets one JSON object when everything answers.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Publish simulated customers, labelled so.")] = False,
) -> None:
    """The whole stack without Docker: broker, ClickHouse, topics, tables and workers. Ctrl-C stops all of it.

    Example: touchstream up --data ./data --workers 2
    """
    try:
        from deploy.local.broker import BrokerNotInstalledError
        from deploy.local.data_directory import DataDirectoryInUseError
        from deploy.local.supervisor import ChildError
        from streams.cli.stack import NotReady, running, write_ready_file
    except ModuleNotFoundError as error:
        fail(f"the local stack is not installed ({error.name}): pip install 'touchstream\\[local]'")
    settings = load_settings()
    configure_logs(settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    started, started_ms = time.monotonic(), time.time_ns() // 1_000_000
    try:
        with errors_in_one_line(), running(settings, data or settings.data_dir, workers, demo, _say) as stack:
            addresses = stack.addresses()
            _say(f"ready after {time.monotonic() - started:.1f} s; Ctrl-C stops it")
            for name, value in addresses.document().items():
                people.print(f"  {name:16} {value}", markup=False, soft_wrap=True)
            deadline = None if seconds is None else time.monotonic() + seconds
            written = None
            while not stop.wait(0.05) and (deadline is None or time.monotonic() < deadline):
                stack.supervisor.tick()
                if ready_file and (now := stack.addresses()) != written:
                    write_ready_file(ready_file, now)
                    written = now
            if demo:
                _summary(stack.settings, started_ms)
            _say("stopping")
    except (ChildError, NotReady, BrokerNotInstalledError, DataDirectoryInUseError) as error:
        fail(escaped(str(error)))
    finally:
        if ready_file:
            ready_file.unlink(missing_ok=True)


def _summary(settings: Settings, since_ms: int) -> None:
    """What was measured, and which alerts fired, for the end of a demo."""
    client = connect(settings.clickhouse_url)
    rows = metrics(client, by=["stage"], topic=settings.topic)
    columns = ["stage", "touches", "customers", "nps", "nps_n", "csat", "csat_n", "success_rate", "purchases"]
    print_table(rows, columns, title="measured from simulated customers")
    changes = AlertTables(client, settings.topic).changes(since_ms, [FIRING, RESOLVED])
    for change in reversed(changes):
        people.print(Notification.of(change, settings.topic).text, markup=False, soft_wrap=True)
    if not changes:
        people.print("no alert fired; the default incident begins after a minute, its alert fires within the next one")


def _say(text: str) -> None:
    people.print(text, markup=False)
