"""The customer page's routes: a form to look for an id, and one view of a person. Ids are logged nowhere."""

from typing import Final

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from touchstream.sinks.clickhouse.customers.person_views import Onlooker
from touchstream.sinks.clickhouse.customers.reader import CustomerReader, CustomersBusy, NoSuchId
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.sinks.clickhouse.errors import code
from touchstream.sinks.page.drawing import Drawing, Sought
from touchstream.sinks.page.live_page import root_of
from touchstream.sinks.page.sign_in import visitor_of

log = structlog.get_logger(__name__)

_OFF: Final = (
    "this page shows you no customers: TOUCHSTREAM_PAGE_CUSTOMERS and TOUCHSTREAM_PAGE_PEOPLE say to whom it does\n"
)
_HEADERS: Final = {"Cache-Control": "no-store"}
"""Personal data stays in no browser's cache."""


class People:
    """Shows people to those who may see them."""

    def __init__(self, reader: CustomerReader, drawing: Drawing) -> None:
        self._reader, self._drawing = reader, drawing

    def routes(self) -> list[Route]:
        """For any id there is an address: as a path, and as what the form asks for (`.` can't stand in a path)."""
        return [Route("/customers", self._page), Route("/customers/{id:path}", self._page)]

    async def _page(self, request: Request) -> Response:
        visitor = visitor_of(request)
        if not visitor.people:
            return PlainTextResponse(_OFF, 404)
        wanted = request.path_params.get("id") or request.query_params.get("id", "")
        anonymous = request.query_params.get("anonymous") == "true"
        status, view, trouble = (200, None, None)
        if wanted:
            status, view, trouble = await _found(self._reader, wanted, anonymous, Onlooker("page", visitor.name))
        sought = Sought(wanted, anonymous, view, trouble, root_of(request), visitor)
        return HTMLResponse(self._drawing.customer(sought), status, _HEADERS)


async def _found(
    reader: CustomerReader, wanted: str, anonymous: bool, onlooker: Onlooker
) -> tuple[int, CustomerView | None, str | None]:
    """Status, the person, what is in the way of showing one."""
    try:
        view = await reader.view(wanted, anonymous, onlooker)
    except NoSuchId as error:
        return 400, None, str(error)
    except CustomersBusy as error:
        return 503, None, f"{error}; try again"
    except ClickHouseError as error:
        # Its own words may quote the query, and with it the id.
        log.warning("customers can't be read", code=code(error))
        return 503, None, "ClickHouse does not answer; try again"
    if view is None:
        return 404, None, "No person has this ID: no event with it has been measured."
    return 200, view, None
