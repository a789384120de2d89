"""Which groups have rolling rows of their own, whatever names events bring: decided, and kept in the table `series`.

The rule stands in `series_decided.sql`; docs/decisions/0019 says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.sql import query_text

KINDS: Final[Mapping[str, Sequence[str]]] = {
    "journey": (),
    "stage": ("stage",),
    "channel": ("stage", "channel"),
    "segment": ("stage", "segment"),
    "cross": ("stage", "channel", "segment"),
}
"""Each kind of group and what it has a name of besides the journey, in the order in which they are decided."""
_LONGEST_MS: Final = max(window.length_ms for window in WINDOWS)
_HOUR_MS: Final = 3_600_000
SILENCE_TOUCHES: Final = 10
"""Touches within 28 days from which on the silence of a name that is not declared has rows of its own."""


@dataclass(frozen=True)
class Decided:
    """How many groups of a kind have rows of their own; how many have none, of 28 days and of the last one."""

    admitted: int
    refused: int
    refused_lately: int


def decide_series(client: Client, topic: str, most: int, now_ms: int, oldest_ms: int) -> dict[str, Decided]:
    """Decide for each kind anew, and return how it stands; idempotent.

    most: groups of a kind besides the declared ones. oldest_ms: the end of the oldest window that is to be written.
    """
    parameters = {"topic": topic, "most": most, "now_ms": now_ms, "from_ms": min(now_ms, oldest_ms) - _LONGEST_MS}
    parameters |= {"silence_touches": SILENCE_TOUCHES}
    for kind, names in KINDS.items():
        has = {f"has_{name}": name in names for name in ("stage", "channel", "segment")}
        client.command(query_text("series_decided"), parameters | {"kind": kind, **has})
    return series_decided(client, topic)


def series_decided(client: Client, topic: str) -> dict[str, Decided]:
    """How each kind was decided last; empty before the first decision."""
    found = client.query(query_text("series_counts"), {"topic": topic})
    return {kind: Decided(*counts) for kind, *counts in found.result_rows}


def has_newcomers(client: Client, topic: str, kinds: Sequence[str], from_ms: int) -> bool:
    """Whether there is a group of these kinds since an instant that has no row of its own, though what it is in has."""
    parameters = {"topic": topic, "kinds": list(kinds), "from_ms": from_ms // _HOUR_MS * _HOUR_MS}
    return bool(client.query(query_text("series_newcomers"), parameters).result_rows[0][0])
