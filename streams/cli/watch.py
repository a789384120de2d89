"""The command `watch`."""

from prometheus_client import REGISTRY

from touchstream.streams.cli.output import errors_in_one_line, load_settings
from touchstream.streams.process import metrics
from touchstream.streams.process.health_server import serve_health
from touchstream.streams.process.last_resort import LastResort
from touchstream.streams.process.logs import configure_logs
from touchstream.streams.process.signals import Stop
from touchstream.streams.watch.service import WatchHealth, watch_until


def watch() -> None:
    """Judge the rules of alerts.yaml over complete windows, and tell of alerts, until Ctrl-C.

    Example: TOUCHSTREAM_ALERTS_WEBHOOK_URL=https://example.com/hook touchstream watch
    """
    settings = load_settings()
    configure_logs(settings.log_format)
    stop = Stop.on_signals()
    last_resort = LastResort()
    last_resort.arm_on_signals()
    health = WatchHealth()
    REGISTRY.register(metrics.WATCH_STATE)
    with errors_in_one_line():
        try:
            serve_health(settings.watch_host, settings.watch_port, health.health, last_resort.arm)
        except OSError as error:
            place = f"{settings.watch_host}:{settings.watch_port}"
            raise OSError(
                f"watch can't listen on {place}; set TOUCHSTREAM_WATCH_HOST and TOUCHSTREAM_WATCH_PORT"
            ) from error
        watch_until(settings, health, stop)
