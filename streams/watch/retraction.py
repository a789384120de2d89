"""Late events that unmake an alert: what fired lately is judged anew by what is known now, and maybe taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.sinks.clickhouse.alerts.buckets import Counts, RecordedBucket, RuleRun, Snapshot
from touchstream.streams.watch.bucket_store import BucketStore, ends_day, judged_bucket, snapshot_of
from touchstream.streams.watch.evidence.buckets import BUCKET_MS
from touchstream.streams.watch.judge import FIRING
from touchstream.streams.watch.rule_series import RuleSeries

RETRACTED: Final = "retracted"
FOR_MS: Final = 24 * 3_600_000
"""How long after it fired an alert is taken back."""


@dataclass(frozen=True)
class Revision:
    """The changes that take alerts back; the buckets as they are known now, and the states and series after them."""

    changes: Sequence[AlertRow]
    buckets: Sequence[RecordedBucket]
    states: Sequence[Snapshot]
    series: RuleSeries


_Bins = tuple[tuple[int, ...], ...]


class Retraction:
    """Takes back alerts of rules by evidence. Blocking; raises ClickHouseError."""

    def __init__(self, buckets: BucketStore) -> None:
        self._buckets = buckets
        self._known: dict[AlertRow, _Bins] = {}
        """What the buckets of an alert that stands held when it was judged anew."""

    def step(self, run: RuleRun, series: RuleSeries, fired: Sequence[AlertRow]) -> Revision | None:
        """What takes alerts back, None where all stand; fired: the firings of the rule within 24 h."""
        touched = self._touched(run, series, fired)
        if not touched:
            return None
        first_ms = min(_onset_ms(alert) for alert in touched)
        snapshot = self._buckets.snapshot(run.rule, run.digest, before_ms=first_ms)
        if snapshot is None or snapshot.run != run:
            return None
        revised = series.before(snapshot.start_ms // BUCKET_MS, snapshot.groups, snapshot.content)
        corrected = self._corrected(run, series, snapshot, {alert.group for alert in touched})
        fires: dict[Group, int] = {}
        states = []
        for bucket in corrected:
            changed = map(revised.alert, revised.take(judged_bucket(bucket)))
            fires |= {alert.group: alert.since_ms for alert in changed if alert.state == FIRING}
            if ends_day(revised.number):
                states.append(snapshot_of(run, revised))
        taken_back = [alert.group for alert in touched if fires.get(alert.group, 0) <= _onset_ms(alert)]
        if not taken_back:
            self._known |= touched
            return None
        changes = [replace(alert, verdict=RETRACTED) for alert in revised.end(taken_back)]
        return Revision(changes, corrected, [*states, snapshot_of(run, revised)], revised)

    def _touched(self, run: RuleRun, series: RuleSeries, fired: Sequence[AlertRow]) -> dict[AlertRow, _Bins]:
        """Alerts whose buckets hold something else now than when they were judged, and what they hold."""
        if not fired:
            return {}
        span = min(_onset_ms(alert) for alert in fired), max(alert.tick_ms for alert in fired)
        counted = self._buckets.counted(series.rule, series.bins, *span)
        recorded = {bucket.start_ms: bucket.counts for bucket in self._buckets.recorded(run, *span)}
        touched = {}
        for alert in fired:
            now, then = _bins_of(alert, counted), _bins_of(alert, recorded)
            if now not in (then, self._known.get(alert)):
                touched[alert] = now
        self._known = {alert: bins for alert, bins in self._known.items() if alert in fired}
        return touched

    def _corrected(
        self, run: RuleRun, series: RuleSeries, snapshot: Snapshot, groups: set[Group]
    ) -> list[RecordedBucket]:
        """The buckets since a state as they were judged, those of some groups as they are now."""
        span = snapshot.start_ms + BUCKET_MS, (series.number + 1) * BUCKET_MS
        counted = self._buckets.counted(series.rule, series.bins, *span)
        buckets = []
        for bucket in self._buckets.recorded(run, *span):
            kept = {group: bins for group, bins in bucket.counts.items() if group not in groups}
            now = {group: bins for group, bins in counted.get(bucket.start_ms, {}).items() if group in groups}
            buckets.append(replace(bucket, counts=kept | now))
        return buckets


def _bins_of(alert: AlertRow, buckets: Mapping[int, Counts]) -> _Bins:
    """What an alert rests on, bucket by bucket."""
    starts = range(_onset_ms(alert), alert.tick_ms, BUCKET_MS)
    return tuple(tuple(buckets.get(start, {}).get(alert.group, ())) for start in starts)


def _onset_ms(alert: AlertRow) -> int:
    """Where the change of an alert began."""
    return alert.baseline.tick_ms if alert.baseline else alert.tick_ms
