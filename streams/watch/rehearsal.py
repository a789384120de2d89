"""What rules of windows would have said: over rolling rows as recorded, or recomputed with what is known now."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from touchstream.schemas.alert_state import AlertRow, Group, Reading
from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.metrics import Catalogue, Metric
from touchstream.schemas.silence import FEED_RULE
from touchstream.schemas.windows import BY_NAME, Window
from touchstream.streams.watch.judge import FIRING, RESOLVED, judge
from touchstream.streams.watch.muting import Muting, silent_spans
from touchstream.streams.watch.threshold_rehearsal import SuspectStore, threshold_changes
from touchstream.streams.watch.watch import TickReadings, ticks_of

TICKS_MAX: Final = 20_000
"""Most ticks of all rules together that are judged one by one: two days of a window with a tick every ten seconds."""
QUICK_TICKS_MAX: Final = 400_000
"""Most ticks of a rule: windows are kept for 35 days, with a tick every ten seconds."""
_AT_ONCE: Final = 100


class RehearsalError(ValueError):
    """The interval can't be rehearsed; the message says what to do."""


class Recorded(TickReadings, SuspectStore, Protocol):
    """What a rehearsal reads: see `sinks.clickhouse.alerts.store.AlertTables`."""

    def ticks(self, window: str, after_ms: int, to_ms: int, most: int) -> list[int]:
        """Complete ticks in order."""

    def changes(self, from_ms: int = 0, states: Sequence[str] = ()) -> list[AlertRow]:
        """Changes of alerts, the newest first."""

    def recomputed(self, rule: Rule, metric: Metric, window: Window, tick_ms: int) -> dict[Group, Reading]:
        """The rows of a tick as of now."""


class Rehearsal:
    """The rules of windows over the ticks in (from_ms, to_ms]; all alerts begin as ok. Blocking.

    as_known_now: rows are computed anew at each tick of the window, also where none was recorded, and hold what came
    too late for those that were. It costs a query for each tick.
    """

    def __init__(
        self, tables: Recorded, rules: Rules, catalogue: Catalogue, from_ms: int, to_ms: int, *, as_known_now: bool
    ) -> None:
        if from_ms >= to_ms:
            raise RehearsalError("--from must be before --to")
        self._tables, self._catalogue = tables, catalogue
        self._muting = Muting(rules.by_window, catalogue)
        if rules.silence is not None:
            told = [one for one in reversed(tables.changes(0, [FIRING, RESOLVED])) if one.rule.startswith(FEED_RULE)]
            self._muting.remember(silent_spans(told))
        self._now: TickReadings = _KnownNow(tables) if as_known_now else tables
        self._stored, self._as_known_now = tables, as_known_now
        self._plan = [(rule, self._ticks(rule, from_ms, to_ms)) for rule in rules.by_window]
        self.ticks = sum(len(ticks) for _, ticks in self._plan)
        if sum(len(ticks) for rule, ticks in self._plan if not self._is_quick(rule)) > TICKS_MAX:
            raise RehearsalError(
                f"more than {TICKS_MAX:,} windows would be judged: choose a shorter time, or fewer rules"
            )

    def changes(self, progress: Callable[[int], None] = lambda _: None) -> list[AlertRow]:
        """Every change, in the order of event time. progress: gets the number of windows judged."""
        found = [change for rule, ticks in self._plan for change in self._judged(rule, ticks, progress)]
        return sorted(found, key=lambda change: (change.tick_ms, change.rule, change.group.key))

    def _is_quick(self, rule: Rule) -> bool:
        """Whether a month is judged in seconds: a threshold over windows as they were recorded, never muted."""
        return rule.difference is None and not self._as_known_now and not self._muting.remembers(rule)

    def _ticks(self, rule: Rule, from_ms: int, to_ms: int) -> Sequence[int]:
        if not self._as_known_now:
            return self._tables.ticks(rule.window, from_ms, to_ms, QUICK_TICKS_MAX)
        step_ms = BY_NAME[rule.window].step_ms
        return range((from_ms // step_ms + 1) * step_ms, to_ms + 1, step_ms)

    def _judged(self, rule: Rule, ticks: Sequence[int], progress: Callable[[int], None]) -> Iterator[AlertRow]:
        metric = self._catalogue.metrics[rule.metric]
        if self._is_quick(rule):
            yield from threshold_changes(self._stored, rule, metric, ticks, progress)
            return
        alerts: dict[Group, AlertRow] = {}
        for start in range(0, len(ticks), _AT_ONCE):
            for tick in ticks_of(self._now, rule, metric, ticks[start : start + _AT_ONCE], self._muting):
                if tick.readings:  # else what is computed anew is not complete yet
                    judged = judge(rule, metric, alerts, tick)
                    alerts |= {alert.group: alert for alert in judged.alerts}
                    yield from judged.changes
                progress(1)


class _KnownNow:
    """Readings computed anew; those of the newest rule are kept, for most are asked for again as the window before."""

    def __init__(self, tables: Recorded) -> None:
        self._tables = tables
        self._rule: str | None = None
        self._kept: dict[int, dict[Group, Reading]] = {}

    def readings(self, rule: Rule, metric: Metric, ticks: Sequence[int]) -> dict[int, dict[Group, Reading]]:
        if rule.name != self._rule:
            self._rule, self._kept = rule.name, {}
        window = BY_NAME[rule.window]
        # Ticks only go forward: what ends before the first one asked for isn't asked for again.
        self._kept = {tick: rows for tick, rows in self._kept.items() if tick >= ticks[0]}
        for tick in ticks:
            if tick not in self._kept:
                self._kept[tick] = self._tables.recomputed(rule, metric, window, tick)
        return {tick: self._kept[tick] for tick in ticks}
