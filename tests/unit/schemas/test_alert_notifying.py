"""Quiet hours in a local zone, and what of a rule says how people are told."""

from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from touchstream.schemas.alert_notifying import HOW_TOLD, TOLD, DestinationName, Escalation, Quiet
from touchstream.schemas.alerts import Rules
from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.metrics import Catalogue
from touchstream.streams.watch.evidence_watch import digest_of

BERLIN = ZoneInfo("Europe/Berlin")
RULE = "{name: low, summary: s, metric: csat, window: 5m, below: 60"


def rules(rule: str = "", head: str = "") -> Rules:
    return Rules(f"format: 1\n{head}\nrules:\n  - {RULE}{rule}}}\n")


def quiet(at: str, told: Rules, fold: int = 0) -> bool:
    instant = datetime.fromisoformat(at).replace(tzinfo=BERLIN, fold=fold)
    return told.is_quiet(told.rules[0], round(instant.timestamp() * 1000))


NIGHT = ', quiet: {zone: Europe/Berlin, hours: "22:00-07:00", days: [sun], holidays: [2026-12-25]}'


@pytest.mark.parametrize(
    ("at", "is_quiet"),
    [
        ("2026-11-30T21:59:59", False),
        ("2026-11-30T22:00", True),
        ("2026-12-01T06:59:59", True),
        ("2026-12-01T07:00", False),
        ("2026-12-25T12:00", True),
        ("2026-12-24T12:00", False),
        ("2026-11-29T12:00", True),  # a Sunday
        ("2026-03-30T06:30", True),  # the morning after the clock went forward
        ("2026-03-30T07:00", False),
        ("2026-07-01T06:59", True),
        ("2026-07-01T07:00", False),
    ],
)
def test_quiet_hours_are_those_of_the_local_clock(at: str, is_quiet: bool) -> None:
    assert quiet(at, rules(NIGHT)) == is_quiet


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_comes_twice_is_quiet_twice(fold: int) -> None:
    told = rules(', quiet: {zone: Europe/Berlin, hours: "02:00-03:00"}')
    assert quiet("2026-10-25T02:30", told, fold)
    assert not quiet("2026-10-25T03:00", told)


def test_an_hour_that_the_clock_leaves_out_holds_nothing_up() -> None:
    told = rules(', quiet: {zone: Europe/Berlin, hours: "02:00-03:00"}')
    hour = [told.is_quiet(told.rules[0], 1_774_738_800_000 + minute * 60_000) for minute in range(180)]
    assert not any(hour)  # 29 March 2026, 00:00 to 03:00 UTC: local 01:00 to 02:00, then 03:00


def test_critical_alerts_pass_unless_the_file_says_otherwise() -> None:
    night = "2026-11-30T23:00"
    assert not quiet(night, rules(NIGHT + ", severity: critical"))
    assert quiet(night, rules(NIGHT.replace("days: [sun]", "passes: []") + ", severity: critical"))


def test_the_files_quiet_hours_and_zone_are_those_of_rules_without_their_own() -> None:
    head = 'zone: Europe/Berlin\nquiet: {hours: "22:00-07:00"}'
    assert quiet("2026-11-30T22:30", rules(head=head))
    assert not quiet("2026-11-30T22:30", rules(', quiet: {hours: "01:00-02:00"}', head))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("quiet: {}", "give hours, days or holidays"),
        ('quiet: {hours: "22-07"}', "quiet.hours is '22-07'"),
        ('quiet: {hours: "07:00-07:00"}', "begin and end at one time"),
        ("quiet: {holidays: [25.12.2026]}", "25.12.2026 is no date"),
        ("quiet: {days: [sat], zone: Mars/Base}", "there is no time zone Mars/Base"),
        ("escalate: {after: 30m, to: [topic]}", "rules.0.escalate.to.0"),
        ("escalate: {after: 30m, to: []}", "rules.0.escalate.to"),
        ("runbook: 'javascript:alert(1)'", "rules.0.runbook"),
        ("renotify: soon", "write a duration"),
    ],
)
def test_a_mistake_is_named_with_its_key(wrong: str, said: str) -> None:
    with pytest.raises(DefinitionError) as error:
        rules(f", {wrong}")
    assert said in str(error.value)


def test_how_people_are_told_changes_nothing_of_what_is_judged() -> None:
    shipped, catalogue = Rules.load(), Catalogue.load()
    rule = shipped.named["nps_dropped"]
    escalate = Escalation.model_validate({"after": "1h", "to": ("slack",)})
    told = {"runbook": "https://r", "renotify": rule.within, "notify": ("slack",), "severity": "info", "owner": "x",
            "escalate": escalate, "quiet": Quiet(days=("sun",))}  # fmt: skip
    assert told.keys() | {"summary"} == HOW_TOLD
    assert digest_of(rule.model_copy(update=told), shipped, catalogue) == digest_of(rule, shipped, catalogue)
    assert digest_of(rule.model_copy(update={"min_n": 7}), shipped, catalogue) != digest_of(rule, shipped, catalogue)


def test_a_rule_may_name_every_destination_at_once() -> None:
    destinations, told = ", ".join(get_args(DestinationName)), ", ".join(sorted(TOLD))
    (rule,) = rules(f", notify: [{destinations}], escalate: {{after: 30m, to: [{told}]}}").rules
    assert rule.notify == get_args(DestinationName)
    assert rule.escalate is not None
    assert set(rule.escalate.to) == TOLD == set(get_args(DestinationName)) - {"alertmanager"}
