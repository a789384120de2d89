"""Which instruments are declared, as the definitions in force say: what is asked of the tables follows them."""

from functools import lru_cache
from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from touchstream.schemas.instruments import NONE, Instruments
from touchstream.sinks.clickhouse.errors import code
from touchstream.sinks.clickhouse.sql import query_text

NOT_MADE_YET: Final = {60, 81}
"""UNKNOWN_TABLE, UNKNOWN_DATABASE: `init` has not been here."""


def instruments_declared(client: Client) -> Instruments:
    """The instruments of the definitions in force; none beside those that always exist where there are none yet."""
    try:
        rows = client.query(query_text("instruments_declared", NONE)).result_rows
    except ClickHouseError as error:
        if code(error) in NOT_MADE_YET:
            return NONE
        raise
    return _instruments(str(rows[0][0]))


@lru_cache(maxsize=8)
def _instruments(text: str) -> Instruments:
    try:
        return Instruments.of_document(msgspec.json.decode(text or "[]"))
    except ValueError:  # of a newer version: nothing that this one could show
        return NONE
