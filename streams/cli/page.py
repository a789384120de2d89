"""The command `page`."""

from typing import Annotated

import typer

from schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from schemas.journey import Journeys
from schemas.metrics import DEFAULT_FILE as DEFAULT_METRICS
from schemas.metrics import Catalogue
from sinks.console import serve
from streams.cli.output import errors_in_one_line, load_settings
from streams.logs import configure_logs


def page(
    notice: Annotated[str | None, typer.Option(help="A line at its top, such as: simulated customers.")] = None,
) -> None:
    """Show the customer journey live in a browser, until Ctrl-C.

    Example: TOUCHSTREAM_PAGE_PORT=8090 touchstream page
    """
    settings = load_settings()
    configure_logs(settings.log_format)
    with errors_in_one_line():
        serve(
            clickhouse_url=settings.clickhouse_url,
            topic=settings.topic,
            journeys=Journeys.load(settings.journey_file or DEFAULT_JOURNEY).journeys,
            catalogue=Catalogue.load(settings.metrics_file or DEFAULT_METRICS),
            host=settings.page_host,
            port=settings.page_port,
            notice=notice,
        )
