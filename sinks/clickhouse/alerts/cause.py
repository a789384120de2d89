"""The groups of a dimension before and during an alert, from panes."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.alert_state import Group
from touchstream.schemas.bins import Bins
from touchstream.sinks.clickhouse.alerts.buckets import instruments_under
from touchstream.sinks.clickhouse.sql import query_text

_ROWS_MAX: Final = 20_000


@dataclass(frozen=True)
class CausePeriod:
    """[from_ms, to_ms) (since 1970), read from panes of so many seconds; both are at borders of such panes."""

    from_ms: int
    to_ms: int
    resolution_s: int = 300


class CauseTables:
    """Panes by any dimension. Blocking. Raises ClickHouseError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def cause_sums(
        self, by: str, bins: Bins, group: Group, periods: Sequence[CausePeriod]
    ) -> dict[tuple[str, int], list[int]]:
        """By name of a group and number of a period what was counted by bin. by: a column of stage_panes."""
        parameters = {
            "by": by,
            "froms": [one.from_ms for one in periods],
            "tos": [one.to_ms for one in periods],
            "resolutions": [one.resolution_s for one in periods],
            "places": [[] if name is None else [name] for name in astuple(group)],
            "most": _ROWS_MAX,
        }
        rows = self._client.query(
            query_text("cause_sums", instruments_under(bins), columns=bins.columns), parameters
        ).result_rows
        return {(str(name), int(period)): list(counts) for name, period, counts in rows}
