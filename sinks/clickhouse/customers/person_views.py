"""Who looked at which person: rows that stay, without what is erased."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from clickhouse_connect.driver.client import Client

from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.sql import query_text

Door = Literal["page", "gateway"]
READ_MAX: Final = 100_000
_COLUMNS: Final = ("at", "door", "by", "found", "customer_id", "anonymous_id")


@dataclass(frozen=True)
class Onlooker:
    """Who asks for a person, and where. by: a name by sign-in or of an API key; empty where no one signs in."""

    door: Door
    by: str


@dataclass(frozen=True)
class PersonView:
    """That a person was looked at (at_ms since 1970). found: whether there was one; erased ids are empty."""

    at_ms: int
    onlooker: Onlooker
    found: bool
    customer_id: str = ""
    anonymous_id: str = ""


class PersonViews:
    """The table. Blocking; raises ClickHouseError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def record(self, one: PersonView) -> None:
        """Write it down."""
        row = [
            instant(one.at_ms), one.onlooker.door, one.onlooker.by, one.found, one.customer_id, one.anonymous_id,
        ]  # fmt: skip
        self._client.insert("person_views", [row], list(_COLUMNS))

    def between(
        self, from_ms: int, to_ms: int, who: str = "", person: str = "", most: int = READ_MAX
    ) -> list[PersonView]:
        """Who looked at whom in [from_ms, to_ms), the newest first; who, person: only theirs, by name and by id."""
        asked: dict[str, Any] = {"from_ms": from_ms, "to_ms": to_ms, "who": who, "person": person, "most": most}
        rows = self._client.query(query_text("person_views_between"), asked).result_rows
        return [PersonView(at_ms, Onlooker(door, by), bool(found), *ids) for at_ms, door, by, found, *ids in rows]
