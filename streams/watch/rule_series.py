"""A rule by evidence over its groups, bucket by bucket: counts in, states of alerts out. Pure: no clock, no tables.

What it says of a bucket depends on the buckets before alone, so that a replay of what was recorded says the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import sqrt
from typing import Final, cast
from zoneinfo import ZoneInfo

import numpy as np

from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.schemas.alerts import Rule
from touchstream.schemas.bins import Bins
from touchstream.streams.watch.evidence import ability
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_DAY, Bools, Floats, Ints, Moment, moment
from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.judges import AnswerJudge, CountJudge, Flags
from touchstream.streams.watch.evidence.likelihood import moments
from touchstream.streams.watch.evidence.silence import FeedJudge
from touchstream.streams.watch.evidence.states import AlertState
from touchstream.streams.watch.evidence.stored import grow, packed, reset, unpack
from touchstream.streams.watch.evidence.threshold import threshold
from touchstream.streams.watch.judge import BREACH, CLEAR, FIRING, NO_DATA, OK, PENDING, RESOLVED, STATES

SERIES_MAX: Final = 3_000
"""Most groups of a rule that are judged, the first that came; the others are counted as unjudged."""
VERSION: Final = 3
"""The version of the judgement: a rule that was judged by another one begins anew."""

_VERDICTS: Final = {
    AlertState.LEARNING: "learning",
    AlertState.OK: CLEAR,
    AlertState.PENDING: BREACH,
    AlertState.FIRING: BREACH,
    AlertState.RECOVERING: "recovering",
    AlertState.RESOLVED: CLEAR,
    AlertState.EXPIRED: "expired",
    AlertState.NO_DATA: NO_DATA,
    AlertState.UNABLE: "unable",
}
_SHOWN: Final = np.array(
    [
        STATES.index(
            {
                AlertState.PENDING: PENDING,
                AlertState.FIRING: FIRING,
                AlertState.RECOVERING: FIRING,
                AlertState.RESOLVED: RESOLVED,
                AlertState.EXPIRED: RESOLVED,
            }.get(state, OK)
        )
        for state in AlertState
    ]
)
_NORMAL_95: Final = 1.96


class Gate(IntEnum):
    """What a feed means for a series that feeds on it.

    held: it may be silent, so that the series doesn't begin to fire. muted: it is silent. forget: it has been silent
    for so long that it is gone, and the series learns anew what is usual without it.
    """

    OPEN = 0
    HELD = 1
    MUTED = 2
    FORGET = 3


@dataclass(frozen=True)
class Bucket:
    """What was counted in a bucket, by group and bin, and the evidence at which a series fires. number: since 1970.

    effects: the design effect of a group's answers; the one before holds where a group has none. gates: `Gate` of the
    groups whose feed is or may be silent.
    """

    number: int
    h: float
    counts: Mapping[Group, Sequence[float]]
    effects: Mapping[Group, float] = field(default_factory=dict)
    gates: Mapping[Group, int] = field(default_factory=dict)

    @property
    def end_ms(self) -> int:
        """Where it ends, in milliseconds since 1970."""
        return (self.number + 1) * BUCKET_MS


@dataclass
class ShownStates:
    """What readers of alerts see of each series: an index of `judge.STATES`, and the bucket since when; (series,).

    gate: `Gate` in the last bucket. unable: which can never fire, as of the last day.
    """

    state: Ints
    since: Ints
    gate: Ints
    unable: Bools


@dataclass
class SeriesState:
    """The state of all series of a rule: what judges them, and what is shown of them."""

    judge: CountJudge | AnswerJudge | FeedJudge
    shown: ShownStates


class RuleSeries:
    """The series of one rule. Buckets must be taken one after the other, without a gap."""

    def __init__(self, rule: Rule, bins: Bins, zone: ZoneInfo, number: int) -> None:
        """Before the first bucket, which is `number` + 1."""
        self.rule, self.bins, self.number = rule, bins, number
        self.groups: list[Group] = []
        self.refused = 0
        """How many groups of the last bucket are not judged, because there are too many."""
        self._zone, self._effect = zone, effect_of(rule)
        self._places: dict[Group, int] = {}
        self._state = self._fresh(0)

    def threshold(self, false_alarms_per_week: float, counts: Mapping[Group, object]) -> float:
        """h of the next bucket, in which these groups are: of the next power of two of series, to be steady."""
        return threshold_of(false_alarms_per_week, len(self._places.keys() | counts.keys()))

    def take(self, bucket: Bucket) -> list[int]:
        """Judge a bucket; the places in `groups` of the series whose alert has changed. Raises ValueError at a gap.

        An alert whose series is muted from now on, or no more, counts as changed too.
        """
        if bucket.number != self.number + 1:
            raise ValueError(f"bucket {bucket.number} doesn't follow bucket {self.number}")
        self._admit(bucket.counts)
        self.number = bucket.number
        judge, shown = self._state.judge, self._state.shown
        judge.h = bucket.h
        if not self.groups:
            return []
        gates = np.zeros(len(self.groups), dtype=np.int64)
        for group, gate in bucket.gates.items():
            if group in self._places:
                gates[self._places[group]] = gate
        state = _SHOWN[self._judged(moment(bucket.number * BUCKET_MS, self._zone), bucket, gates)]
        # An alert that was resolved stays so until there is evidence again.
        state = np.where((state == 0) & (shown.state == STATES.index(RESOLVED)), shown.state, state)
        changed = state != shown.state
        turned = (gates == Gate.MUTED) != (shown.gate == Gate.MUTED)
        since = np.where(changed, bucket.number, shown.since)
        self._state.shown = ShownStates(state, since, gates, self._state.shown.unable)
        return [int(place) for place in np.flatnonzero(changed | turned)]

    def alert(self, place: int) -> AlertRow:
        """The alert of a series as it stands after the last bucket."""
        shown = self._state.shown
        reading, baseline = self._said(place)
        state = AlertState(int(self._states[place]))
        return AlertRow(
            rule=self.rule.name,
            group=self.groups[place],
            tick_ms=_end_ms(self.number),
            state=STATES[int(shown.state[place])],
            since_ms=_end_ms(int(shown.since[place])),
            verdict=NO_DATA if shown.gate[place] == Gate.MUTED else _VERDICTS[state],
            about=About.of(self.rule),
            reading=reading,
            baseline=baseline,
            reason=ability.reason(self._judge, place) if state == AlertState.UNABLE else "",
        )

    def firing(self) -> list[Group]:
        """The groups whose alert is shown as firing."""
        return [self.groups[place] for place in np.flatnonzero(self._state.shown.state == STATES.index(FIRING))]

    def end(self, groups: Sequence[Group]) -> list[AlertRow]:
        """Show the alerts of some groups as over; the alerts."""
        places = [self._places[group] for group in groups if group in self._places]
        self._state.shown.state[places] = STATES.index(RESOLVED)
        self._state.shown.since[places] = self.number
        return [self.alert(place) for place in places]

    def before(self, number: int, groups: Sequence[Group], content: bytes) -> "RuleSeries":
        """Series of the same rule as they were after another bucket."""
        series = RuleSeries(self.rule, self.bins, self._zone, number)
        series.unpack(groups, content)
        return series

    def packed(self) -> bytes:
        """The state of all series, exactly; their order is that of `groups`."""
        return packed(self._state)

    def unpack(self, groups: Sequence[Group], content: bytes) -> None:
        """Go on from what was packed after bucket `number`. Raises ValueError where it is of another version."""
        self.groups, self._places = list(groups), {group: place for place, group in enumerate(groups)}
        self._state = self._fresh(len(groups))
        unpack(self._state, content)
        self._state.judge.recompute()

    def _fresh(self, series: int) -> SeriesState:
        h, effect = 1.0, self._effect
        judge: CountJudge | AnswerJudge
        if self.bins.is_count:
            judge = CountJudge.fresh(effect, h, series, self.number)
        else:
            judge = AnswerJudge.fresh(effect, h, np.array(self.bins.values), np.ones(series), self.number)
        return self._new(judge, series)

    def _new(self, judge: CountJudge | AnswerJudge | FeedJudge, series: int) -> SeriesState:
        nothing = np.zeros(series, dtype=np.int64)
        return SeriesState(
            judge, ShownStates(nothing, nothing + self.number, nothing.copy(), np.zeros(series, dtype=bool))
        )

    @property
    def _states(self) -> Ints:
        """`AlertState` of each series."""
        return self._judge.lifecycle.state

    @property
    def _judge(self) -> CountJudge | AnswerJudge:
        return cast("CountJudge | AnswerJudge", self._state.judge)

    def _judged(self, at: Moment, bucket: Bucket, gates: Ints) -> Ints:
        """`AlertState` of each series after a bucket."""
        judge, shown = self._judge, self._state.shown
        if isinstance(judge, AnswerJudge):
            for group, effect in bucket.effects.items():
                if group in self._places:
                    judge.deff[self._places[group]] = max(1.0, effect)
        forget = gates == Gate.FORGET
        if forget.any():
            reset(judge, self._fresh(int(forget.sum())).judge, forget)
            judge.recompute()
        if bucket.number % BUCKETS_PER_DAY == 0:
            shown.unable = ability.unable(judge)
        flags = Flags(gates == Gate.MUTED, gates == Gate.HELD, shown.unable)
        table = self._table(bucket.counts)
        judged = judge.step(at, table[0], flags) if isinstance(judge, CountJudge) else judge.step(at, table, flags)
        return judged.state

    def _admit(self, counts: Mapping[Group, object]) -> None:
        """Begin to judge groups that are new."""
        new = sorted((group for group in counts if group not in self._places), key=lambda group: group.key)
        admitted = new[: SERIES_MAX - len(self.groups)]
        self.refused = len(new) - len(admitted)
        if admitted:
            grow(self._state, self._fresh(len(admitted)))
            self._state.judge.recompute()
            self._places |= {group: len(self.groups) + place for place, group in enumerate(admitted)}
            self.groups += admitted

    def _table(self, counts: Mapping[Group, Sequence[float]]) -> Floats:
        """Counts by bin, shape (bins, series)."""
        table = np.zeros((self.bins.number, len(self.groups)))
        for group, bins in counts.items():
            if group in self._places:
                table[:, self._places[group]] = bins
        return table

    def _said(self, place: int) -> tuple[Reading, Baseline | None]:
        """What it rests on: since the onset where there is evidence, since the way back began, else over `within`."""
        judge = self._judge
        state = AlertState(int(judge.lifecycle.state[place]))
        if state in (AlertState.RECOVERING, AlertState.RESOLVED):
            since = int(judge.lifecycle.back_since[place])
            change, base = float(judge.lifecycle.back_change[place]), float(judge.lifecycle.back_base[place])
        elif state in (AlertState.PENDING, AlertState.FIRING):
            onset, changes, bases = judge.detector.since_onset(self.number, np.array([place]))
            since, change, base = int(onset[0]), float(changes[0]), float(bases[0])
        else:
            changes, bases = judge.detector.over_span(self.number)
            since, change, base = self.number - self._effect.within, float(changes[place]), float(bases[place])
        if base <= 0:
            return Reading(None, None if self.bins.is_count else 0), None
        change *= self._effect.sign
        if isinstance(judge, CountJudge):
            return Reading(base + change), Baseline(base, None, _end_ms(since))
        return self._of_answers(judge, place, change / base, base, since)

    def _of_answers(
        self, judge: AnswerJudge, place: int, shift: float, n: float, since: int
    ) -> tuple[Reading, Baseline]:
        histogram = judge.reference.histogram[:, [place]]
        _, mean, variance = moments(judge.values, histogram)
        value = float(mean[0]) + shift
        error = _NORMAL_95 * sqrt(float(judge.spread[place]) * float(variance[0]) / n)
        low, high = min(self.bins.values), max(self.bins.values)
        reading = Reading(value, round(n), max(low, value - error), min(high, value + error))
        return reading, Baseline(float(mean[0]), round(float(histogram.sum())), _end_ms(since))


def threshold_of(false_alarms_per_week: float, groups: int) -> float:
    """h of a rule that looks at so many groups."""
    series = min(max(1, groups), SERIES_MAX)
    return threshold(false_alarms_per_week, 1 << (series - 1).bit_length())


def effect_of(rule: Rule) -> Effect:
    """What a rule by evidence looks for. Raises ValueError for a rule of windows, or without a metric's own minimum."""
    difference = rule.difference
    if difference is None or rule.within is None:
        raise ValueError(f"{rule.name} is judged by windows, not by evidence")
    size = difference.percent / 100 if difference.percent is not None else difference.points or 0.0
    minutes = rule.keep_firing_for.total_seconds() / 60
    return Effect(
        size=size,
        falls=rule.drop is not None,
        within=_buckets(rule.within.total_seconds()),
        min_n=float(rule.min_n if rule.min_n is not None else Effect.min_n),
        pending_for=_buckets(rule.for_.total_seconds()) if rule.for_ else 0,
        keep_firing_for=_buckets(60 * minutes),
        recover=rule.recover,
    )


def _buckets(seconds: float) -> int:
    """How many buckets such a time lies in."""
    return -(-round(1000 * seconds) // BUCKET_MS)


def _end_ms(number: int) -> int:
    return (number + 1) * BUCKET_MS
