"""Runs the gateway until it is told to stop."""

from __future__ import annotations

import ipaddress
import logging
import math
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn

from sinks.clickhouse.customer_reader import CustomerReader
from streams.channels.bulk import Destination
from streams.channels.gateway.app import Gateway
from streams.channels.gateway.delivery import Delivery
from streams.channels.gateway.keys import KeyFile, KeyFileError
from streams.channels.gateway.rate import Rate
from streams.settings import Settings

log = structlog.get_logger(__name__)

CONNECTIONS_MAX: Final = 1_000
HEAD_BYTES_MAX: Final = 16 * 1024
"""Of a request's line and headers."""
KEEP_ALIVE_SECONDS: Final = 30
_BACKLOG: Final = 512
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve(settings: Settings) -> None:
    """Take events over HTTP until SIGTERM or Ctrl-C; requests that have begun are answered first.

    Starts without Kafka, too: it answers 503 and connects as soon as it can.

    Raises KeyFileError if the keys can't be used or there are none where they are needed, and OSError if the address
    can't be had.
    """
    # It says every attempt, several times a second while Kafka is away; `Delivery` says what changes.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    application = gateway(settings).application()
    with listening(settings.gateway_host, settings.gateway_port) as listener, _stop_signals_held():
        address = listener.getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        log.info("gateway listens", url=f"http://{host}:{address[1]}", keys=settings.gateway_keys_file is not None)
        config = uvicorn.Config(
            application,
            http="h11",  # it bounds the headers; the faster httptools doesn't
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(settings.gateway_delivery_seconds) + 1,
            h11_max_incomplete_event_size=HEAD_BYTES_MAX,
            backlog=_BACKLOG,
        )
        uvicorn.Server(config).run(sockets=[listener])
    log.info("gateway stopped")


def gateway(settings: Settings) -> Gateway:
    """The gateway as the settings ask for it. Raises KeyFileError."""
    keys = KeyFile(settings.gateway_keys_file) if settings.gateway_keys_file else None
    if keys is None and not is_loopback(settings.gateway_host):
        raise KeyFileError(
            f"the gateway would listen on {settings.gateway_host} for anybody: set TOUCHSTREAM_GATEWAY_KEYS_FILE"
            " (`touchstream gateway key NAME` makes a key), or TOUCHSTREAM_GATEWAY_HOST to 127.0.0.1"
        )
    return Gateway(
        delivery=Delivery(Destination.of(settings), settings.gateway_delivery_seconds),
        keys=keys,
        rate=Rate(settings.gateway_events_per_second),
        body_bytes_max=settings.gateway_body_bytes_max,
        customers=_customers(settings),
    )


def _customers(settings: Settings) -> CustomerReader | None:
    """People are read where somebody has said from which ClickHouse; the default is not asked."""
    if settings.origins.get("clickhouse_url", "default") == "default":
        return None
    return CustomerReader(settings.clickhouse_url, settings.topic)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it; a name says nothing certain, apart from localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections. Raises OSError, saying what to do."""
    try:
        # With its protocol named, unlike socket.create_server: else asyncio doesn't know that connections are TCP and
        # leaves Nagle's algorithm on, which holds back the second part of every answer for 40 ms.
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise OSError(
            f"the gateway can't listen on {host}:{port}: {error.strerror or error};"
            " set TOUCHSTREAM_GATEWAY_HOST and TOUCHSTREAM_GATEWAY_PORT"
        ) from error
    with listener:
        yield listener


@contextmanager
def _stop_signals_held() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more when it has stopped; the process should end well instead."""
    before = {number: signal.signal(number, lambda *_: None) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
