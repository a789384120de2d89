"""One client for ClickHouse's HTTP interface, from one URL."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

import clickhouse_connect
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 60
"""Silence, not duration: while a query runs the server sends progress headers."""
DATABASE: Final = "touchstream"
"""Where the URL names none."""
SERVER_MIN: Final = (25, 8)
"""The oldest version that our main statements were run on; 24.8 takes the migrations, but not rolling windows."""
_PORTS: Final = {"http": 8123, "https": 8443}


class ServerTooOldError(ValueError):
    """The server lacks what our statements use; the message says which version it needs to be."""


def first_database(clickhouse_url: str) -> str:
    """The database that the URL names."""
    return unquote(_parsed(clickhouse_url).path.strip("/")) or DATABASE


def database_url(clickhouse_url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return _parsed(clickhouse_url)._replace(path=f"/{quote(database, safe='')}").geturl()


def connect_directly(clickhouse_url: str) -> Client:
    """A client for `http://user:password@host:port/database` (or https; user, password and database percent-encoded).

    Asks the server for its version and settings and creates nothing: the database may be missing. The client may be
    used by several threads. Raises ValueError for what is no such URL, ServerTooOldError, and `clickhouse_connect`'s
    OperationalError or DatabaseError when the server doesn't answer or refuses; no message holds the password.
    """
    url = _parsed(clickhouse_url)
    try:
        client = _connected(url)
    except DatabaseError:
        # A very old server doesn't know what the driver asks first, and says so in words of its own.
        refuse_too_old(_version(url))
        raise
    refuse_too_old(client.server_version or "")
    # Not at connect: the driver's first query would fail where the database is still to be created.
    client.database = first_database(clickhouse_url)
    return client


def refuse_too_old(version: str) -> None:
    """Raises ServerTooOldError for a version below SERVER_MIN; not for what is no version."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < SERVER_MIN:
        needed = ".".join(str(number) for number in SERVER_MIN)
        raise ServerTooOldError(
            f"ClickHouse {numbers[0]} is too old: touchstream needs {needed} or newer; upgrade the server"
        )


def _version(url: SplitResult) -> str:
    """What the server says to be, asked without the driver; empty where it doesn't say."""
    login = f"{unquote(url.username or 'default')}:{unquote(url.password or '')}"
    place = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"
    address = place if url.port else f"{place}:{_PORTS[url.scheme]}"
    try:
        answer = urllib3.request(
            "POST", f"{address}/", body=b"SELECT version()", headers=urllib3.make_headers(basic_auth=login),
            timeout=CONNECT_SECONDS, retries=False,
        )  # fmt: skip
    except urllib3.exceptions.HTTPError:
        return ""
    return answer.data.decode(errors="replace").strip() if answer.status == 200 else ""


def _connected(url: SplitResult) -> Client:
    return clickhouse_connect.get_client(
        interface=url.scheme,
        host=url.hostname,
        port=url.port or _PORTS[url.scheme],
        username=unquote(url.username or "default"),
        password=unquote(url.password or ""),
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=READ_SECONDS,
        # Loopback moves bytes faster than they can be compressed.
        compress=not _is_loopback(url.hostname or ""),
        # A session admits one query at a time, and threads share this client.
        autogenerate_session_id=False,
        client_name="touchstream",
    )


def redacted(clickhouse_url: str) -> str:
    """The URL as it may be logged: without its password."""
    try:
        parts = urlsplit(clickhouse_url)
    except ValueError:
        return "***"
    if parts.password is None:
        return clickhouse_url
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{place}").geturl()


def _parsed(clickhouse_url: str) -> SplitResult:
    wanted = "write it as http://user:password@host:port/database"
    try:
        url = urlsplit(clickhouse_url)
        _ = url.port
    except ValueError as error:
        # The parser's own message may quote the part with the password.
        raise ValueError(f"CLICKHOUSE_URL is no URL: {wanted}") from error
    if url.scheme not in _PORTS or not url.hostname:
        raise ValueError(f"CLICKHOUSE_URL {redacted(clickhouse_url)!r} names no http or https server: {wanted}")
    if "/" in url.path.strip("/") or url.query or url.fragment:
        raise ValueError(f"CLICKHOUSE_URL {redacted(clickhouse_url)!r} has more than a database in its path: {wanted}")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def clock_ms(client: Client) -> int:
    """ClickHouse's wall clock, milliseconds since 1970."""
    return int(str(client.command("SELECT toUnixTimestamp64Milli(now64(3))")))
