"""What the gateway refuses to start with, and how it listens."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest
import structlog

from touchstream.sinks.http.server import is_loopback, listening
from touchstream.streams.channels.bulk import BulkDestination
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.gateway import KeyFileError
from touchstream.streams.channels.gateway.app import Gateway
from touchstream.streams.channels.gateway.dead_letters import Letters
from touchstream.streams.channels.gateway.delivery import GatewayDelivery
from touchstream.streams.channels.gateway.key_lines import key_line
from touchstream.streams.channels.gateway.rate import Rate
from touchstream.streams.channels.gateway.server import gateway
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])  # noqa: S104  that is the point
def test_a_gateway_does_not_start_for_others_without_keys(host: str, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="TOUCHSTREAM_GATEWAY_KEYS_FILE"):
        gateway(Settings(gateway_host=host))
    (tmp_path / "keys").write_text("# none yet\n")
    with pytest.raises(KeyFileError, match="has no keys"):
        gateway(Settings(gateway_host=host, gateway_keys_file=tmp_path / "keys"))
    (tmp_path / "keys").write_text(key_line("shop", "key"))
    assert gateway(Settings(gateway_host=host, gateway_keys_file=tmp_path / "keys")).keys is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_this_machine_alone_it_starts_without_keys(host: str) -> None:
    assert is_loopback(host)
    assert gateway(Settings(gateway_host=host)).keys is None


def test_answers_are_not_held_back() -> None:
    with listening("127.0.0.1", 0, "gateway") as listener:
        assert listener.proto == socket.IPPROTO_TCP  # what asyncio looks at before it turns Nagle's algorithm off


def test_an_address_that_is_taken_is_said_to_be() -> None:
    with listening("127.0.0.1", 0, "gateway") as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}: Address already in use; set TOUCHSTREAM_GATEWAY_HOST"):
            listening("127.0.0.1", port, "gateway").__enter__()
    with pytest.raises(OSError, match=r"no\.such\.host\.invalid:80"):
        listening("no.such.host.invalid", 80, "gateway").__enter__()


class Broken(GatewayDelivery):
    """Fails in a way that nobody thought of."""

    @property
    def encoder(self) -> Encoder:
        raise RuntimeError("the event of somebody-in-particular")

    async def __aenter__(self) -> Broken:
        return self


def test_an_internal_error_shows_nothing_of_the_inside() -> None:
    delivery = Broken(BulkDestination(KafkaConnection.from_url("kafka://127.0.0.1:1")), 1)
    application = Gateway(delivery, None, Rate(1000), Rate(1000), 1000, Letters(10)).application()

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/v1/touchpoints", content=b"{}")

    with structlog.testing.capture_logs() as log:
        response = asyncio.run(post())
    assert response.status_code == response.json()["status"] == 500
    assert "somebody-in-particular" not in response.text + str(log)
    assert (log[0]["error"], log[0]["path"]) == ("RuntimeError", "/v1/touchpoints")
    assert f"{Path(__file__).name}:" in log[0]["at"]
