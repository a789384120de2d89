"""What is the same for every page and every viewer: lanes, alerts that are firing, how far `watch` is, and health."""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from clickhouse_connect.driver.client import Client
from urllib3 import Timeout

from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.schemas.windows import BY_NAME, Window
from touchstream.sinks.clickhouse.alerts.rounds import Round, newest_round
from touchstream.sinks.clickhouse.database import Database
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.page.board import Alert
from touchstream.sinks.page.health import Absent, JudgedAlerts, PageHealth, health, is_late

EVERYWHERE_SECONDS: Final = 1.0
"""Interval for reading what is the same for all viewers, in seconds."""
SELDOM_SECONDS: Final = 5.0
"""Interval for reading what changes slowly, in seconds."""
KEPT_MAX: Final = 256
_TIMEOUT: Final = Timeout(connect=2, read=5)
"""Seconds. The queries take milliseconds: a server that is silent for longer hangs, and the page must end."""
_WATCHED: Final = BY_NAME["1m"]
"""The window by which a page that shows no window is called live."""

Value = TypeVar("Value")

CurrentAlerts = Callable[[Client], Sequence[Alert]]
"""Reads the alerts that are firing."""


class Kept(Generic[Value]):
    """Values that are good for some seconds. Two threads may read one at once; either will do."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._values: dict[Hashable, tuple[float, Value]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, read: Callable[[], Value]) -> Value:
        """The value of a key, read again where it is too old."""
        now = time.monotonic()
        kept = self._values.get(key)
        if kept is not None and now - kept[0] < self._seconds:
            return kept[1]
        value = read()
        if len(self._values) >= KEPT_MAX:
            self._values.clear()
        self._values[key] = now, value
        return value


@dataclass(frozen=True)
class Everywhere:
    """Lanes, alerts that are firing, and how far alerts have been judged."""

    lanes: Sequence[WrittenLaneRow]
    alerts: tuple[Alert, ...]
    round: Round | None

    @property
    def watermark_ms(self) -> int:
        """Up to when every lane is complete; 0 without lanes."""
        return min((lane.watermark_ms for lane in self.lanes), default=0)


class Surroundings:
    """Reads them, once for all; blocking, for several threads. Raises ClickHouseError."""

    def __init__(self, clickhouse_url: str, topic: str, current_alerts: CurrentAlerts | None = None) -> None:
        self.topic = topic
        self._database = Database(clickhouse_url, _TIMEOUT)
        self._current_alerts = current_alerts
        self._client = Kept[Client](EVERYWHERE_SECONDS)
        self._everywhere = Kept[Everywhere](EVERYWHERE_SECONDS)
        self._last_event = Kept[int | None](SELDOM_SECONDS)
        self._waiting_since: float | None = None

    def client(self) -> Client:
        """A client of the database."""
        return self._client.get("", self._database.client)

    def read(self) -> Everywhere:
        """As they stood a second ago at most."""
        return self._everywhere.get("", self._read)

    def health(self, window: Window, newest: live.Newest, here: Everywhere) -> PageHealth:
        """The state of a window's numbers."""
        absent = self._absent(window, newest)
        return health(window, newest, here.lanes, JudgedAlerts(here.round, len(here.alerts)), absent)

    def health_now(self) -> PageHealth:
        """The state of the numbers of a page that shows no window."""
        return self.health(_WATCHED, live.newest(self.client(), self.topic, _WATCHED), self.read())

    def _read(self) -> Everywhere:
        client = self.client()
        alerts = tuple(self._current_alerts(client)) if self._current_alerts else ()
        return Everywhere(lanes(client, self.topic), alerts, newest_round(client, self.topic))

    def _absent(self, window: Window, newest: live.Newest) -> Absent:
        """Why there are no rows of now, where that is so."""
        if newest.tick_ms:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        if newest.tick_ms and not is_late(window, newest):
            return Absent()
        since = self._waiting_since
        client = self.client()
        return Absent(
            self._last_event.get("", lambda: live.last_event_ms(client)),
            0 if since is None else int(1_000 * (time.monotonic() - since)),
        )
