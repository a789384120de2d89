"""alerts.yaml: what can be used, what is refused with its line, and what is pointed out."""

import pytest

from touchstream.schemas.alerts import Known, Rules
from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.feed_rules import feed_rules
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import Catalogue, shipped
from touchstream.schemas.windows import WINDOWS

KNOWN = Known(Journeys.load().journeys, Catalogue.load(), {window.name: window.length_ms for window in WINDOWS})
HEAD = "format: 1\nrules:\n"
RULE = """  - name: low
    summary: Customers are unhappy.
    metric: csat
    window: 5m
    below: 60
    owner: support
"""


def refused(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as error:
        Rules(HEAD + text)
    return [str(finding) for finding in error.value.findings]


def found(text: str) -> list[str]:
    return [f"{finding.severity} {finding}" for finding in Rules(HEAD + text).check(KNOWN)]


def test_the_shipped_rules_have_no_errors_and_no_gaps() -> None:
    assert Rules.load().check(KNOWN) == []


def test_a_file_without_rules_can_be_used() -> None:
    assert Rules("format: 1\nrules: []\n").rules == ()


@pytest.mark.parametrize(
    ("file", "namespace"),
    [("alerts.yaml", "alerts"), ("Team B.yml", "team-b"), ("7days.yaml", "rules-7days"), ("ä.yaml", "rules"),
     ("rules", "rules"), ("a" * 99 + ".yaml", "a" * 63)],
)  # fmt: skip
def test_a_file_of_rules_has_a_namespace_by_its_name(file: str, namespace: str) -> None:
    assert Rules("format: 1\nrules: []\n", file).namespace == namespace
    assert Rules(f"format: 1\nnamespace: {namespace}\nrules: []\n").namespace == namespace


def test_a_rule_says_its_condition_in_words() -> None:
    (rule,) = Rules(HEAD + RULE.replace("below: 60", "rise: {percent: 12.5}")).rules
    assert rule.condition == "csat rise of 12.5 % over 5m"


def test_durations_are_read() -> None:
    (rule,) = Rules(HEAD + RULE + "    for: 90s\n    hold: 2h\n").rules
    assert (rule.for_ms, rule.hold_ms) == (90_000, 7_200_000)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("below: 60", "below: 60\n    above: 70", "alerts.yaml:3: rules.0 is {"),
        ("    below: 60\n", "", "give one of below, above, drop and rise, not none"),
        ("below: 60", "drop: {}", "alerts.yaml:7: rules.0.drop is {}; give either points or percent"),
        ("below: 60", "drop: {points: 1, percent: 1}", "give either points or percent"),
        ("below: 60", "drop: {points: 0}", "alerts.yaml:7: rules.0.drop.points is 0; "),
        ("below: 60", "below: .nan", "alerts.yaml:7: rules.0.below is nan; "),
        ("below: 60", "below: low", "alerts.yaml:7: rules.0.below is 'low'; "),
        ("name: low", "name: Low one", "alerts.yaml:3: rules.0.name is 'Low one'; "),
        ("owner: support", "for: soon", "alerts.yaml:8: rules.0.for is 'soon'; write a duration"),
        ("owner: support", "severity: urgent", "alerts.yaml:8: rules.0.severity is 'urgent'; "),
        ("owner: support", "each: [touchpoint]", "alerts.yaml:8: rules.0.each.0 is 'touchpoint'; "),
        ("owner: support", "min_n: -1", "alerts.yaml:8: rules.0.min_n is -1; "),
        ("owner: support", "confidance: 95", "alerts.yaml:8: rules.0.confidance is no known key; "),
        ("    summary: Customers are unhappy.\n", "", "alerts.yaml:3: rules.0.summary is missing; add it"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_with_its_line(right: str, wrong: str, said: str) -> None:
    assert any(said in finding for finding in refused(RULE.replace(right, wrong)))


def test_a_name_of_silent_feeds_is_refused_and_silence_can_be_left_out() -> None:
    (said,) = refused(RULE.replace("name: low", "name: feed_silent_nps"))
    assert said.endswith("feed_silent_nps is a name for silent feeds; take another one")
    text = "format: 1\nsilence: {}\nrules: [{{name: a, summary: s, metric: nps, window: 5m, below: 0}}]"
    assert [one.name for one in feed_rules(Rules(text.format("{severity: info}")), shipped())] == [
        "feed_silent",
        "feed_silent_nps",
    ]
    assert feed_rules(Rules(text.format("false")), shipped()) == ()


def test_two_rules_of_a_name_are_refused() -> None:
    assert refused(RULE + RULE) == ["alerts.yaml:9: low stands here again; rename one"]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("metric: csat", "metric: csta", "alerts.yaml:5: metrics.yaml has no metric csta"),
        ("metric: csat", "metric: nps_response_rate", "alerts.yaml:5: rolling windows don't have nps_response_rate"),
        ("window: 5m", "window: 6m", "alerts.yaml:6: there is no window 6m; take one of 1m, 5m"),
        ("owner:", "where: {stage: suport}\n    owner:", "alerts.yaml:8: journey.yaml has no stage suport"),
        ("owner:", "where: {journey: partner}\n    owner:", "alerts.yaml:8: journey.yaml has no journey partner"),
        ("owner:", "where: {channel: web}\n    owner:", "alerts.yaml:8: rolling rows have a channel within a stage"),
        ("owner:", "each: [segment]\n    owner:", "alerts.yaml:8: rolling rows have a segment within a stage"),
        ("owner:", "where: {stage: use}\n    each: [stage]\n    owner:", "alerts.yaml:9: stage stands in where, too"),
        ("below: 60", "below: 0", "alerts.yaml:7: can never fire: csat is never below 0"),
        ("below: 60", "above: 100", "alerts.yaml:7: can never fire: csat is never above 100"),
        ("below: 60", "drop: {points: 101}", "alerts.yaml:7: can never fire: csat lies between 0 and 100"),
        ("below: 60", "drop: {percent: 101}", "alerts.yaml:7: can never fire: csat never drops by more than 100 %"),
        ("csat\n    window: 5m", "touches\n    min_n: 5\n    window: 5m", "alerts.yaml:6: touches is a count"),
        ("csat\n    window: 5m", "customers\n    window: 24h", "alerts.yaml:6: customers are not counted"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_judged_or_never_fires_is_an_error(right: str, wrong: str, said: str) -> None:
    assert any(finding.startswith(f"error {said}") for finding in found(RULE.replace(right, wrong)))


def test_per_cent_of_a_score_around_zero_are_an_error() -> None:
    text = RULE.replace("csat", "nps").replace("below: 60", "drop: {percent: 20}")
    assert any("nps is in points; give points" in finding for finding in found(text))


def test_a_rule_without_owner_is_a_gap() -> None:
    assert found(RULE.replace("    owner: support\n", "")) == [
        "gap alerts.yaml:3: low has no owner; name who is to act"
    ]


def test_a_journey_without_a_stage_may_be_looked_at_by_its_stages_and_channels() -> None:
    assert found(RULE + "    where: {journey: customer, stage: undeclared}\n    each: [channel, segment]\n") == []


EVIDENCE = """  - name: fell
    summary: It fell.
    metric: nps
    drop: {points: 10}
    within: 6h
    owner: support
"""


def test_a_rule_by_evidence_has_no_findings_and_says_its_condition() -> None:
    rules = Rules("format: 1\nbudget: {false_alarms_per_week: 2}\nzone: Europe/Berlin\nrules:\n" + EVIDENCE + RULE)
    assert rules.check(KNOWN) == []
    assert [rule.name for rule in rules.by_evidence] == ["fell"]
    assert [rule.name for rule in rules.by_window] == ["low"]
    assert rules.by_evidence[0].condition == "nps drop of 10 within 6h"
    assert (rules.false_alarms_per_week, rules.zone.key) == (1.0, "Europe/Berlin")


def test_rules_by_evidence_and_silent_feeds_share_the_budget_of_their_file() -> None:
    two = EVIDENCE + EVIDENCE.replace("fell", "sank") + RULE
    assert Rules(HEAD + two).false_alarms_per_week == pytest.approx(0.5 / 3)
    assert Rules("format: 1\nsilence: false\nrules:\n" + two).false_alarms_per_week == 0.25


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("within: 6h", "within: 6h\n    window: 1h", "give window or within, not both"),
        ("    within: 6h\n", "", "give a window, or, for a drop or a rise that is judged by evidence, within: 6h"),
        ("drop: {points: 10}", "below: 10", "within is for drop and rise"),
        ("owner:", "hold: 2h\n    owner:", "hold is for windows"),
        ("within: 6h", "window: 1h\n    recover: 0.3", "recover is for rules by evidence"),
        ("within: 6h", "within: 6h\n    recover: 1.0", "rules.0.recover is 1.0"),
    ],
)
def test_a_rule_that_mixes_windows_and_evidence_is_refused(right: str, wrong: str, said: str) -> None:
    assert said in "\n".join(refused(EVIDENCE.replace(right, wrong)))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("metric: nps", "metric: duration_ms_p95", "alerts.yaml:5: panes have no distribution of duration_ms_p95"),
        ("metric: nps", "metric: touches", "alerts.yaml:6: touches is a count, whose change is relative"),
        ("{points: 10}", "{percent: 10}", "alerts.yaml:6: a change of nps is in its own unit, points; give points"),
        ("{points: 10}", "{points: 201}", "alerts.yaml:6: can never fire: nps lies between -100 and 100"),
        ("within: 6h", "within: 30m", "alerts.yaml:7: evidence is added up over an hour at least and 7d at most"),
        ("metric: nps\n    drop: {points: 10}", "metric: touches\n    drop: {percent: 100}", "can never fire: touches"),
    ],
)
def test_a_rule_by_evidence_that_can_not_be_judged_is_an_error(right: str, wrong: str, said: str) -> None:
    assert any(f"error {said}" in one or said in one for one in found(EVIDENCE.replace(right, wrong)))
    assert any(one.startswith("error") for one in found(EVIDENCE.replace(right, wrong)))


def test_a_drop_over_a_window_is_judged_and_pointed_out() -> None:
    (said,) = found(RULE.replace("below: 60", "drop: {points: 10}"))
    assert said.startswith("gap alerts.yaml:7: low is held against the window before")
    assert "write within: 6h instead of window" in said


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(DefinitionError, match="no time zone Mars/Base"):
        Rules("format: 1\nzone: Mars/Base\nrules: []\n")
