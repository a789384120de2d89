"""The state machine of alerts, and that what is judged does not depend on when, or how often, somebody dies."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.alert_rows import ALL, CATALOGUE, CSAT_LOW, NPS_DROP, Died, at, rules
from tests.support.numbers import how_many
from touchstream.schemas.alert_state import AlertRow, Group, Reading
from touchstream.schemas.alerts import Rule, Rules
from touchstream.schemas.metrics import Metric
from touchstream.streams.watch.judge import (
    BREACH,
    CLEAR,
    FIRING,
    GONE,
    NO_BASELINE,
    NO_DATA,
    NO_VALUE,
    OK,
    PENDING,
    RESOLVED,
    RETIRED,
    TOO_FEW,
    Tick,
    judge,
    retire,
)
from touchstream.streams.watch.watch import TICKS_MAX, Watch

SUPPORT = Group("customer", "support", ALL, ALL)
USE = Group("customer", "use", ALL, ALL)
LENGTH = 6  # ticks of ten seconds in a window of a minute


def rule(text: str) -> Rule:
    (found,) = rules(text).rules
    return found


def story(text: str, values: Sequence[Reading | float | None], group: Group = SUPPORT) -> list[AlertRow]:
    """The alert at each tick, as values follow each other; a bare value has n 100."""
    one = rule(text)
    readings = [value if isinstance(value, Reading) else Reading(value, 100) for value in values]
    known: dict[Group, AlertRow] = {}
    found = []
    for number, reading in enumerate(readings):
        before = {group: readings[number - LENGTH]} if number >= LENGTH else {}
        tick = Tick(at(number), at(number - LENGTH), {group: reading}, before)
        known |= {alert.group: alert for alert in judge(one, CATALOGUE.metrics[one.metric], known, tick).alerts}
        found.append(known[group])
    return found


def states(text: str, values: Sequence[Reading | float | None]) -> list[str]:
    return [alert.state for alert in story(text, values)]


def test_a_group_whose_feed_is_silent_is_not_judged_and_stays_as_it_is() -> None:
    one = rule(CSAT_LOW)
    known: dict[Group, AlertRow] = {}
    found = []
    for number, csat in enumerate([50.0, 50.0, 50.0, 50.0, 90.0, 90.0]):
        muted = frozenset([SUPPORT]) if number in (0, 1, 4) else frozenset[Group]()
        tick = Tick(at(number), at(number - LENGTH), {SUPPORT: Reading(csat, 100)}, {}, muted=muted)
        known |= {alert.group: alert for alert in judge(one, CATALOGUE.metrics["csat"], known, tick).alerts}
        found.append((known[SUPPORT].state, known[SUPPORT].verdict))
    assert found[:4] == [(OK, NO_DATA), (OK, NO_DATA), (PENDING, BREACH), (PENDING, BREACH)]
    assert found[4:] == [(PENDING, NO_DATA), (OK, CLEAR)]


def test_a_rule_fires_when_it_has_held_for_long_enough_and_is_resolved_at_once() -> None:
    found = story(CSAT_LOW, [70.0, 50.0, 50.0, 50.0, 50.0, 60.0, 70.0, 59.9])
    assert [alert.state for alert in found] == [OK, PENDING, PENDING, FIRING, FIRING, RESOLVED, RESOLVED, PENDING]
    assert [alert.since_ms for alert in found] == [at(n) for n in (0, 1, 1, 3, 3, 5, 5, 7)]


def test_a_rule_that_has_not_held_for_long_enough_is_forgotten() -> None:
    assert states(CSAT_LOW, [50.0, 50.0, 70.0, 50.0, 50.0]) == [PENDING, PENDING, OK, PENDING, PENDING]


def test_without_for_the_first_window_is_enough() -> None:
    assert states(CSAT_LOW.replace(", for: 20s", ""), [50.0, 70.0, 50.0]) == [FIRING, RESOLVED, FIRING]


def test_too_few_answers_neither_fire_nor_resolve_and_are_said() -> None:
    few = Reading(1.0, 49)
    found = story(CSAT_LOW, [few, 50.0, few, 50.0, few, Reading(99.0, 49), Reading(None, 0), 70.0])
    assert [alert.state for alert in found] == [OK, PENDING, PENDING, FIRING, FIRING, FIRING, FIRING, RESOLVED]
    assert [alert.verdict for alert in found] == [TOO_FEW, BREACH, TOO_FEW, BREACH, TOO_FEW, TOO_FEW, TOO_FEW, CLEAR]


def test_without_min_n_the_metrics_own_smallest_n_holds() -> None:
    text = CSAT_LOW.replace(" min_n: 50,", "").replace(", for: 20s", "")
    assert CATALOGUE.metrics["csat"].n_min == 30
    assert states(text, [Reading(1.0, 29), Reading(1.0, 30)]) == [OK, FIRING]


def test_above_is_the_other_way_round() -> None:
    text = "{name: slow, summary: x, metric: duration_ms_p95, window: 1m, above: 900}"
    assert states(text, [900.0, 900.1, 900.0]) == [OK, FIRING, RESOLVED]


def test_a_drop_needs_a_window_before_with_enough_answers() -> None:
    values: list[Reading | float | None] = [Reading(40.0, 49), *[40.0] * 5, 20.0, 20.0]
    found = story(NPS_DROP, values)
    assert [alert.verdict for alert in found] == [TOO_FEW] + [NO_BASELINE] * 6 + [BREACH]
    assert found[-1].baseline is not None
    assert (found[-1].baseline.value, found[-1].baseline.n, found[-1].baseline.tick_ms) == (40.0, 100, at(1))


def test_a_drop_fires_at_exactly_its_points_and_a_rise_does_not() -> None:
    assert states(NPS_DROP, [40.0] * 6 + [30.1, 30.0, 55.0])[6:] == [OK, FIRING, RESOLVED]
    assert states(NPS_DROP.replace("drop", "rise"), [40.0] * 6 + [30.0, 50.0])[6:] == [OK, FIRING]


def test_a_drop_that_lasts_is_held_against_what_was_before_it_until_it_is_the_norm() -> None:
    text = NPS_DROP.replace("min_n", "hold: 1m, min_n")
    found = story(text, [40.0] * 6 + [20.0] * 14)
    firing = [number for number, alert in enumerate(found) if alert.state == FIRING]
    assert firing == list(range(6, 13))
    assert found[13].baseline is not None
    assert found[13].baseline.value == 20.0


def test_per_cent_are_of_what_was_before() -> None:
    text = "{name: silent, summary: x, metric: touches, window: 1m, drop: {percent: 90}, min_n: 50}"
    assert states(text, [Reading(200.0)] * 6 + [Reading(20.1), Reading(20.0), Reading(0.0)])[6:] == [OK, FIRING, FIRING]


def test_a_count_is_judged_only_where_enough_was_counted_before() -> None:
    text = "{name: silent, summary: x, metric: touches, window: 1m, drop: {percent: 90}, min_n: 50}"
    found = story(text, [Reading(49.0)] * 6 + [Reading(0.0)])
    assert (found[6].state, found[6].verdict) == (OK, NO_BASELINE)


def test_of_nothing_there_are_no_per_cent() -> None:
    text = "{name: more, summary: x, metric: touches, window: 1m, rise: {percent: 90}, min_n: 0}"
    assert story(text, [Reading(0.0)] * 6 + [Reading(5.0)])[6].verdict == NO_BASELINE


def test_a_group_without_rows_in_two_windows_is_resolved_but_not_where_rows_were_left_out() -> None:
    one, metric = rule(CSAT_LOW), CATALOGUE.metrics["csat"]
    firing = story(CSAT_LOW, [50.0] * 3)[-1]
    others = {USE: Reading(90.0, 100)}
    for whole, story_of_it in ((True, [NO_VALUE, GONE]), (False, [NO_VALUE, NO_VALUE])):
        known = {SUPPORT: firing}
        for number, verdict in enumerate(story_of_it, 9):
            tick = Tick(at(number), at(number - LENGTH), others, {}, whole=whole)
            known |= {alert.group: alert for alert in judge(one, metric, known, tick).alerts}
            assert known[SUPPORT].verdict == verdict
            assert known[SUPPORT].state == (RESOLVED if verdict == GONE else FIRING)
    quiet = judge(one, metric, {SUPPORT: story(CSAT_LOW, [70.0])[0]}, Tick(at(9), at(3), others, {}))
    assert [alert.group for alert in quiet.alerts] == [USE]


def test_a_tick_that_has_been_judged_is_left_as_it_is() -> None:
    one, metric = rule(CSAT_LOW), CATALOGUE.metrics["csat"]
    firing = story(CSAT_LOW, [50.0] * 3)[-1]
    for tick in (1, 2):
        again = judge(one, metric, {SUPPORT: firing}, Tick(at(tick), at(tick - 6), {SUPPORT: Reading(99.0, 100)}, {}))
        assert again.alerts == again.changes == ()


def test_the_key_of_a_change_tells_rule_group_tick_and_state_apart_and_nothing_else() -> None:
    (_, one, two, three) = story(CSAT_LOW, [70.0, 50.0, 50.0, 50.0])
    other = story(CSAT_LOW, [70.0, 51.0, 52.0, 53.0])[-1]
    elsewhere = story(CSAT_LOW, [70.0, 50.0, 50.0, 50.0], USE)[-1]
    assert three.key("touchpoints") == other.key("touchpoints")
    keys = [one.key("t"), two.key("t"), three.key("t"), elsewhere.key("t"), three.key("u")]
    assert len({*keys}) == len(keys)


def test_only_an_active_alert_that_no_rule_looks_at_is_retired() -> None:
    pending, _, firing = story(CSAT_LOW, [50.0] * 3)
    one = rule(CSAT_LOW)
    narrower = rule(CSAT_LOW.replace("each: [stage]", "where: {stage: use}"))
    assert retire(one, firing) is None
    assert retire(None, story(CSAT_LOW, [70.0])[0]) is None
    for now in (None, narrower):
        ends = [retire(now, alert) for alert in (pending, firing)]
        assert [(end.state, end.verdict) for end in ends if end] == [(OK, RETIRED), (RESOLVED, RETIRED)]


class MemoryTables:
    """Tables in memory whose process dies before the writes of these numbers."""

    def __init__(self, ticks: Mapping[int, Mapping[Group, Reading]], dies_before: frozenset[int] = frozenset()) -> None:
        self._ticks, self._dies_before = ticks, dies_before
        self.visible = -1
        self.rows: dict[tuple[str, Group], AlertRow] = {}
        self.changed: dict[str, AlertRow] = {}
        self.judged: dict[str, int] = {}
        self._writes = 0

    def alerts(self, rules: Sequence[str] = (), states: Sequence[str] = ()) -> list[AlertRow]:
        found = [alert for alert in self.rows.values() if not rules or alert.rule in rules]
        return [alert for alert in found if not states or alert.state in states]

    def cursors(self) -> dict[str, int]:
        return dict(self.judged)

    def newest_tick(self, window: str) -> int | None:
        return max(self.waiting({window: -1}, 10**6)["1m"], default=None)

    def waiting(self, after_ms: Mapping[str, int], most: int) -> dict[str, list[int]]:
        behind = [tick for tick in sorted(self._ticks) if after_ms["1m"] < tick <= self.visible]
        return {"1m": behind[:most]}

    def readings(self, rule: Rule, metric: Metric, ticks: Sequence[int]) -> dict[int, dict[Group, Reading]]:
        assert metric.name == rule.metric
        return {tick: dict(self._ticks[tick]) for tick in ticks if tick in self._ticks and tick <= self.visible}

    def record(self, alerts: Sequence[AlertRow], changes: Mapping[AlertRow, Sequence[str]]) -> None:
        self._write()
        self.changed |= {change.key("t"): change for change in changes}
        self._write()
        self.rows |= {(alert.rule, alert.group): alert for alert in alerts}

    def record_judged(self, rule: str, tick_ms: int) -> None:
        self._write()
        assert tick_ms > self.judged.get(rule, -1)
        self.judged[rule] = tick_ms

    def _write(self) -> None:
        self._writes += 1
        if self._writes in self._dies_before:
            raise Died


READINGS = st.builds(Reading, st.sampled_from([20.0, 45.0, 59.0, 60.0, 75.0]), st.sampled_from([10, 49, 50, 400]))
TICKS = st.lists(
    st.dictionaries(st.sampled_from([SUPPORT, USE]), READINGS | st.just(Reading(None, 0)), min_size=1),
    min_size=10,
    max_size=40,
)
SEVERAL: Rules = rules(CSAT_LOW, NPS_DROP.replace("nps,", "csat,").replace("where: {stage: support}", "each: [stage]"))


def judged(tables: MemoryTables, pauses: Sequence[int], *, restarts: bool = True) -> MemoryTables:
    """All ticks judged, as they become visible: so many between two steps. What fails is started again, or goes on."""
    tables.visible = at(0)
    watch = Watch(tables, SEVERAL, CATALOGUE, ["webhook"])
    for pause in [0, *pauses, TICKS_MAX + 60, 0, 0]:
        tables.visible += 10_000 * pause
        while True:
            try:
                watch.step()
                break
            except Died:
                if not restarts:
                    continue
                watch = Watch(tables, SEVERAL, CATALOGUE, ["webhook"])
    return tables


DEATHS = st.frozensets(st.integers(1, 40), min_size=4, max_size=20)


@settings(max_examples=how_many(60, 200))
@given(TICKS, st.lists(st.integers(0, 9), min_size=2, max_size=8), DEATHS, st.booleans(), st.booleans())
def test_whatever_dies_and_however_long_nobody_looks_each_tick_is_judged_once_and_in_order(
    found: list[dict[Group, Reading]], pauses: list[int], dies_before: frozenset[int], gaps: bool, restarts: bool
) -> None:
    ticks = {at(number): readings for number, readings in enumerate(found) if not gaps or number % 5 != 3}
    steady = judged(MemoryTables(ticks), [1] * len(found))
    other = judged(MemoryTables(ticks, dies_before), pauses, restarts=restarts)
    assert other.changed == steady.changed
    assert other.rows == steady.rows
    assert other.judged == steady.judged == dict.fromkeys(("csat_low", "nps_drop"), max(ticks))
