"""The namespaces of a topic's rule files: whose rows are whose."""

import time
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.sql import query_text

_SETTLED_SECONDS: Final = 0.5
"""After this, two that begin a topic at one moment both see which was the first."""


@dataclass(frozen=True)
class Namespace:
    """A file's namespace.

    stored: as tables, keys and labels have it: empty for the first one of a topic, whose rows are those of before there
    were namespaces.
    """

    name: str
    stored: str


def namespace_of(client: Client, topic: str, name: str) -> Namespace:
    """A namespace as it is stored, or would be if it were judged now. Raises ClickHouseError."""
    first = _names(client, topic)[:1]
    return Namespace(name, "" if first in ([], [name]) else name)


def claim_namespace(client: Client, topic: str, name: str) -> Namespace:
    """The namespace of a file that is going to be judged; the first one of a topic for ever has the plain rows.

    Raises ClickHouseError.
    """
    known = _names(client, topic)
    if name not in known:
        client.insert("alert_namespaces", [[topic, name]], ["topic", "namespace"])
    if not known:
        time.sleep(_SETTLED_SECONDS)
    return namespace_of(client, topic, name)


def shown_namespace(client: Client, topic: str) -> str:
    """The name of the rows that have none: the first namespace. Empty before any. Raises ClickHouseError."""
    return next(iter(_names(client, topic)), "")


def _names(client: Client, topic: str) -> list[str]:
    """The first one first."""
    return [name for (name,) in client.query(query_text("alert_namespaces"), {"topic": topic}).result_rows]
