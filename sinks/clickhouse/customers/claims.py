"""Which events made which anonymous ids whose: what to look at where a person has what isn't theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.sql import query_text

CLAIMS_MAX: Final = 1_000


@dataclass(frozen=True)
class AnonymousIdClaim:
    """That an anonymous id is a customer's, as events with the action `identify` said; the first of them stands here.

    counts: whether the anonymous id is this customer's: of several claims the one that occurred first counts.
    claimed_at: ISO 8601, UTC. times: how many events said so.
    """

    anonymous_id: str
    customer_id: str
    counts: bool
    claimed_at: str
    times: int
    event_id: str
    log_id: str
    partition: int
    log_offset: int


def identity_claims(client: Client, identifier: str, *, anonymous: bool) -> tuple[Sequence[AnonymousIdClaim], int]:
    """The claims on the anonymous ids that a customer ever claimed, or on one anonymous id; and how many there are.

    anonymous: the id is an anonymous one, also if a customer has the same. At most CLAIMS_MAX are given.
    """
    found = _claims(client, identifier, is_anonymous=anonymous)
    return found if found[1] or anonymous else _claims(client, identifier, is_anonymous=True)


def _claims(client: Client, identifier: str, *, is_anonymous: bool) -> tuple[list[AnonymousIdClaim], int]:
    parameters = {"id": identifier, "is_anonymous": is_anonymous, "most": CLAIMS_MAX}
    rows = list(client.query(query_text("identity_claims"), parameters).named_results())
    claims = [
        AnonymousIdClaim(
            anonymous_id=row["anonymous_id"],
            customer_id=row["customer_id"],
            counts=bool(row["counts"]),
            claimed_at=instant(row["claimed_ms"]).isoformat(timespec="milliseconds"),
            times=row["times"],
            event_id=row["event_id"],
            log_id=row["log_id"],
            partition=row["partition"],
            log_offset=row["log_offset"],
        )
        for row in rows
    ]
    return claims, rows[0]["total"] if rows else 0
