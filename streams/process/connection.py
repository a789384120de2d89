"""How to reach Kafka, as every client of ours takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from ssl import create_default_context
from typing import Any, Self

_KAFKA_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:(?P<port>\d{1,5}))?", re.ASCII)


@dataclass(frozen=True)
class KafkaConnection:
    """How to reach Kafka: `host:port` servers and, where the broker asks for it, security."""

    servers: tuple[str, ...]
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = None
    ca_file: Path | None = None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """From `kafka://host[:port][,host[:port]…]`, without security. Raises ValueError."""
        return cls(servers=kafka_servers(url))

    def client_options(self) -> dict[str, Any]:
        """The keyword arguments that every kafka-python client takes."""
        options: dict[str, Any] = {
            "bootstrap_servers": list(self.servers),
            "security_protocol": self.security_protocol,
        }
        if self.ca_file is not None:
            options["ssl_cafile"] = str(self.ca_file)
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options

    def async_client_options(self) -> dict[str, Any]:
        """The keyword arguments that every aiokafka client takes."""
        options = self.client_options()
        ca_file = options.pop("ssl_cafile", None)
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = create_default_context(cafile=ca_file)
        return options

    def __repr__(self) -> str:
        return f"KafkaConnection({','.join(self.servers)}, {self.security_protocol})"


def kafka_servers(url: str) -> tuple[str, ...]:
    """The `host:port` servers of a `kafka://` URL (port 9092 where none is given). Raises ValueError."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "kafka", url
    if scheme != "kafka":
        raise ValueError(f"must begin with kafka://, not {scheme}://")
    servers = []
    for server in rest.rstrip("/").split(","):
        match = _KAFKA_SERVER.fullmatch(server.strip())
        if match is None or int(match["port"] or 9092) not in range(1, 65_536):
            raise ValueError("must be kafka://host:port, several hosts separated by commas")
        servers.append(server.strip() if match["port"] else f"{server.strip()}:9092")
    return tuple(servers)
