"""People for servers: connected when first asked, bounded in time and number, so that a server outlives ClickHouse."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from urllib3 import Timeout

from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import NAME_BYTES_MAX
from touchstream.sinks.clickhouse.customers.find import customer
from touchstream.sinks.clickhouse.customers.person_views import Onlooker, PersonView, PersonViews
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.sinks.clickhouse.database import Database

AT_ONCE_MAX: Final = 4
PATIENCE_SECONDS: Final = 15.0
_TIMEOUT: Final = Timeout(connect=2, read=5)
"""Seconds. A view is a dozen queries of milliseconds each: a server that is silent for longer hangs."""


class NoSuchId(ValueError):  # noqa: N818 - it says what is the case
    """The id is not valid; the message says why."""


class CustomersBusy(Exception):  # noqa: N818 - it says what is the case
    """There are as many questions under way as there may be, or ClickHouse took too long over this one."""


class CustomerReader:
    """Reads views of people, several at once."""

    def __init__(self, clickhouse_url: str, topic: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._database = Database(clickhouse_url, _TIMEOUT)
        self._topic, self._patience_seconds = topic, patience_seconds
        self._threads = ThreadPoolExecutor(AT_ONCE_MAX, "customers")
        self._at_work = 0

    async def view(self, wanted: str, anonymous: bool, onlooker: Onlooker) -> CustomerView | None:
        """As `customers.customer`. That the onlooker saw it is written down first.

        Raises NoSuchId, CustomersBusy, ClickHouseError.
        """
        if not 1 <= len(wanted.encode("utf-8", "replace")) <= NAME_BYTES_MAX or "\0" in wanted:
            raise NoSuchId(f"an id has 1 to {NAME_BYTES_MAX} bytes, none of them 0")
        if self._at_work >= AT_ONCE_MAX:
            raise CustomersBusy("too many people are asked for at once")
        self._at_work += 1
        reading = asyncio.get_running_loop().run_in_executor(self._threads, self._read, wanted, anonymous, onlooker)
        reading.add_done_callback(self._done)
        answered, _ = await asyncio.wait({reading}, timeout=self._patience_seconds)
        if not answered:
            raise CustomersBusy("ClickHouse takes too long")
        return reading.result()

    def _done(self, reading: "asyncio.Future[CustomerView | None]") -> None:
        # A thread that is still reading keeps its place, also after its client has gone.
        self._at_work -= 1
        if not reading.cancelled():
            reading.exception()

    def _read(self, wanted: str, anonymous: bool, onlooker: Onlooker) -> CustomerView | None:
        client = self._database.client()
        found = customer(client, wanted, anonymous, self._topic)
        customer_id = (found and found.customer_id) or ""
        PersonViews(client).record(
            PersonView(
                at_ms=now_ms(),
                onlooker=onlooker,
                found=found is not None,
                customer_id=customer_id,
                anonymous_id="" if found is None or wanted == customer_id else wanted,
            )
        )
        return found
