"""What people did about alerts, and what of it holds when."""

from dataclasses import replace

import pytest

from touchstream.schemas.alert_actions import ACK, SILENCE, UNSILENCE, Action, Actions, AlertTarget
from touchstream.schemas.alert_state import About, AlertRow, Group, Reading

T = "touchpoints"
ABOUT = About("csat", "5m", "csat below 60", "warning", "", "s")
FIRING = AlertRow("low", Group("customer", "support", "chat"), 900, "firing", 600, "breach", ABOUT, Reading(1.0))
ALL = AlertTarget()
RULE = AlertTarget(rule="low")


def silence(target: AlertTarget, at: int, until: int, by: str = "anna") -> Action:
    return Action(SILENCE, target.id(T), target, at, by, "r", until_ms=until)


def unsilence(target: AlertTarget, at: int) -> Action:
    return Action(UNSILENCE, target.id(T), target, at, "ben", "r")


@pytest.mark.parametrize(
    ("target", "is_for"),
    [
        (RULE, True),
        (AlertTarget(rule="lower"), False),
        (AlertTarget(group_key=(("stage", "support"),)), True),
        (AlertTarget(group_key=(("channel", "chat"), ("stage", "support"))), True),
        (AlertTarget(group_key=(("stage", "use"),)), False),
        (AlertTarget(group_key=(("segment", ""),)), False),
        (AlertTarget(rule="low", group_key=(("stage", "use"),)), False),
        (AlertTarget(("",), "low"), True),
        (AlertTarget(("team-b",), "low"), False),
    ],
)
def test_a_silence_is_for_alerts_of_its_rule_group_and_namespace(target: AlertTarget, is_for: bool) -> None:
    actions = Actions(T, [silence(target, 10, 20)])
    assert (actions.silence(FIRING, 15) is not None) == is_for


def test_a_silence_holds_from_its_beginning_to_before_its_end() -> None:
    actions = Actions(T, [silence(RULE, 10, 20)])
    assert [at for at in (9, 10, 19, 20) if actions.silence(FIRING, at)] == [10, 19]
    assert [at for at in (9, 10, 19, 20) if actions.silences(at)] == [10, 19]


def test_a_second_silence_takes_the_place_of_the_first_and_an_unsilence_ends_both() -> None:
    shorter = Actions(T, [silence(RULE, 10, 90), silence(RULE, 20, 30, "ben")])
    assert [one.by if (one := shorter.silence(FIRING, at)) else "" for at in (15, 25, 35)] == ["anna", "ben", ""]
    ended = Actions(T, [unsilence(RULE, 40), silence(RULE, 10, 90), silence(RULE, 20, 80)])
    assert [bool(ended.silence(FIRING, at)) for at in (39, 40, 85)] == [True, False, False]


def test_the_end_of_a_silence_is_known_once_no_other_one_holds() -> None:
    by_group = AlertTarget(group_key=(("stage", "support"),))
    actions = Actions(T, [silence(RULE, 10, 20), silence(RULE, 20, 30), silence(by_group, 5, 50), unsilence(RULE, 90)])
    assert [actions.silence_ended_ms(FIRING, 0, at) for at in (20, 30, 49, 50, 99)] == [None, None, None, 50, 50]
    assert actions.silence_ended_ms(FIRING, 50, 99) is None
    assert actions.silence_ended_ms(replace(FIRING, rule="other", group=Group("a")), 0, 99) is None


def test_the_first_acknowledgement_of_a_firing_holds_until_it_is_over() -> None:
    def ack(by: str, at: int, since: int = 600) -> Action:
        return Action(ACK, FIRING.id(T), AlertTarget(("",), "low", FIRING.group.key), at, by, "on it", since)

    actions = Actions(T, [ack("ben", 20), ack("anna", 10)])
    first = actions.acknowledgement(FIRING)
    assert first is not None
    assert first.by == "anna"
    assert actions.acknowledgement(replace(FIRING, since_ms=700)) is None
    assert actions.acknowledgement(replace(FIRING, state="resolved")) is None
    assert actions.acknowledgement(replace(FIRING, namespace="team-b")) is None
