"""Alerts that belong together are one incident, told when one comes or goes; its cause is an exact split."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.schemas.alerts import Rules
from touchstream.schemas.bins import Bins, bins_of
from touchstream.schemas.incidents import MEMBERS_MAX, AlertIncident
from touchstream.schemas.metrics import shipped
from touchstream.sinks.clickhouse.alerts.cause import CausePeriod
from touchstream.sinks.notify.notification import Notification
from touchstream.streams.watch.cause import PeriodSums, cause_by
from touchstream.streams.watch.incident_watch import IncidentSources, IncidentWatch, periods_of
from touchstream.streams.watch.incidents import gather, related
from touchstream.streams.watch.judge import FIRING, RESOLVED

MINUTE, HOUR = 60_000, 3_600_000
SUPPORT, CHAT, USE = Group("shop", "support"), Group("shop", "support", "chat"), Group("shop", "use")
ABOUT = About("nps", "6h", "nps drop of 20 within 6h", "warning", "care", "Worse.")
NPS = bins_of(shipped().metrics["nps"]) or Bins(())
TOUCHES = bins_of(shipped().metrics["touches"]) or Bins(())


def change(rule: str, group: Group, minute: int, state: str = FIRING) -> AlertRow:
    tick = minute * MINUTE
    return AlertRow(rule, group, tick, state, tick, "breach", ABOUT, Reading(1.0), Baseline(2.0, 3, tick - HOUR))


def members(*changes: AlertRow) -> list[list[tuple[str, bool]]]:
    return [[(one.fired.rule, one.ended is None) for one in found.members] for found in gather(changes)]


def test_groups_that_nest_or_share_a_name_are_related_and_others_are_not() -> None:
    assert related(Group("shop"), CHAT)
    assert related(SUPPORT, CHAT)
    assert related(Group("shop", "use", "chat"), CHAT)
    assert related(Group("shop", None, "chat"), SUPPORT) is False
    assert related(SUPPORT, USE) is False
    assert related(SUPPORT, Group("other", "support")) is False
    assert related(Group("shop", "use", None, "vip"), Group("shop", "support", None, "vip"))


def test_alerts_that_overlap_and_belong_together_are_one_incident_and_others_are_not() -> None:
    changes = [change("a", SUPPORT, 0), change("b", CHAT, 5), change("c", USE, 6), change("a", SUPPORT, 10, RESOLVED)]
    assert members(*changes) == [[("a", False), ("b", True)], [("c", True)]]
    assert members(*changes, change("d", SUPPORT, 20)) == [[("a", False), ("b", True), ("d", True)], [("c", True)]]
    over = [*changes, change("b", CHAT, 12, RESOLVED), change("d", SUPPORT, 20)]
    assert members(*over) == [[("a", False), ("b", False)], [("c", True)], [("d", True)]]


def test_an_alert_that_fires_again_in_an_open_incident_joins_it_again() -> None:
    changes = [
        change("a", SUPPORT, 0),
        change("b", CHAT, 1),
        change("a", SUPPORT, 2, RESOLVED),
        change("a", SUPPORT, 3),
    ]
    assert members(*changes) == [[("a", False), ("b", True), ("a", True)]]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([SUPPORT, CHAT, USE]), st.booleans()), max_size=30))
def test_every_firing_is_in_one_incident_and_the_order_of_the_changes_makes_no_difference(
    steps: list[tuple[str, Group, bool]],
) -> None:
    changes = [change(rule, group, at, FIRING if on else RESOLVED) for at, (rule, group, on) in enumerate(steps)]
    found = gather(changes)
    fired = [one.fired for incident in found for one in incident.members]
    assert len(set(fired)) == len(fired)
    backwards = gather(reversed(changes))
    assert [(one.id, one.version) for one in backwards] == [(one.id, one.version) for one in found]


class Tables:
    """Changes of alerts, kept in memory."""

    def __init__(self) -> None:
        self.kept: list[AlertRow] = []

    def changes(self, from_ms: int = 0, states: Sequence[str] = ()) -> list[AlertRow]:
        return [one for one in reversed(self.kept) if one.tick_ms >= from_ms and one.state in states]

    def record(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        assert not alerts
        self.kept += changes


class Panes:
    """Two channels, of which chat got worse."""

    def cause_sums(self, by: str, bins: Bins, group: Group, periods: Sequence[CausePeriod]) -> PeriodSums:
        assert bins.number
        assert (group, len(periods)) == (SUPPORT, 2)
        if by != "channel":
            return {("", 0): _nps(130, 70), ("", 1): _nps(1000, 3000)}
        return {
            ("chat", 0): _nps(90, 10), ("web", 0): _nps(40, 60),
            ("chat", 1): _nps(200, 1800), ("web", 1): _nps(800, 1200),
        }  # fmt: skip


def _nps(detractors: int, promoters: int) -> list[int]:
    return [detractors, *[0] * 9, promoters]


RULES = Rules("""
format: 1
rules: [{name: nps_fell, summary: s, metric: nps, each: [stage], drop: {points: 20}, within: 6h}]
""")


def told(tables: Tables, now_ms: int) -> list[AlertIncident]:
    """What a watch that has just been started tells."""
    before = len(tables.kept)
    watch = IncidentWatch(tables, IncidentSources(Panes()), RULES, shipped(), ["webhook"])
    watch.step(now_ms)
    assert watch.step(now_ms) == 0
    return [msgspec.json.decode(one.incident, type=AlertIncident) for one in tables.kept[before:]]


def test_an_incident_is_told_when_an_alert_comes_or_goes_and_never_twice() -> None:
    tables = Tables()
    tables.kept.append(change("low", SUPPORT, 0))
    assert told(tables, MINUTE) == []
    tables.kept.append(change("nps_fell", SUPPORT, 5))
    (opened,) = told(tables, 6 * MINUTE)
    assert (opened.number, opened.firing, opened.closed) == (2, 2, None)
    assert told(tables, 7 * MINUTE) == []
    tables.kept.append(change("low", SUPPORT, 8, RESOLVED))
    tables.kept.append(change("nps_fell", SUPPORT, 9, RESOLVED))
    (closed,) = told(tables, 10 * MINUTE)
    assert closed.id == opened.id
    assert (closed.firing, closed.closed is not None) == (0, True)
    assert told(tables, 10 * MINUTE) == []
    keys = [one.key("t") for one in tables.kept]
    assert len(set(keys)) == len(keys)


def test_a_single_alert_with_a_cause_is_told_with_it() -> None:
    tables = Tables()
    tables.kept.append(change("nps_fell", SUPPORT, 5))
    (incident,) = told(tables, 6 * MINUTE)
    (cause,) = incident.causes
    assert (cause.before, cause.after) == (50.0, -30.0)
    first = cause.by[0]
    assert (first.by, [group.name for group in first.groups]) == ("channel", ["chat"])
    notification = Notification.of(tables.kept[-1], "t")
    assert notification.incident == incident
    assert notification.text.startswith(
        f"OPEN incident {incident.id} in journey shop: 1 of 1 alerts fire: nps_fell in "
    )
    assert "nps 50.0 → -30.0: channel chat -" in notification.text


def test_an_incident_that_was_over_before_it_was_heard_of_is_not_told() -> None:
    tables = Tables()
    tables.kept += [change("nps_fell", SUPPORT, 5), change("nps_fell", SUPPORT, 9, RESOLVED)]
    assert told(tables, 9 * MINUTE + HOUR) == []
    assert len(told(tables, 9 * MINUTE + HOUR - 1)) == 1


def test_more_alerts_than_can_be_named_are_a_digest_at_most_each_hour() -> None:
    tables = Tables()
    tables.kept += [change(f"r{number}", CHAT, 0) for number in range(MEMBERS_MAX + 1)]
    (digest,) = told(tables, MINUTE)
    assert (digest.number, len(digest.alerts)) == (MEMBERS_MAX + 1, MEMBERS_MAX)
    tables.kept.append(change("later", CHAT, 30))
    assert told(tables, 31 * MINUTE) == []
    tables.kept.append(change("much-later", CHAT, 70))
    assert [one.number for one in told(tables, 71 * MINUTE)] == [MEMBERS_MAX + 3]


def test_a_silent_feed_is_named_as_such() -> None:
    tables = Tables()
    tables.kept += [change("feed_silent", CHAT, 0), change("low", SUPPORT, 1)]
    (incident,) = told(tables, 2 * MINUTE)
    assert incident.silent == ("stage support, channel chat",)
    assert "silent: stage support, channel chat" in incident.text


COUNTS = st.lists(st.integers(0, 50), min_size=11, max_size=11)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["", "a", "b", "c", "*"]), st.sampled_from([0, 1])), COUNTS, min_size=1, max_size=10
    )
)
def test_the_parts_of_answers_add_up_to_the_change_with_groups_that_appear_and_vanish(sums: PeriodSums) -> None:
    found = cause_by("channel", NPS, sums)
    values = np.array(NPS.values)
    tables = [
        sum((np.array(counts) for (_, at), counts in sums.items() if at == period), np.zeros(11)) for period in (1, 0)
    ]
    if not all(table.sum() for table in tables):
        assert found is None
        return
    assert found is not None
    before, after, parts = found
    assert before == pytest.approx(float(tables[0] @ values / tables[0].sum()), abs=1e-9)
    assert after == pytest.approx(float(tables[1] @ values / tables[1].sum()), abs=1e-9)
    assert parts.rate + parts.mix == pytest.approx(after - before, abs=1e-9)


@given(st.dictionaries(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), st.tuples(st.integers(0, 99)), min_size=1))
def test_the_parts_of_a_count_add_up_to_its_change_against_the_weeks_that_have_data(sums: PeriodSums) -> None:
    found = cause_by("channel", TOUCHES, sums)
    weeks = {week for (_, week), counts in sums.items() if week and any(counts)}
    if not weeks:
        assert found is None
        return
    assert found is not None
    before, after, parts = found
    assert before == pytest.approx(sum(counts[0] for (_, week), counts in sums.items() if week) / len(weeks))
    assert after == sum(counts[0] for (_, week), counts in sums.items() if not week)
    assert parts.rate == pytest.approx(after - before, abs=1e-9)
    assert parts.mix == 0


def test_one_planted_cause_among_fifty_groups_is_named_first_in_what_is_significant() -> None:
    rng, named, significant = np.random.default_rng(20_261_130), 0, 0
    usual, worse = [0.25, 0.25, 0.5], [0.95, 0.04, 0.01]
    for _ in range(200):
        cause, sums = int(rng.integers(50)), {}
        for group in range(50):
            answers = int(rng.integers(5, 80))
            for period, number in ((1, 20 * answers), (0, answers)):
                falls = period == 0 and group == cause
                detractors, passives, promoters = rng.multinomial(number, worse if falls else usual)
                sums[str(group), period] = [int(detractors), *[0] * 7, int(passives), 0, int(promoters)]
        found = cause_by("channel", NPS, sums)
        assert found is not None
        before, after, parts = found
        answers = sum(sum(counts) for (_, period), counts in sums.items() if period == 0)
        if before - after > 1.96 * 83 / answers**0.5:
            significant += 1
            named += [group.name for group in parts.groups][:1] == [str(cause)]
    assert significant > 20
    assert named >= 0.95 * significant


def test_the_periods_are_those_before_the_change_began() -> None:
    onset, end = 400 * HOUR + 5 * MINUTE, 401 * HOUR
    assert periods_of(onset, end, is_count=False) == [
        CausePeriod(onset, end),
        CausePeriod((394 - 336) * HOUR, 394 * HOUR, 3600),
    ]
    counted = periods_of(onset, end, is_count=True)
    assert [(one.from_ms - onset, one.resolution_s) for one in counted] == [
        (-week * 168 * HOUR, 300) for week in range(5)
    ]
    assert replace(counted[0], from_ms=end - 5 * MINUTE) == periods_of(end, end, is_count=True)[0]
