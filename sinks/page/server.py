"""Runs the page until SIGTERM or SIGINT."""

from collections.abc import Collection, Sequence
from types import FrameType
from typing import Final

import structlog
import uvicorn

from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.http import server
from touchstream.sinks.http.server import HostNames, is_loopback, only_for, stop_signals_held, url_of
from touchstream.sinks.page.annotations import Annotate, AnnotationPage
from touchstream.sinks.page.app import Console
from touchstream.sinks.page.drawing import Drawing
from touchstream.sinks.page.live_page import VIEWERS_MAX
from touchstream.sinks.page.pages import live_pages
from touchstream.sinks.page.people import People
from touchstream.sinks.page.sign_in import SignIn, Visitor, for_visitors
from touchstream.sinks.page.surroundings import CurrentAlerts, Surroundings

log = structlog.get_logger(__name__)

_STOP_SECONDS: Final = 6
"""Timeout for streams on shutdown: they end within a second, or after four if ClickHouse hangs."""


def serve(
    clickhouse_url: str,
    topic: str,
    journeys: Sequence[Journey],
    catalogue: Catalogue,
    host: str,
    port: int,
    notice: str | None = None,
    current_alerts: CurrentAlerts | None = None,
    customers: bool | None = None,
    actions: bool | None = None,
    hosts: Collection[str] = (),
    sign_in: SignIn | None = None,
    annotate: Annotate | None = None,
) -> None:
    """Show the page until SIGTERM or Ctrl-C. Starts without ClickHouse, too, and shows its numbers as soon as it can.

    topic: whose rolling rows are shown. port 0: any free one, which the log names. notice: a line at the top.
    current_alerts: the alerts that are firing; None where there are none to ask for.
    hosts: names under which it is asked for, beside those of loopback and `host`.
    customers, actions: whether people are shown, which is personal data, and alerts acknowledged and silenced; None: on
    loopback, or to whom sign_in says.

    sign_in: how visitors are known; None: there is no sign-in. annotate: writes what operators note.

    Raises OSError if the address can't be had.
    """
    anybody = Visitor(operator=_here(actions, host), people=_here(customers, host))
    drawing = Drawing(catalogue, notice)
    surroundings = Surroundings(clickhouse_url, topic, current_alerts)
    pages, form = live_pages(surroundings, journeys, catalogue, drawing)
    people = People(CustomerReader(clickhouse_url, topic), drawing)
    noted = AnnotationPage(surroundings, drawing, annotate)
    console = Console(pages, [*form.routes(), *people.routes(), *noted.routes()])
    with server.listening(host, port, "page") as listener, stop_signals_held():
        log.info("page answers", url=url_of(listener))
        if sign_in is None and not is_loopback(host):
            _warn_of_no_login(host, anybody)
        visited = for_visitors(console.application(), sign_in, anybody)
        application = only_for(HostNames.of(host, hosts), visited, "TOUCHSTREAM_PAGE_HOSTS")
        config = server.config(application, lifespan="off", stop_seconds=_STOP_SECONDS, connections_max=2 * VIEWERS_MAX)
        _Server(config, console).run(sockets=[listener])
    log.info("page stopped")


class _Server(uvicorn.Server):
    """Ends the streams when asked to stop, because uvicorn would wait for them."""

    def __init__(self, config: uvicorn.Config, console: Console) -> None:
        super().__init__(config)
        self._console = console

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        self._console.stop()
        super().handle_exit(sig, frame)


def _warn_of_no_login(host: str, anybody: Visitor) -> None:
    may = ["sees the metrics"]
    may += ["sees all customers"] * anybody.people + ["may silence alerts"] * anybody.operator
    for one in may:
        log.warning(f"the page has no login: whoever reaches this address {one}", host=host)


def _here(wanted: bool | None, host: str) -> bool:
    """What there is without a login: as it is wanted, or else on loopback only."""
    return is_loopback(host) if wanted is None else wanted
