"""What rules by evidence need of tables, and the ways between tables and series."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from touchstream.schemas.alert_state import Group
from touchstream.schemas.alerts import Rule
from touchstream.schemas.bins import Bins
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.alerts.buckets import Counts, RecordedBucket, RuleRun, Snapshot
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_DAY
from touchstream.streams.watch.rule_series import Bucket, RuleSeries

GatesOf = Callable[[Rule, int, Iterable[Group]], Mapping[Group, int]]
"""What silent feeds mute of a rule's groups in a bucket (its number): see `muting.Muting.gates`."""


class BucketStore(Protocol):
    """What is judged: see `sinks.clickhouse.alerts.buckets.BucketTables`."""

    def counted(self, rule: Rule, bins: Bins, from_ms: int, to_ms: int) -> Mapping[int, Counts]:
        """Buckets from panes, as they are now."""

    def heard(self, rule: Rule, bins: Bins, from_ms: int, to_ms: int) -> Mapping[int, Mapping[Group, int]]:
        """By bucket and group the last instant at which there was anything, to ten seconds."""

    def effects(self, metric: str, window: str) -> Mapping[Group, float]:
        """Design effects, where they are not 1."""

    def first_ms(self, from_ms: int) -> int | None:
        """The first bucket since then that has panes."""

    def recorded(self, run: RuleRun, from_ms: int, to_ms: int) -> list[RecordedBucket]:
        """Buckets as they were counted for a run, in order."""

    def record(self, run: RuleRun, buckets: Sequence[RecordedBucket]) -> None:
        """Write buckets before they are judged."""

    def snapshot(self, rule: str, digest: str, before_ms: int = ...) -> Snapshot | None:
        """The newest state, of buckets that start before then."""

    def record_snapshot(self, snapshot: Snapshot) -> None:
        """Write the state after a bucket."""


def counted_now(
    buckets: BucketStore,
    series: RuleSeries,
    false_alarms_per_week: float,
    from_ms: int,
    to_ms: int,
    gates: GatesOf = lambda *_: {},
) -> Iterator[RecordedBucket]:
    """Buckets in [from_ms, to_ms) as panes have them now; gates: what silent feeds mute in each.

    One at a time: the threshold of each holds once those before it were judged.
    """
    rule, bins = series.rule, series.bins
    counted = buckets.counted(rule, bins, from_ms, to_ms)
    effects = {} if bins.is_count else buckets.effects(rule.metric, _effect_window(rule))
    for start_ms in range(from_ms, to_ms, BUCKET_MS):
        counts = counted.get(start_ms, {})
        h = series.threshold(false_alarms_per_week, counts)
        muted = gates(rule, start_ms // BUCKET_MS, {*series.groups, *counts})
        yield RecordedBucket(start_ms, h, counts, {one: effects[one] for one in counts if one in effects}, muted)


def feeds_now(
    buckets: BucketStore,
    series: RuleSeries,
    false_alarms_per_week: float,
    from_ms: int,
    to_ms: int,
    gates: GatesOf,
    *,
    pauses: bool,
) -> Iterator[RecordedBucket]:
    """Buckets of feeds in [from_ms, to_ms) as panes have them now; pauses: whether those behind last events too."""
    heard = buckets.heard(series.rule, series.bins, from_ms, to_ms) if pauses else {}
    for bucket in counted_now(buckets, series, false_alarms_per_week, from_ms, to_ms, gates):
        ends_ms, last = bucket.start_ms + BUCKET_MS, heard.get(bucket.start_ms, {})
        yield replace(
            bucket,
            counts={
                feed: [*bins, (ends_ms - last[feed]) // 1000] if feed in last else bins
                for feed, bins in bucket.counts.items()
            },
        )


def _effect_window(rule: Rule) -> str:
    """The window whose design effects hold for a rule: the shortest that is no shorter than its span."""
    span_ms = (rule.within or timedelta()) // timedelta(milliseconds=1)
    return next((window.name for window in WINDOWS if window.length_ms >= span_ms), WINDOWS[-1].name)


def judged_bucket(bucket: RecordedBucket) -> Bucket:
    """A bucket of the tables, to be judged."""
    return Bucket(bucket.start_ms // BUCKET_MS, bucket.h, bucket.counts, bucket.effects, bucket.gates)


def resumed(buckets: BucketStore, rule: RuleSeries, snapshot: Snapshot, number: int) -> RuleSeries:
    """The series of a rule after bucket `number`, from a state before and the buckets recorded since.

    Raises ValueError where the state is of another version, or a bucket is missing.
    """
    series = rule.before(snapshot.start_ms // BUCKET_MS, snapshot.groups, snapshot.content)
    for bucket in buckets.recorded(snapshot.run, snapshot.start_ms + BUCKET_MS, (number + 1) * BUCKET_MS):
        series.take(judged_bucket(bucket))
    if series.number != number:
        raise ValueError(f"buckets up to {number} are missing after {series.number}")
    return series


def snapshot_of(run: RuleRun, series: RuleSeries) -> Snapshot:
    """The state of series after their last bucket."""
    return Snapshot(run, series.number * BUCKET_MS, list(series.groups), series.packed())


def ends_day(number: int) -> bool:
    """Whether a state is kept after this bucket: the last one of a day, in UTC."""
    return (number + 1) % BUCKETS_PER_DAY == 0
