"""One rule at one tick: readings and old alerts in, new alerts and changes out. Pure: no clock, no tables.

    ok ──breach──► pending ──breach for `for`──► firing ──clear──► resolved ──breach──► pending …
                      └──clear──► ok

Where it can't be judged (too few answers, no value, nothing to hold it against, a silent feed), a state stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.schemas.alerts import DIMENSIONS, Rule
from touchstream.schemas.metrics import Metric

OK: Final = "ok"
PENDING: Final = "pending"
FIRING: Final = "firing"
RESOLVED: Final = "resolved"
STATES: Final = (OK, PENDING, FIRING, RESOLVED)

CLEAR: Final = "clear"
BREACH: Final = "breach"
TOO_FEW: Final = "too_few"
NO_VALUE: Final = "no_value"
NO_BASELINE: Final = "no_baseline"
NO_DATA: Final = "no_data"
GONE: Final = "gone"
RETIRED: Final = "retired"
UNJUDGED: Final = frozenset({TOO_FEW, NO_VALUE, NO_BASELINE, NO_DATA})

TOLD: Final = frozenset({FIRING, RESOLVED})
"""States that are notified; the others are history."""

ACTIVE: Final = frozenset({PENDING, FIRING})
"""States of an alert that a group without rows ends."""
_NOTHING: Final = Reading(None)


@dataclass(frozen=True)
class Tick:
    """A complete window and the one before it, which ends where it begins.

    whole: whether all groups of the tick are in `readings`, so that one that isn't has no rows. muted: those whose
    feed is silent.
    """

    tick_ms: int
    before_ms: int
    readings: Mapping[Group, Reading]
    before: Mapping[Group, Reading]
    whole: bool = True
    muted: frozenset[Group] = frozenset()


@dataclass(frozen=True)
class Judgement:
    """Alerts of the groups that were judged, and those among them whose state has changed."""

    alerts: tuple[AlertRow, ...]
    changes: tuple[AlertRow, ...]


def judge(rule: Rule, metric: Metric, known: Mapping[Group, AlertRow], tick: Tick) -> Judgement:
    """Judge a tick. A group that has been judged at this tick or a later one is left as it is."""
    alerts, changes = [], []
    groups = {*tick.readings, *(group for group, alert in known.items() if alert.state in ACTIVE)}
    for group in sorted(groups, key=lambda group: group.key):
        old = known.get(group) or AlertRow(rule.name, group, -1, OK, tick.tick_ms, CLEAR, About.of(rule), Reading(None))
        if old.tick_ms < tick.tick_ms:
            new = _judged(rule, metric, old, tick)
            alerts.append(new)
            if new.state != old.state:
                changes.append(new)
    return Judgement(tuple(alerts), tuple(changes))


def retire(rule: Rule | None, alert: AlertRow) -> AlertRow | None:
    """The end of an alert that no rule looks at any more; None where it needs none. rule: of its name now, if any."""
    if alert.state not in ACTIVE or (rule is not None and _looks_at(rule, alert.group)):
        return None
    state = RESOLVED if alert.state == FIRING else OK
    return replace(alert, state=state, since_ms=alert.tick_ms, verdict=RETIRED)


def _looks_at(rule: Rule, group: Group) -> bool:
    return all(
        value is not None if rule.is_each(name) else value == rule.where.name(name)
        for name, value in zip(DIMENSIONS, (group.journey, group.stage, group.channel, group.segment), strict=True)
    )


def _judged(rule: Rule, metric: Metric, old: AlertRow, tick: Tick) -> AlertRow:
    reading = tick.readings.get(old.group)
    baseline = _baseline(rule, metric, old, tick)
    verdict = _verdict(rule, metric, reading, baseline) if reading else _absent(old, tick)
    if old.group in tick.muted:
        verdict = NO_DATA
    state = _state(rule, old, verdict, tick.tick_ms)
    return AlertRow(
        rule=rule.name,
        group=old.group,
        tick_ms=tick.tick_ms,
        state=state,
        since_ms=old.since_ms if state == old.state else tick.tick_ms,
        verdict=verdict,
        about=About.of(rule),
        reading=reading or _NOTHING,
        baseline=baseline,
    )


def _absent(old: AlertRow, tick: Tick) -> str:
    """Without a row. One window is not enough: its rows may have been read while they were written."""
    return GONE if tick.whole and old.verdict == NO_VALUE else NO_VALUE


def _baseline(rule: Rule, metric: Metric, old: AlertRow, tick: Tick) -> Baseline | None:
    """What a drop is held against: the window before, or, once it has begun, what was before it.

    Else a drop would be over as soon as it lies in both windows.
    """
    if rule.difference is None:
        return None
    if old.state in ACTIVE and old.baseline and tick.before_ms - old.baseline.tick_ms <= rule.hold_ms:
        return old.baseline
    before = tick.before.get(old.group, _NOTHING)
    size = before.n if metric.n else before.value
    if before.value is None or size is None or size < rule.minimum(metric):
        return None
    return Baseline(before.value, before.n, tick.before_ms)


def _verdict(rule: Rule, metric: Metric, reading: Reading, baseline: Baseline | None) -> str:
    if metric.n and (reading.n or 0) < rule.minimum(metric):
        return TOO_FEW
    if reading.value is None:
        return NO_VALUE
    if rule.difference is None:
        is_breach = reading.value < rule.below if rule.below is not None else reading.value > (rule.above or 0)
        return BREACH if is_breach else CLEAR
    if baseline is None or (rule.difference.percent is not None and baseline.value <= 0):
        return NO_BASELINE
    change = baseline.value - reading.value if rule.drop else reading.value - baseline.value
    if rule.difference.points is not None:
        return BREACH if change >= rule.difference.points else CLEAR
    return BREACH if 100 * change >= (rule.difference.percent or 0) * baseline.value else CLEAR


def _state(rule: Rule, old: AlertRow, verdict: str, tick_ms: int) -> str:
    if verdict in UNJUDGED:
        return old.state
    if verdict != BREACH:
        return {FIRING: RESOLVED, PENDING: OK}.get(old.state, old.state)
    if old.state == FIRING:
        return FIRING
    began_ms = old.since_ms if old.state == PENDING else tick_ms
    return FIRING if tick_ms - began_ms >= rule.for_ms else PENDING
