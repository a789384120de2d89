"""What silent feeds mute: by rule, group and bucket, from the states of the feeds. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from touchstream.schemas.alert_state import AlertRow, Group
from touchstream.schemas.alerts import Rule
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.bins import bins_of
from touchstream.schemas.feed_rules import feed_metric
from touchstream.schemas.metrics import Catalogue, Metric
from touchstream.schemas.times import instant
from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_WEEK, Bools, Floats, Ints
from touchstream.streams.watch.judge import FIRING, RESOLVED
from touchstream.streams.watch.rule_series import Gate

MISSING_SHARE: Final = 0.25
"""A silence mutes where what it takes away can make up this share of the change that a rule is for.

Less than that stays below the three quarters that an estimate must reach, with room for what is real.
"""
_OF_WINDOW: Final = 0.05
"""The share of a group that may be missing without muting a rule that holds a window to a threshold."""
_KEPT: Final = 4 * BUCKETS_PER_WEEK + 288
_WORDS: Final = ("stage", "channel", "segment")


@dataclass(frozen=True)
class Feeds:
    """The feeds of a metric after bucket `number`; arrays (feeds,) in the order of groups.

    silent. doubted: silent, or maybe. returned: back in this bucket. gone: silent for so long that nothing is expected
    any more. weight: how much comes by each, against the others.
    """

    metric: str
    number: int
    groups: Sequence[Group]
    silent: Bools
    doubted: Bools
    returned: Bools
    gone: Bools
    weight: Floats


@dataclass(frozen=True)
class SilentSpan:
    """A feed that was silent in the buckets [first, last], and what it muted, as told; last: None until it ends."""

    metric: str
    feed: Group
    mutes: tuple[str, ...]
    first: int
    last: int | None = None


class Muting:
    """What the feeds that have been taken mean for the groups of rules, bucket by bucket."""

    def __init__(self, rules: Sequence[Rule], catalogue: Catalogue) -> None:
        self._fed: dict[str, list[Rule]] = {}
        self._feed_of: dict[str, str] = {}
        self._room: dict[str, float] = {}
        for rule in rules:
            metric = catalogue.metrics[rule.metric]
            self._feed_of[rule.name] = feed_metric(metric)
            self._fed.setdefault(self._feed_of[rule.name], []).append(rule)
            self._room[rule.name] = room_for_silence(rule, metric)
        self._places: dict[str, tuple[Ints, list[Group]]] = {}
        self._gates: dict[str, dict[int, dict[Group, int]]] = {}
        self._known: dict[str, list[int]] = {}
        self._spans: list[SilentSpan] = []
        self._left_out: list[Annotation] = []

    def leave_out(self, annotations: Iterable[Annotation]) -> None:
        """The spans that leave what is usual, as they are known now."""
        self._left_out = [one for one in annotations if one.exclude]

    def left_out(self, number: int, groups: Iterable[Group]) -> dict[Group, int]:
        """The groups that are in such a span in a bucket, as held: nothing begins to fire, and nothing is learnt."""
        begins, ends = instant(number * BUCKET_MS), instant((number + 1) * BUCKET_MS)
        spans = [one for one in self._left_out if one.at < ends and one.end > begins]
        if not spans:
            return {}
        return {group: int(Gate.HELD) for group in groups if any(one.covers(group) for one in spans)}

    def remember(self, spans: Iterable[SilentSpan]) -> None:
        """Silences that were told of, for buckets whose feeds are not taken any more."""
        self._spans = list(spans)

    def remembers(self, rule: Rule) -> bool:
        """Whether any of the silences that are remembered muted a rule."""
        return any(text.startswith(f"{rule.name} in ") for one in self._spans for text in one.mutes)

    def known_to(self, rule: Rule) -> int | None:
        """The last bucket whose feeds were taken; None where no feeds are judged that this rule feeds on."""
        known = self._known.get(self._feed_of[rule.name])
        return None if known is None else known[1]

    def take(self, feeds: Feeds) -> None:
        """The feeds of a metric after a bucket, the one after the last."""
        metric, number = feeds.metric, feeds.number
        known = self._known.setdefault(metric, [number, number])
        known[0], known[1] = min(known[0], number), number
        for rule in self._fed.get(metric, ()):
            kept = self._gates.setdefault(rule.name, {})
            kept.pop(number - _KEPT, None)
            kept.pop(number, None)
            is_heard_of = bool((feeds.doubted | feeds.returned | feeds.gone).any())
            if is_heard_of and (found := self._found(rule, feeds, kept.get(number - 1, {}))):
                kept[number] = found

    def gates(self, rule: Rule, number: int, groups: Iterable[Group]) -> dict[Group, int]:
        """`Gate` of the groups of a rule in a bucket, where it isn't open."""
        known = self._known.get(self._feed_of[rule.name])
        if known is None or number < known[0]:
            found = self._remembered(rule, number)
        else:
            found = self._gates.get(rule.name, {}).get(number, {})
        looked_at = list(groups)
        held = self.left_out(number, looked_at)
        if not found:
            return held
        gates = ((group, found.get(replace(group, segment=None), Gate.OPEN)) for group in looked_at)
        return held | {group: int(gate) for group, gate in gates if gate}

    def muted(self, rule: Rule, end_ms: int, groups: Iterable[Group]) -> frozenset[Group]:
        """The groups of a rule that are muted after the last bucket that ends by an instant, or was taken before."""
        number, known = end_ms // BUCKET_MS - 1, self.known_to(rule)
        gates = self.gates(rule, number if known is None else min(number, known), groups)
        return frozenset(group for group, gate in gates.items() if gate == Gate.MUTED)

    def mutes(self, feeds: Feeds, place: int) -> tuple[str, ...]:
        """What a silent feed mutes after the last bucket, as people read it."""
        named = []
        for rule in self._fed.get(feeds.metric, ()):
            group = projected(rule, feeds.groups[place])
            if group is not None and self._gates.get(rule.name, {}).get(feeds.number, {}).get(group) == Gate.MUTED:
                named.append(_named(rule, group))
        return tuple(named)

    def _found(self, rule: Rule, feeds: Feeds, before: Mapping[Group, int]) -> dict[Group, int]:
        which, groups = self._projection(rule, feeds)
        looked_at = which >= 0
        all_of = np.bincount(which[looked_at], feeds.weight[looked_at], len(groups))
        found: dict[Group, int] = {}
        for gate, feed_is in ((Gate.HELD, feeds.doubted), (Gate.MUTED, feeds.silent | feeds.returned)):
            chosen = looked_at & feed_is
            missing = np.bincount(which[chosen], feeds.weight[chosen], len(groups))
            for place in np.unique(which[chosen]):
                if missing[place] >= self._room[rule.name] * all_of[place]:
                    found[groups[place]] = gate
        for place in np.unique(which[looked_at & feeds.gone]):
            if before.get(groups[place]) == Gate.MUTED:
                found[groups[place]] = Gate.FORGET
        return found

    def _projection(self, rule: Rule, feeds: Feeds) -> tuple[Ints, list[Group]]:
        """For each feed the place of the group of a rule that feeds on it, −1 for none; and these groups."""
        which, groups = self._places.get(rule.name, (np.empty(0, dtype=np.int64), []))
        if len(which) != len(feeds.groups):
            places = {group: place for place, group in enumerate(groups)}
            of_rule = [projected(rule, feed) for feed in feeds.groups]
            for group in of_rule:
                if group is not None and group not in places:
                    places[group] = len(places)
            which = np.array([-1 if group is None else places[group] for group in of_rule], dtype=np.int64)
            groups = list(places)
            self._places[rule.name] = which, groups
        return which, groups

    def _remembered(self, rule: Rule, number: int) -> dict[Group, int]:
        spans = (one for one in self._spans if one.metric == self._feed_of[rule.name])
        found: dict[Group, int] = {}
        for one in spans:
            group = projected(rule, one.feed) if one.first <= number <= (one.last or number) else None
            if group is not None and _named(rule, group) in one.mutes:
                found[group] = Gate.MUTED
        return found


def projected(rule: Rule, feed: Group) -> Group | None:
    """The group of a rule, all segments together, that feeds on a feed; None where the rule looks elsewhere."""
    names = {"journey": feed.journey, "stage": feed.stage, "channel": feed.channel}
    if any(rule.where.name(one) not in (None, name) for one, name in names.items()):
        return None
    return Group(
        *(name if rule.is_each(one) or rule.where.name(one) is not None else None for one, name in names.items())
    )


def room_for_silence(rule: Rule, metric: Metric) -> float:
    """The share of a group that may be missing without muting it; 0 for segments, whose channels are not known."""
    if rule.is_each("segment") or rule.where.name("segment") is not None:
        return 0.0
    bins, difference = bins_of(metric), rule.difference
    if difference is None or bins is None:
        return _OF_WINDOW
    if difference.percent is not None:
        return MISSING_SHARE * difference.percent / 100
    values = bins.values or (0.0, 1.0)
    return MISSING_SHARE * min(1.0, (difference.points or 0.0) / (max(values) - min(values)))


def silent_spans(changes: Iterable[AlertRow]) -> list[SilentSpan]:
    """The silences that changes of feed rules tell of; changes: in the order of their ticks."""
    open_: dict[tuple[str, Group], SilentSpan] = {}
    spans = []
    for change in changes:
        place = change.about.metric, change.group
        number = change.tick_ms // BUCKET_MS - 1
        if change.state == FIRING:
            open_.setdefault(place, SilentSpan(*place, change.mutes, number))
        elif change.state == RESOLVED and place in open_:
            spans.append(replace(open_.pop(place), last=number))
    return [*spans, *open_.values()]


def _named(rule: Rule, group: Group) -> str:
    words = [f"{one} {name or '(none)'}" for one in _WORDS if (name := getattr(group, one)) is not None]
    return f"{rule.name} in {', '.join(words) or f'journey {group.journey}'}"
