"""ClickHouse's error codes, in the three kinds that a writer must tell apart. One table; all else asks here."""

from enum import Enum
from types import MappingProxyType
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError, Error


class Kind(Enum):
    """What an error says about the rows that were sent."""

    BUSY = "slow or away: the same rows will be accepted later"
    SETUP = "tables, rights or names are wrong: no rows will be accepted until an operator mends that"
    ROWS = "anything else: perhaps a row among them can't be taken"


_BUSY: Final = {
    74: "CANNOT_READ_FROM_FILE_DESCRIPTOR",
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    76: "CANNOT_OPEN_FILE",
    95: "CANNOT_READ_FROM_SOCKET",
    96: "CANNOT_WRITE_TO_SOCKET",
    159: "TIMEOUT_EXCEEDED",
    164: "READONLY",
    173: "CANNOT_ALLOCATE_MEMORY",
    198: "DNS_ERROR",
    201: "QUOTA_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    244: "UNEXPECTED_ZOOKEEPER_ERROR",
    252: "TOO_MANY_PARTS",
    254: "NO_ACTIVE_REPLICAS",
    265: "NO_AVAILABLE_REPLICA",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE",
    289: "REPLICA_IS_NOT_IN_QUORUM",
    319: "UNKNOWN_STATUS_OF_INSERT",
    369: "ALL_REPLICAS_ARE_STALE",
    394: "QUERY_WAS_CANCELLED",
    416: "REPLICA_STATUS_CHANGED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    473: "DEADLOCK_AVOIDED",
    499: "S3_ERROR",
    574: "DISTRIBUTED_TOO_MANY_PENDING_BYTES",
    668: "INVALID_STATE",
    677: "THREAD_WAS_CANCELED",
    733: "TABLE_IS_BEING_RESTARTED",
    734: "CANNOT_WRITE_AFTER_BUFFER_CANCELED",
    735: "QUERY_WAS_CANCELLED_BY_CLIENT",
    745: "SERVER_OVERLOADED",
    999: "KEEPER_EXCEPTION",
    1000: "POCO_EXCEPTION",
}
"""Retried. READONLY counts as busy: replicas and servers under maintenance answer so and come back."""

_MISSING: Final = {
    16: "NO_SUCH_COLUMN_IN_TABLE",
    47: "UNKNOWN_IDENTIFIER",
    60: "UNKNOWN_TABLE",
    81: "UNKNOWN_DATABASE",
}
_NOT_ALLOWED: Final = {
    48: "NOT_IMPLEMENTED",
    62: "SYNTAX_ERROR",
    73: "UNKNOWN_FORMAT",
    115: "UNKNOWN_SETTING",
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    195: "IP_ADDRESS_NOT_ALLOWED",
    291: "DATABASE_ACCESS_DENIED",
    452: "SETTING_CONSTRAINT_VIOLATION",
    497: "ACCESS_DENIED",
    511: "UNKNOWN_ROLE",
    516: "AUTHENTICATION_FAILED",
}
"""Both raised at once: to bisect on these would turn a wrong password into dead letters."""

NAMES: Final = MappingProxyType(_BUSY | _MISSING | _NOT_ALLOWED)
"""Every code that is named here; a test compares the names with ClickHouse's own."""


def kind(error: ClickHouseError) -> Kind:
    """The kind of an error of clickhouse-connect. Without a code it comes from the network or a proxy: busy."""
    number = code(error)
    if number is None or number in _BUSY:
        return Kind.BUSY
    return Kind.SETUP if number in NAMES else Kind.ROWS


def code(error: ClickHouseError) -> int | None:
    """ClickHouse's number for the error, where the server sent one."""
    return error.code if isinstance(error, Error) else None


def remedy(error: ClickHouseError) -> str:
    """What the reader should do about an error of the kind SETUP."""
    if code(error) in _MISSING:
        return "run `touchstream init` to bring the tables up to date"
    return "check the user, the password and their rights in CLICKHOUSE_URL"


def first_line(error: ClickHouseError) -> str:
    """What went wrong in one line of at most 500 characters, in ClickHouse's own words where it answered."""
    words = str(error).rpartition("server response: ")[2].strip() or type(error).__name__
    return words.splitlines()[0][:500]
