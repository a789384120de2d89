"""Rules by evidence, bucket by bucket: each complete bucket once and in order, also after a restart.

A bucket is counted, written down as it was counted, and judged; then changes are written, alerts, and the cursor. A
crash between two of them judges the same counts again, to the same end: what a rule says depends on buckets alone.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from touchstream.schemas.alert_notifying import HOW_TOLD
from touchstream.schemas.alert_state import AlertRow
from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.bins import Bins, bins_of
from touchstream.schemas.feed_rules import FeedRule, feed_rules
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.alerts.buckets import RecordedBucket, RuleRun
from touchstream.streams.process import metrics
from touchstream.streams.watch.bucket_store import (
    BucketStore,
    GatesOf,
    counted_now,
    feeds_now,
    judged_bucket,
    resumed,
    snapshot_of,
)
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_DAY, BUCKETS_PER_WEEK
from touchstream.streams.watch.feed_series import FeedSeries
from touchstream.streams.watch.judge import FIRING, RESOLVED, TOLD, retire
from touchstream.streams.watch.muting import Muting, silent_spans
from touchstream.streams.watch.policy import destinations_of
from touchstream.streams.watch.retraction import FOR_MS, RETRACTED, Retraction, Revision
from touchstream.streams.watch.rule_series import VERSION, RuleSeries

log = structlog.get_logger(__name__)

AT_ONCE: Final = BUCKETS_PER_DAY
"""Most buckets of one rule judged in one step."""
HISTORY: Final = 4 * BUCKETS_PER_WEEK
"""Buckets that a rule which is new, or was edited, learns from before it says anything."""
_STALE: Final = 2 * BUCKETS_PER_DAY
"""Buckets behind the cursor beyond which a state is of an earlier life of the rule: there is one a day."""
_UNJUDGED: Final = frozenset({"learning", "unable", "no_data"})


class AlertStore(Protocol):
    """How alerts stand: see `sinks.clickhouse.alerts.store.AlertTables`."""

    def alerts(self, rules: Sequence[str] = (), states: Sequence[str] = ()) -> list[AlertRow]:
        """How alerts stand."""

    def changes(self, from_ms: int = 0, states: Sequence[str] = ()) -> list[AlertRow]:
        """Changes since a tick, the newest first."""

    def cursors(self) -> dict[str, int]:
        """Up to which tick each rule was judged."""

    def record(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        """Write changes, then alerts."""

    def record_judged(self, rule: str, tick_ms: int) -> None:
        """Write the cursor."""


@dataclass
class Going:
    """A run that goes on. learnt_to: the bucket up to which nothing is told."""

    run: RuleRun
    series: RuleSeries
    learnt_to: int


class EvidenceWatch:
    """Judges the rules by evidence of a file. Blocking.

    destinations: notified when an alert fires or is over. written: called after such a change was written.
    noted: annotations within [from, to] (ms).
    """

    def __init__(
        self,
        alerts: AlertStore,
        buckets: BucketStore,
        rules: Rules,
        catalogue: Catalogue,
        destinations: Sequence[str],
        written: Callable[[], None] = lambda: None,
        noted: Callable[[int, int], Sequence[Annotation]] = lambda *_: (),
    ) -> None:
        self._noted, self._noted_for = noted, -1
        self._alerts, self._buckets, self._catalogue = alerts, buckets, catalogue
        self._rules, self._destinations, self._written = rules, tuple(destinations), written
        self._going: dict[str, Going] = {}
        self._feeds = feed_rules(rules, catalogue)
        self.muting = Muting(rules.rules, catalogue)
        """What silent feeds mute."""
        self._spans_known = False
        self._retraction = Retraction(buckets)
        self.judged_to_ms = 0
        """As of the last step: buckets that end by then have been judged by every rule."""

    def step(self, newest: int) -> int:
        """Judge buckets up to `newest`, the last complete one (number since 1970), some of each rule; how many.

        Raises ClickHouseError; then all goes on from what is written.
        """
        judged = 0
        if newest < HISTORY:  # no lane has a watermark yet
            return judged
        if not self._spans_known:  # what was silent before the states that are kept
            told = self._alerts.changes((newest - HISTORY) * BUCKET_MS, [FIRING, RESOLVED])
            feeds = {rule.name for rule in self._feeds}
            self.muting.remember(silent_spans(one for one in reversed(told) if one.rule in feeds))
            self._spans_known = True
        if newest != self._noted_for:
            self.muting.leave_out(self._noted((newest - HISTORY) * BUCKET_MS, (newest + 1) * BUCKET_MS))
            self._noted_for = newest
        for rule in (*self._feeds, *self._rules.by_evidence):
            try:
                going = self._going.get(rule.name) or self._begin(rule, newest)
                self._going[rule.name] = going
                known = newest if isinstance(rule, FeedRule) else self.muting.known_to(rule)
                judged += self._judge(rule, going, newest if known is None else min(newest, known))
            except BaseException:
                self._going.pop(rule.name, None)
                raise
        if self._going:
            self.judged_to_ms = (min(going.series.number for going in self._going.values()) + 1) * BUCKET_MS
        return judged

    def retract(self) -> int:
        """Take back alerts that late events have unmade; how many. Raises ClickHouseError."""
        ready = {name: going for name, going in self._going.items() if going.series.number >= going.learnt_to}
        if not ready:
            return 0
        newest_ms = max((going.series.number + 1) * BUCKET_MS for going in ready.values())
        changes = self._alerts.changes(newest_ms - FOR_MS, sorted(TOLD))
        taken_back = 0
        for name, going in ready.items():
            mine = [change for change in changes if change.rule == name]
            over = {change.group for change in mine if change.verdict == RETRACTED} - set(going.series.firing())
            fired = [one for one in mine if one.state == FIRING and one.group not in over and one.baseline]
            revision = self._retraction.step(going.run, going.series, fired)
            if revision is not None:
                try:
                    self._revise(going, revision)
                except BaseException:
                    self._going.pop(name, None)
                    raise
                taken_back += len(revision.changes)
        return taken_back

    def _revise(self, going: Going, revision: Revision) -> None:
        """First what is told: a crash after it tells of it again, but one before it would never tell."""
        self._write(revision.changes, {change: self._told(change) for change in revision.changes})
        self._buckets.record(going.run, revision.buckets)
        for state in revision.states:
            self._buckets.record_snapshot(state)
        going.series = revision.series
        for change in revision.changes:
            metrics.WATCH_CHANGES.labels(change.rule, RETRACTED).inc()
            log.info("alert taken back: late events have unmade it", rule=change.rule, group=change.group.key)

    def _begin(self, rule: Rule, newest: int) -> Going:
        """Go on from the newest state; a rule that is new, was edited, or was away for long begins anew."""
        bins, digest = bins_in(rule, self._catalogue), digest_of(rule, self._rules, self._catalogue)
        cursor_ms = self._alerts.cursors().get(rule.name)
        snapshot = self._buckets.snapshot(rule.name, digest)
        if snapshot is not None and cursor_ms is not None:
            cursor = cursor_ms // BUCKET_MS - 1
            if 0 <= cursor - snapshot.start_ms // BUCKET_MS <= _STALE:
                try:
                    series = resumed(self._buckets, self._series(rule, bins, 0), snapshot, cursor)
                except ValueError as error:
                    log.warning("a rule begins anew: its state can't be used", rule=rule.name, error=str(error))
                else:
                    return Going(snapshot.run, series, cursor)
        self._retire(rule)
        log.info("a rule begins to learn", rule=rule.name, weeks=HISTORY // BUCKETS_PER_WEEK)
        first_ms = self._buckets.first_ms((newest - HISTORY + 1) * BUCKET_MS)
        first = newest if first_ms is None else min(first_ms // BUCKET_MS, newest)
        run = RuleRun(rule.name, digest, first * BUCKET_MS)
        return Going(run, self._series(rule, bins, first - 1), newest)

    def _series(self, rule: Rule, bins: Bins, number: int) -> RuleSeries:
        """Before any bucket; those of feeds tell what they mute."""
        return new_series(rule, bins, self._rules, number, self.muting)

    def _judge(self, rule: Rule, going: Going, newest: int) -> int:
        series, first = going.series, going.series.number + 1
        learns = series.number < going.learnt_to
        last = min(newest, series.number + AT_ONCE, going.learnt_to if learns else newest)
        if last < first:
            return 0
        changes: dict[AlertRow, Sequence[str]] = {}
        taken = []
        for bucket in self._next(going, first, last):
            changed = series.take(judged_bucket(bucket))
            taken.append(bucket)
            if not learns:
                for alert in map(series.alert, changed):
                    # An alert that is muted, or no more, is history: how it stands has not changed.
                    changes[alert] = self._told(alert) if alert.since_ms == alert.tick_ms else ()
        self._buckets.record(going.run, taken)
        if last < going.learnt_to:
            return len(taken)
        alerts = [series.alert(place) for place in range(len(series.groups))]
        if learns:  # what fires as it begins is told once
            changes = {alert: self._told(alert) for alert in alerts if alert.state == FIRING}
        self._write(alerts, changes)
        if learns or (last + 1) // BUCKETS_PER_DAY > first // BUCKETS_PER_DAY:
            self._buckets.record_snapshot(snapshot_of(going.run, series))
        self._alerts.record_judged(rule.name, (last + 1) * BUCKET_MS)
        _report(series, alerts, list(changes), len(taken))
        return len(taken)

    def _next(self, going: Going, first: int, last: int) -> Iterator[RecordedBucket]:
        """Buckets as they were recorded before a crash; behind those as they are counted now."""
        from_ms, to_ms = first * BUCKET_MS, (last + 1) * BUCKET_MS
        recorded = {bucket.start_ms: bucket for bucket in self._buckets.recorded(going.run, from_ms, to_ms)}
        while from_ms in recorded:
            yield recorded[from_ms]
            from_ms += BUCKET_MS
        if from_ms < to_ms:
            learns = going.series.number < going.learnt_to
            yield from panes_now(
                self._buckets, going.series, self._rules, (from_ms, to_ms), muting=self.muting, pauses=not learns
            )

    def _retire(self, rule: Rule) -> None:
        """End alerts of an earlier life of the rule."""
        ended = [retire(None, alert) for alert in self._alerts.alerts(rules=[rule.name])]
        self._write([alert for alert in ended if alert], {alert: self._told(alert) for alert in ended if alert})

    def _write(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        self._alerts.record(alerts, changes)
        if any(changes.values()):
            self._written()

    def _told(self, change: AlertRow) -> Sequence[str]:
        return destinations_of(self._rules.named.get(change.rule), self._destinations) if change.state in TOLD else ()


def digest_of(rule: Rule, rules: Rules, catalogue: Catalogue) -> str:
    """What a rule by evidence judges: another digest is another rule, which begins anew."""
    said = rule.model_dump(mode="json", by_alias=True, exclude={*HOW_TOLD})
    bins = bins_in(rule, catalogue)
    text = json.dumps([VERSION, said, str(rules.zone), bins.columns, bins.values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def bins_in(rule: Rule, catalogue: Catalogue) -> Bins:
    """The bins of a rule's metric. Raises ValueError where panes have no distribution of it."""
    bins = bins_of(catalogue.metrics[rule.metric])
    if bins is None:
        raise ValueError(f"{rule.name} can't be judged by evidence: panes have no distribution of {rule.metric}")
    return bins


def new_series(rule: Rule, bins: Bins, rules: Rules, number: int, muting: Muting) -> RuleSeries:
    """The series of a rule before bucket `number` + 1; those of feeds tell `muting` how they stand."""
    if not isinstance(rule, FeedRule):
        return RuleSeries(rule, bins, rules.zone, number)
    feeds = FeedSeries(rule, bins, rules.zone, number)
    feeds.muting = muting
    return feeds


def panes_now(
    buckets: BucketStore, series: RuleSeries, rules: Rules, span: tuple[int, int], *, muting: Muting, pauses: bool
) -> Iterator[RecordedBucket]:
    """Buckets in [from, to) (ms) as panes have them now, to be judged next. pauses: of feeds, those at their ends."""
    if isinstance(series, FeedSeries):
        left_out: GatesOf = lambda _, number, groups: muting.left_out(number, groups)  # noqa: E731
        return feeds_now(buckets, series, rules.false_alarms_per_week, *span, left_out, pauses=pauses)
    return counted_now(buckets, series, rules.false_alarms_per_week, *span, muting.gates)


def _report(series: RuleSeries, alerts: Sequence[AlertRow], changes: Sequence[AlertRow], judged: int) -> None:
    rule = series.rule.name
    metrics.WATCH_TICKS.labels(rule).inc(judged)
    metrics.WATCH_JUDGED.labels(rule).set((series.number + 1) * BUCKET_MS / 1000)
    metrics.WATCH_FIRING.labels(rule).set(sum(alert.state == FIRING for alert in alerts))
    unjudged = sum(alert.verdict in _UNJUDGED for alert in alerts) + series.refused
    metrics.WATCH_UNJUDGED.labels(rule).set(unjudged)
    if series.refused:
        log.warning("groups that came last are not judged: there are too many", rule=rule, groups=series.refused)
    for change in changes:
        metrics.WATCH_CHANGES.labels(rule, change.state).inc()
        log.info("alert changed", rule=rule, state=change.state, group=change.group.key, tick_ms=change.tick_ms)
