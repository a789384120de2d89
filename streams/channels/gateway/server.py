"""Runs the gateway until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import math

import structlog
import uvicorn

from touchstream.schemas.void_ids import VoidIds
from touchstream.sinks.clickhouse.customers.reader import CustomerReader
from touchstream.sinks.http import server
from touchstream.sinks.http.server import is_loopback, stop_signals_held, url_of
from touchstream.streams.channels.bulk import BulkDestination
from touchstream.streams.channels.gateway.app import Gateway
from touchstream.streams.channels.gateway.dead_letters import Letters
from touchstream.streams.channels.gateway.delivery import GatewayDelivery
from touchstream.streams.channels.gateway.key_lines import KeyFileError
from touchstream.streams.channels.gateway.keys import KeyFile
from touchstream.streams.channels.gateway.rate import Rate
from touchstream.streams.channels.gateway.sources import read_sources, segment_converter
from touchstream.streams.process.settings import Settings

log = structlog.get_logger(__name__)


def serve(settings: Settings) -> None:
    """Take events over HTTP until SIGTERM or Ctrl-C; requests that have begun are answered first.

    Starts without Kafka, too: it answers 503 and connects as soon as it can.

    Raises KeyFileError if the keys can't be used or there are none where they are needed, SourcesError if the sources
    can't be used, and OSError if the address can't be had.
    """
    # It says every attempt, several times a second while Kafka is away; `GatewayDelivery` says what changes.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    application = gateway(settings).application()
    with server.listening(settings.gateway_host, settings.gateway_port, "gateway") as listener:
        log.info("gateway listens", url=url_of(listener), keys=settings.gateway_keys_file is not None)
        config = server.config(
            application, lifespan="on", stop_seconds=math.ceil(settings.gateway_delivery_seconds) + 1
        )
        with stop_signals_held():
            uvicorn.Server(config).run(sockets=[listener])
    log.info("gateway stopped")


def gateway(settings: Settings) -> Gateway:
    """The gateway as the settings ask for it. Raises KeyFileError, SourcesError."""
    keys = KeyFile(settings.gateway_keys_file) if settings.gateway_keys_file else None
    if keys is None and not is_loopback(settings.gateway_host):
        raise KeyFileError(
            f"the gateway would listen on {settings.gateway_host} for anybody: set TOUCHSTREAM_GATEWAY_KEYS_FILE"
            " (`touchstream gateway key NAME` makes a key), or TOUCHSTREAM_GATEWAY_HOST to 127.0.0.1"
        )
    return Gateway(
        delivery=GatewayDelivery(BulkDestination.of(settings), settings.gateway_delivery_seconds),
        keys=keys,
        rate=Rate(settings.gateway_events_per_second),
        byte_rate=Rate(settings.gateway_bytes_per_second),
        body_bytes_max=settings.gateway_body_bytes_max,
        letters=Letters(settings.gateway_letters_per_minute),
        customers=_customers(settings),
        void_ids=VoidIds.of(settings.void_words),
        scales=settings.scales(),
        sources=read_sources(settings.gateway_sources_file) if settings.gateway_sources_file else (),
        segment=segment_converter(settings.gateway_segment_mapping),
    )


def _customers(settings: Settings) -> CustomerReader | None:
    """Reads people if CLICKHOUSE_URL was set; None for its default."""
    if settings.origins.get("clickhouse_url", "default") == "default":
        return None
    return CustomerReader(settings.clickhouse_url, settings.topic)
