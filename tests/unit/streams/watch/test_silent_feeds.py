"""A feed that stopped is silent, and what feeds on it is muted: never a drop, and never part of what is usual."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.bins import Bins, bins_of
from touchstream.schemas.feed_rules import feed_rules
from touchstream.schemas.metrics import shipped
from touchstream.schemas.times import instant
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_WEEK
from touchstream.streams.watch.evidence.silence import EXPIRES
from touchstream.streams.watch.feed_series import FeedSeries
from touchstream.streams.watch.muting import Feeds, Muting, SilentSpan, projected, room_for_silence, silent_spans
from touchstream.streams.watch.rule_series import Bucket, Gate, RuleSeries

FIRST: Final = 2000 * BUCKETS_PER_WEEK // 288 * 288
LEARNT: Final = FIRST + 2 * BUCKETS_PER_WEEK + 12
RULES: Final = Rules("""
format: 1
rules:
  - {name: touches_fell, summary: s, metric: touches, each: [stage], drop: {percent: 30}, within: 1h}
  - {name: nps_fell, summary: s, metric: nps, each: [stage], drop: {points: 20}, within: 6h, min_n: 50}
  - {name: channel_fell, summary: s, metric: touches, each: [stage, channel], drop: {percent: 90}, within: 1h}
""")
FEEDS: Final = {rule.metric: rule for rule in feed_rules(RULES, shipped())}
BY_NAME: Final = {rule.name: rule for rule in RULES.rules}
CHAT, WEB, FAX = (Group("shop", "support", channel) for channel in ("chat", "web", "fax"))
SUPPORT: Final = Group("shop", "support")
Counts = Mapping[Group, Sequence[int]]


def bins(rule: Rule) -> Bins:
    found = bins_of(shipped().metrics[rule.metric])
    assert found is not None
    return found


class Judged:
    """A rule of RULES and the feeds that it feeds on, judged bucket by bucket, as watch does."""

    def __init__(self, name: str) -> None:
        rule = BY_NAME[name]
        metric = "nps" if rule.metric == "nps" else "touches"
        self.muting = Muting(RULES.rules, shipped())
        self.rule, self.number = rule, FIRST - 1
        self.feeds = FeedSeries(FEEDS[metric], bins(FEEDS[metric]), ZoneInfo("UTC"), FIRST - 1)
        self.feeds.muting = self.muting
        self.series = RuleSeries(rule, bins(rule), ZoneInfo("UTC"), FIRST - 1)
        self.told: list[tuple[str, str | None, str, str]] = []
        """(rule, channel, state, verdict) of each change."""

    def take(self, counts: Counts) -> None:
        """The next bucket: by channel what was counted, and of a feed maybe the pause at its end."""
        self.number += 1
        h = 11.0
        changed: list[AlertRow] = []
        left_out = self.muting.left_out(self.number, {*self.feeds.groups, *counts})
        changed += map(self.feeds.alert, self.feeds.take(Bucket(self.number, h, counts, {}, left_out)))
        size = self.series.bins.number
        mine: dict[Group, list[int]] = {}
        for feed, found in counts.items():
            group = projected(self.rule, feed)
            assert group is not None
            mine[group] = [sum(pair) for pair in zip(mine.get(group, [0] * size), found[:size], strict=True)]
        gates = self.muting.gates(self.rule, self.number, {*self.series.groups, *mine})
        changed += map(self.series.alert, self.series.take(Bucket(self.number, h, mine, {}, gates)))
        self.told += [(one.rule, one.group.channel, one.state, one.verdict) for one in changed]

    def fired(self, rule: str) -> list[str | None]:
        return [channel for name, channel, state, _ in self.told if (name, state) == (rule, "firing")]

    def verdict(self, group: Group) -> str:
        return self.series.alert(self.series.groups.index(group)).verdict


def learnt(name: str, usual: Mapping[Group, Sequence[int]]) -> Judged:
    """A rule that has just learnt what is usual."""
    return deepcopy(_learnt(name, tuple((feed, tuple(counts)) for feed, counts in usual.items())))


@cache
def _learnt(name: str, usual: tuple[tuple[Group, tuple[int, ...]], ...]) -> Judged:
    judged = Judged(name)
    rng = np.random.default_rng(20_261_130)
    while judged.number < LEARNT:
        judged.take({feed: [int(rng.poisson(x)) for x in counts] for feed, counts in usual})
    assert judged.told == [] or all(state != "firing" for _, _, state, _ in judged.told)
    return judged


TOUCHES: Final = {CHAT: [40], WEB: [60], FAX: [1]}


def test_a_channel_that_is_switched_off_in_the_middle_of_a_bucket_is_silent_and_its_stage_has_not_dropped() -> None:
    judged = learnt("touches_fell", TOUCHES)
    judged.take({CHAT: [15, 190], WEB: [60], FAX: [1]})
    for _ in range(30):
        judged.take({WEB: [60], FAX: [1]})
    assert judged.fired("feed_silent") == ["chat"]
    assert judged.fired("touches_fell") == []
    assert judged.verdict(SUPPORT) == "no_data"
    silent = judged.feeds.alert(judged.feeds.groups.index(CHAT))
    assert silent.mutes == ("touches_fell in stage support", "channel_fell in stage support, channel chat")
    assert (silent.reading.value, silent.baseline.tick_ms if silent.baseline else 0) == (0, (LEARNT + 2) * BUCKET_MS)


def test_a_channel_alone_that_stops_in_a_bucket_or_returns_in_one_has_not_dropped() -> None:
    judged = learnt("channel_fell", TOUCHES)
    judged.take({CHAT: [2, 285], WEB: [60], FAX: [1]})
    for _ in range(12):
        judged.take({WEB: [60], FAX: [1]})
    judged.take({CHAT: [5, 0], WEB: [60], FAX: [1]})
    for _ in range(24):
        judged.take({CHAT: [40], WEB: [60], FAX: [1]})
    assert judged.fired("channel_fell") == []
    told = [one[2:] for one in judged.told if one[:2] == ("feed_silent", "chat")]
    assert told == [("firing", "breach"), ("resolved", "clear")]
    muted = [one[2:] for one in judged.told if one[:2] == ("channel_fell", "chat")]
    assert muted == [("ok", "no_data"), ("ok", "clear")]


@pytest.mark.parametrize(("heard", "gate"), [("silent", Gate.MUTED), ("returned", Gate.MUTED), ("doubted", Gate.HELD)])
def test_a_feed_that_is_silent_or_has_just_returned_mutes_and_one_in_doubt_holds(heard: str, gate: Gate) -> None:
    states = dict.fromkeys(("silent", "doubted", "returned", "gone"), np.zeros(2, dtype=np.bool_))
    states[heard] = np.array([True, False])
    if heard == "silent":
        states["doubted"] = states["silent"]
    muting = Muting(RULES.rules, shipped())
    muting.take(Feeds("touches", FIRST, (CHAT, WEB), **states, weight=np.array([0.4, 0.6])))
    assert muting.gates(BY_NAME["touches_fell"], FIRST, [SUPPORT]) == {SUPPORT: gate}


@pytest.mark.parametrize(("pause_s", "gates"), [(190, {SUPPORT: Gate.HELD}), (5, {})])
def test_a_stage_waits_for_its_channel_where_a_bucket_ends_in_a_long_pause(
    pause_s: int, gates: Mapping[Group, int]
) -> None:
    judged = learnt("touches_fell", TOUCHES)
    judged.take({CHAT: [15, pause_s], WEB: [60], FAX: [1]})
    assert judged.muting.gates(judged.rule, judged.number, [SUPPORT]) == gates


def test_a_channel_that_fades_but_is_not_silent_has_dropped() -> None:
    judged = learnt("channel_fell", TOUCHES)
    for _ in range(12):
        judged.take({CHAT: [2, 10], WEB: [60], FAX: [1]})
    assert judged.fired("channel_fell") == ["chat"]
    assert judged.fired("feed_silent") == []


def test_a_channel_too_small_to_make_a_drop_mutes_no_stage() -> None:
    judged = learnt("touches_fell", {CHAT: [300], WEB: [300], FAX: [15]})
    for _ in range(6):
        judged.take({CHAT: [300], WEB: [300]})
    assert judged.fired("feed_silent") == ["fax"]
    assert judged.verdict(SUPPORT) == "clear"
    for _ in range(12):
        judged.take({CHAT: [100], WEB: [100]})
    assert judged.fired("touches_fell") == [None]


def test_muted_buckets_are_not_part_of_what_is_usual() -> None:
    judged = learnt("touches_fell", TOUCHES)
    place = judged.series.groups.index(SUPPORT)
    level = judged.series._judge.baseline.season.level[place]  # type: ignore[union-attr]
    for _ in range(288):
        judged.take({WEB: [60], FAX: [1]})
    after = judged.series._judge.baseline.season.level[place]  # type: ignore[union-attr]
    assert after == pytest.approx(level, rel=0.02)


HAPPY, UNHAPPY = [0] * 6 + [1, 1, 2, 4, 4], [1] * 6 + [1, 1, 1, 0, 1]


def test_a_survey_that_stops_never_reads_as_an_nps_that_fell() -> None:
    judged = learnt("nps_fell", {CHAT: UNHAPPY, WEB: HAPPY})
    for _ in range(144):
        judged.take({CHAT: UNHAPPY})
    assert judged.fired("feed_silent_nps") == ["web"]
    assert judged.fired("nps_fell") == []
    assert judged.verdict(SUPPORT) == "no_data"
    for _ in range(288):
        judged.take({CHAT: UNHAPPY, WEB: HAPPY})
    assert judged.fired("nps_fell") == []
    assert judged.verdict(SUPPORT) == "clear"
    for _ in range(72):
        judged.take({CHAT: UNHAPPY, WEB: [2] * 6 + [1, 1, 1, 1, 1]})
    assert judged.fired("nps_fell") == [None]


def test_a_feed_that_is_silent_for_a_week_is_gone_and_its_stage_learns_anew_without_it() -> None:
    judged = learnt("touches_fell", TOUCHES)
    for _ in range(EXPIRES + 40):
        judged.take({WEB: [60], FAX: [1]})
    assert [one[2:] for one in judged.told if one[1] == "chat"] == [("firing", "breach"), ("resolved", "expired")]
    assert judged.verdict(SUPPORT) == "learning"
    assert judged.fired("touches_fell") == []


def test_a_channel_that_sends_in_batches_is_not_silent_between_them_and_can_drop() -> None:
    judged = learnt("touches_fell", {CHAT: [100]})
    for _ in range(24):
        judged.take({CHAT: [100, 290]})
    assert judged.fired("feed_silent") == []
    for _ in range(12):
        judged.take({CHAT: [50, 290]})
    assert judged.fired("touches_fell") == [None]


def test_a_bucket_that_waits_for_its_feed_does_not_fire() -> None:
    judged = learnt("touches_fell", {CHAT: [6], WEB: [8]})
    states = []
    for _ in range(12):
        judged.take({WEB: [8]})
        gates = judged.muting.gates(judged.rule, judged.number, [SUPPORT])
        states.append(gates.get(SUPPORT))
    held = states.index(Gate.MUTED)
    assert 0 < held < 4
    assert states[:held] == [Gate.HELD] * held
    assert judged.fired("touches_fell") == []


def outage(buckets: int, **scope: str) -> Annotation:
    """A span from the end of learning on that leaves what is usual."""
    at, until = instant((LEARNT + 1) * BUCKET_MS), instant((LEARNT + 1 + buckets) * BUCKET_MS)
    return Annotation(id="o", text="out", at=at, until=until, exclude=True, **scope)  # type: ignore[arg-type]


def test_a_span_that_leaves_what_is_usual_lets_nothing_fire_and_teaches_nothing() -> None:
    judged = learnt("touches_fell", TOUCHES)
    judged.muting.leave_out([outage(24, channel="chat")])
    place = judged.series.groups.index(SUPPORT)
    level = judged.series._judge.baseline.season.level[place]  # type: ignore[union-attr]
    for _ in range(24):
        judged.take({WEB: [60], FAX: [1]})
    assert [one for one in judged.told if one[2] == "firing"] == []
    after = judged.series._judge.baseline.season.level[place]  # type: ignore[union-attr]
    assert after == pytest.approx(level, rel=1e-3)
    for _ in range(6):
        judged.take({WEB: [60], FAX: [1]})
    assert judged.fired("feed_silent") == ["chat"]


def test_a_span_that_is_over_or_elsewhere_holds_nothing() -> None:
    judged = learnt("touches_fell", TOUCHES)
    judged.muting.leave_out([outage(3, stage="use"), outage(3)])
    for _ in range(3):
        judged.take({CHAT: [10], WEB: [20]})
    assert judged.fired("touches_fell") == []
    for _ in range(6):
        judged.take({CHAT: [10], WEB: [20]})
    assert judged.fired("touches_fell") == [None]


def test_segments_are_muted_whatever_the_share_of_the_channel() -> None:
    rule = RULES.rules[0].model_copy(update={"each": ("stage", "segment")})
    assert room_for_silence(rule, shipped().metrics["touches"]) == 0
    assert room_for_silence(BY_NAME["touches_fell"], shipped().metrics["touches"]) == pytest.approx(0.075)
    assert room_for_silence(BY_NAME["nps_fell"], shipped().metrics["nps"]) == pytest.approx(0.025)


def test_a_rule_that_looks_elsewhere_does_not_feed_on_a_channel() -> None:
    text = "format: 1\nrules:\n  - {name: r, summary: s, metric: csat, window: 1m, below: 60, "
    (rule,) = Rules(text + "where: {stage: use, channel: chat}}").rules
    assert projected(rule, CHAT) is None
    assert projected(rule, Group("shop", "use", "web")) is None
    assert projected(rule, Group("shop", "use", "chat")) == Group("shop", "use", "chat")


def test_silences_that_were_told_mute_the_buckets_between() -> None:
    judged = learnt("touches_fell", TOUCHES)
    changes: list[AlertRow] = []
    buckets: Sequence[Counts] = [{WEB: [60]}] * 10 + [{WEB: [60], CHAT: [40]}] * 3
    for counts in buckets:
        judged.take(counts)
        changes += [one for one in map(judged.feeds.alert, range(3)) if one.since_ms == one.tick_ms]
    (span,) = silent_spans(changes)
    assert isinstance(span, SilentSpan)
    remembering = Muting(RULES.rules, shipped())
    remembering.remember([span])
    for number in range(LEARNT, judged.number + 1):
        groups = [SUPPORT]
        live = judged.muting.gates(judged.rule, number, groups)
        muted = {group: gate for group, gate in live.items() if gate == Gate.MUTED}
        assert remembering.gates(judged.rule, number, groups) == muted


def test_the_state_of_feeds_goes_on_from_what_was_stored() -> None:
    judged = learnt("touches_fell", TOUCHES)
    for _ in range(5):
        judged.take({WEB: [60]})
    feeds = judged.feeds
    stored = feeds.before(feeds.number, feeds.groups, feeds.packed())
    for counts in ({WEB: [60]}, {WEB: [60], CHAT: [40]}, {WEB: [60], CHAT: [40]}):
        bucket = Bucket(feeds.number + 1, 11.0, counts)
        assert list(map(stored.alert, stored.take(bucket))) == list(map(feeds.alert, feeds.take(bucket)))
    assert stored.packed() == feeds.packed()
