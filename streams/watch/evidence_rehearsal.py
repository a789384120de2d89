"""What rules by evidence would have said: over the buckets as they were judged, or as panes have them now."""

from collections.abc import Callable, Iterator, Sequence

from touchstream.schemas.alert_state import AlertRow
from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.feed_rules import feed_rules
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.alerts.buckets import RuleRun
from touchstream.streams.watch.bucket_store import BucketStore, judged_bucket
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_DAY
from touchstream.streams.watch.evidence_watch import HISTORY, bins_in, digest_of, new_series, panes_now
from touchstream.streams.watch.muting import Muting
from touchstream.streams.watch.rule_series import RuleSeries

_DAY_MS = BUCKETS_PER_DAY * BUCKET_MS


class EvidenceRehearsal:
    """The rules by evidence over the buckets that end in (from_ms, to_ms]. Blocking.

    What a file's rules have judged is replayed, as it was recorded, from the state before from_ms. A rule that has
    judged nothing, or all with as_known_now, learns from four weeks before, from panes as they are now.
    """

    def __init__(
        self,
        buckets: BucketStore,
        rules: Rules,
        catalogue: Catalogue,
        from_ms: int,
        to_ms: int,
        *,
        as_known_now: bool,
        noted: Sequence[Annotation] = (),
    ) -> None:
        self._buckets, self._rules, self._catalogue, self._as_known_now = buckets, rules, catalogue, as_known_now
        self._from_ms, self._to_ms = from_ms, to_ms // BUCKET_MS * BUCKET_MS
        self._muting = Muting(rules.rules, catalogue)
        self._muting.leave_out(noted)
        self._judged_rules = (*feed_rules(rules, catalogue), *rules.by_evidence)  # feeds first: they mute the others
        self.buckets = len(self._judged_rules) * max(0, (self._to_ms - from_ms) // BUCKET_MS + HISTORY)
        """How many will be judged, about."""

    def changes(self, progress: Callable[[int], None] = lambda _: None) -> list[AlertRow]:
        """Every change, in the order of event time. progress: gets the number of buckets judged."""
        found = [change for rule in self._judged_rules for change in self._judged(rule, progress)]
        return sorted(found, key=lambda change: (change.tick_ms, change.rule, change.group.key))

    def _judged(self, rule: Rule, progress: Callable[[int], None]) -> Iterator[AlertRow]:
        series, run = self._beginning(rule)
        for day_ms in range((series.number + 1) * BUCKET_MS, self._to_ms, _DAY_MS):
            span = day_ms, min(day_ms + _DAY_MS, self._to_ms)
            if run is None:
                pauses = span[1] > self._from_ms
                buckets = panes_now(self._buckets, series, self._rules, span, muting=self._muting, pauses=pauses)
            else:
                buckets = iter(self._buckets.recorded(run, *span))
            for bucket in buckets:
                for place in series.take(judged_bucket(bucket)):
                    if bucket.start_ms + BUCKET_MS > self._from_ms:
                        yield series.alert(place)
                progress(1)

    def _beginning(self, rule: Rule) -> tuple[RuleSeries, RuleRun | None]:
        """The series before the interval, and the run whose buckets are replayed; None: those of panes.

        From the state before the interval, else from the first bucket that is kept of the run.
        """
        first_ms = (self._from_ms // BUCKET_MS - HISTORY) * BUCKET_MS
        series = self._series(rule, first_ms // BUCKET_MS - 1)
        if self._as_known_now:
            return series, None
        digest = digest_of(rule, self._rules, self._catalogue)
        newest = self._buckets.snapshot(rule.name, digest)
        if newest is None:
            return series, None
        before = self._buckets.snapshot(rule.name, digest, before_ms=self._from_ms)
        if before is not None and before.run == newest.run:
            return series.before(before.start_ms // BUCKET_MS, before.groups, before.content), newest.run
        kept = self._buckets.recorded(newest.run, newest.run.run_ms, self._to_ms)
        first = kept[0].start_ms if kept else newest.run.run_ms
        return self._series(rule, first // BUCKET_MS - 1), newest.run

    def _series(self, rule: Rule, number: int) -> RuleSeries:
        return new_series(rule, bins_in(rule, self._catalogue), self._rules, number, self._muting)
