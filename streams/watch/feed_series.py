"""The feeds of a metric, bucket by bucket: counts in, alerts of silence out. Pure: no clock, no tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

import numpy as np

from touchstream.schemas.alert_state import AlertRow, Baseline, Group, Reading
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, Ints, Moment
from touchstream.streams.watch.evidence.silence import FeedJudge
from touchstream.streams.watch.evidence.threshold import silence_threshold
from touchstream.streams.watch.judge import FIRING
from touchstream.streams.watch.muting import Feeds, Muting
from touchstream.streams.watch.rule_series import SERIES_MAX, Bucket, Gate, RuleSeries, SeriesState

_BUCKET_SECONDS: Final = BUCKET_MS // 1000


class FeedSeries(RuleSeries):
    """The feeds of one metric: what comes by a channel for a stage. As `RuleSeries`, with another judge.

    The counts of a bucket are those of the metric's bins, and behind them, where it is known, for how many seconds
    nothing had come when the bucket ended.
    """

    muting: Muting | None = None
    """What gets the feeds after each bucket."""

    def take(self, bucket: Bucket) -> list[int]:
        """Judge a bucket; the places of the feeds whose alert has changed. Raises ValueError at a gap."""
        changed = super().take(bucket)
        if self.muting is not None:
            self.muting.take(self.feeds)
        return changed

    def alert(self, place: int) -> AlertRow:
        """The alert of a feed as it stands after the last bucket."""
        alert = super().alert(place)
        if self.muting is None or alert.state != FIRING:
            return alert
        return replace(alert, mutes=self.muting.mutes(self.feeds, place))

    def before(self, number: int, groups: Sequence[Group], content: bytes) -> "FeedSeries":
        """Feeds of the same rule as they were after another bucket."""
        series = FeedSeries(self.rule, self.bins, self._zone, number)
        series.muting = self.muting
        series.unpack(groups, content)
        return series

    def threshold(self, false_alarms_per_week: float, counts: Mapping[Group, object]) -> float:
        """h of the next bucket, in which these feeds are."""
        feeds = min(max(1, len(self._places.keys() | counts.keys())), SERIES_MAX)
        return silence_threshold(false_alarms_per_week, 1 << (feeds - 1).bit_length())

    @property
    def feeds(self) -> Feeds:
        """How the feeds are after the last bucket."""
        judge = self._feeds
        doubted = judge.silent | judge.doubted
        return Feeds(
            self.rule.metric, self.number, self.groups, judge.silent, doubted, judge.returned, judge.gone, judge.weight
        )

    @property
    def _feeds(self) -> FeedJudge:
        return cast("FeedJudge", self._state.judge)

    @property
    def _states(self) -> Ints:
        return self._feeds.state

    def _fresh(self, series: int) -> SeriesState:
        return self._new(FeedJudge.fresh(1.0, series, self.number), series)

    def _judged(self, at: Moment, bucket: Bucket, gates: Ints) -> Ints:
        counts, pauses = np.zeros(len(self.groups)), np.zeros(len(self.groups))
        for group, found in bucket.counts.items():
            if group in self._places:
                place = self._places[group]
                counts[place] = sum(found[: self.bins.number])
                if len(found) > self.bins.number:
                    pauses[place] = found[self.bins.number] / _BUCKET_SECONDS
        self._feeds.step(at, counts, pauses, gates == Gate.HELD)
        return self._feeds.state

    def _said(self, place: int) -> tuple[Reading, Baseline | None]:
        """What is missing since the feed was last heard."""
        judge = self._feeds
        missing, since_ms = float(judge.missing[place]), (int(judge.heard[place]) + 1) * BUCKET_MS
        return Reading(0.0 if judge.silent[place] else None), Baseline(missing, None, since_ms)
