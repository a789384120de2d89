"""Commands that run something: init, worker, up."""

from prometheus_client import start_http_server

from streams.cli.output import errors_in_one_line, load_settings, people
from streams.logs import configure_logs
from streams.prepare import prepare


def init() -> None:
    """Create topics and tables and put the definitions in force; again and again without harm.

    Example: TOUCHSTREAM_KAFKA_URL=kafka://kafka:9092 touchstream init
    """
    settings = load_settings()
    with errors_in_one_line():
        for line in prepare(settings):
            people.print(line, markup=False)


def worker() -> None:
    """Measure: read events from Kafka, write metrics to ClickHouse. Start as many as the topic has partitions.

    Example: touchstream worker
    """
    import faust

    from streams.app import build

    settings = load_settings()
    configure_logs(settings.log_format)
    with errors_in_one_line():
        start_http_server(settings.metrics_port, settings.metrics_host)
        app = build(settings)
    # Above INFO, Faust would draw a spinner.
    faust.Worker(
        app, loglevel="INFO", quiet=True, redirect_stdouts=False, override_logging=False
    ).execute_from_commandline()
