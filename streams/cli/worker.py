"""The command `worker`."""

import faulthandler
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from touchstream.streams.cli.output import errors_in_one_line, load_settings
from touchstream.streams.process.health import HealthMonitor
from touchstream.streams.process.health_server import serve_health
from touchstream.streams.process.last_resort import LastResort
from touchstream.streams.process.logs import configure_logs

if TYPE_CHECKING:
    import faust


def worker() -> None:
    """Measure: read events from Kafka, write metrics to ClickHouse. Start as many as the topic has partitions.

    Example: touchstream worker
    """

    from touchstream.streams.app import build

    settings = load_settings()
    configure_logs(settings.log_format)
    with errors_in_one_line():
        monitor = HealthMonitor()
        last_resort = LastResort()
        serve_health(settings.metrics_host, settings.metrics_port, monitor.health, last_resort.arm)
        app = build(settings, monitor, last_resort.arm)
    _look_for_cycles_seldom()
    try:
        # Above INFO, Faust would draw a spinner.
        _worker_process(last_resort)(
            app, loglevel="INFO", quiet=True, redirect_stdouts=False, override_logging=False
        ).execute_from_commandline()
    except SystemExit as ended:
        _leave(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
    except BaseException:
        logging.getLogger(__name__).exception("worker ends")
        _leave(1)


def _worker_process(last_resort: LastResort) -> "type[faust.Worker]":
    """Faust's worker process, which ends in time: however it begins to stop, and also where its event loop hangs."""
    import faust

    class WorkerProcess(faust.Worker):
        def install_signal_handlers(self) -> None:
            super().install_signal_handlers()
            last_resort.arm_on_signals()
            # Faust would write all locals with its stacks.
            self.loop.remove_signal_handler(signal.SIGUSR1)
            faulthandler.register(signal.SIGUSR1)

        def on_worker_shutdown(self) -> None:
            last_resort.arm()
            super().on_worker_shutdown()

    return WorkerProcess


def _look_for_cycles_seldom() -> None:
    """A poll brings objects by the ten thousand, and none of them in a cycle: by default Python would look through
    them for cycles repeatedly, which takes more than a third of reading. What is there by now stays anyway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def _leave(code: int) -> NoReturn:
    """End without waiting for threads. The lanes have let go; what the leader still had going in ClickHouse, rows that
    another leader writes again, could take a minute, and who asked this worker to end would kill it meanwhile.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
