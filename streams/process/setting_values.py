"""Settings whose values are more than a type: each function returns the value, or says what it must be."""

import ipaddress
import re
from urllib.parse import urlsplit

from touchstream.schemas.alert_destinations import MailServer, mail_addresses, webhook_keys
from touchstream.streams.process.connection import kafka_servers


def kafka_url(url: str) -> str:
    """Kafka's servers. Raises ValueError."""
    kafka_servers(url)
    return url


def http_url(url: str) -> str:
    """An address over HTTP. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http://host:port/… or https://host:port/…")
    return url


def webhook_keys_text(text: str) -> str:
    """Keys of webhooks, as text. Raises ValueError."""
    webhook_keys(text)
    return text


def mail_server(url: str) -> str:
    """A server for e-mail. Raises ValueError."""
    MailServer.from_url(url)
    return url


def addresses(text: str) -> str:
    """Addresses of e-mail. Raises ValueError."""
    return ", ".join(mail_addresses(text))


def one_address(text: str) -> str:
    """One address of e-mail. Raises ValueError."""
    if len(mail_addresses(text)) != 1:
        raise ValueError("must be one address")
    return text.strip()


def listed(text: str) -> list[str]:
    """What stands in a list that is separated by commas."""
    return [one for part in text.split(",") if (one := part.strip())]


def header_name(text: str) -> str:
    """A header's name, or none (RFC 9110, 5.6.2). Raises ValueError."""
    if text and not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", text):
        raise ValueError("must be the name of a header, such as X-Forwarded-User")
    return text


def networks_text(text: str) -> str:
    """Addresses and networks. Raises ValueError."""
    for one in listed(text):
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError as error:
            raise ValueError(f"{one} must be an address or a network, such as 10.0.0.0/8") from error
    return text


def topic_name(name: str) -> str:
    """A name that Kafka takes. Raises ValueError."""
    # Kafka's own rule; 200 leaves room for the suffix `.dead-letter` within its 249 characters.
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", name) or name in (".", ".."):
        raise ValueError("must be 1 to 200 of the characters A-Z a-z 0-9 . _ -")
    return name
