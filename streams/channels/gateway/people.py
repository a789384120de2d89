"""`GET /v1/customers/{id}`: one view of a person, for those who may read. Ids are logged nowhere."""

from __future__ import annotations

import ipaddress
from typing import Final

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError
from starlette.requests import Request

from touchstream.sinks.clickhouse.customers.person_views import Onlooker
from touchstream.sinks.clickhouse.customers.reader import CustomerReader, CustomersBusy, NoSuchId
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.sinks.clickhouse.errors import code
from touchstream.streams.channels.gateway.problems import Problem, come_back

log = structlog.get_logger(__name__)

CUSTOMERS: Final = "/v1/customers/"
CUSTOMER: Final = f"{CUSTOMERS}{{id}}"
RETRY_SECONDS: Final = 5
_YES_OR_NO: Final = {"true": True, "false": False}


async def person(reader: CustomerReader | None, request: Request, by: str) -> CustomerView:
    """The person whom a request asks for; by: the name of the key that asks. Raises Problem: 400, 404, 503."""
    if reader is None:
        detail = "this gateway reads no customers: TOUCHSTREAM_CLICKHOUSE_URL is not set"
        raise Problem(404, "No customers here", detail)
    anonymous = _YES_OR_NO.get(request.query_params.get("anonymous", "false"))
    if anonymous is None:
        raise Problem(400, "Unknown parameter", "anonymous is true or false")
    try:
        found = await reader.view(request.path_params["id"], anonymous, Onlooker("gateway", by))
    except NoSuchId as error:
        raise Problem(400, "No such id", str(error)) from None
    except CustomersBusy as error:
        raise come_back(503, "Customers can't be read now", f"{error}; ask again later", RETRY_SECONDS) from None
    except ClickHouseError as error:
        # Its own words may quote the query, and with it the id.
        log.warning("customers can't be read", code=code(error))
        raise come_back(503, "Customers can't be read now", "ClickHouse doesn't answer", RETRY_SECONDS) from None
    if found is None:
        raise Problem(404, "No person has this ID", "no touches with this id were measured")
    return found


def is_this_machine(request: Request) -> bool:
    """Whether the request names this machine as its host: a web page that rebinds its own name to loopback does not."""
    name = request.url.hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
