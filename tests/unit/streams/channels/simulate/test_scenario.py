"""Scenario files: what they may say, and that each error names its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.journey import Journeys
from touchstream.streams.channels.simulate.scenario import (
    DEFAULT_FILE,
    Scenario,
    load_scenario,
    milliseconds_of,
    read_scenario,
)

SMALL = """\
format: 1
rate: 10
customers: 20
currencies: {EUR: 1}
stages:
  - id: shop
    visited_by: 1
    contacts: 2
    touchpoints:
      - {channel: web, touchpoint: page, weight: 1}
      - {channel: web, touchpoint: bye, action: unsubscribe, chance: 0.1}
    survey:
      rate: 0.5
      touchpoint: shop_*
      csat: [1, 1, 1, 1, 1]
incidents:
  - after: 10s
    for: 1m
    stage: shop
    effects: {csat: -1}
"""
BYE = SMALL.splitlines(keepends=True)[10].lstrip() + "    "


def errors(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        read_scenario(text, "file.yaml")
    return str(raised.value).splitlines()


def test_a_small_scenario_is_read() -> None:
    scenario = read_scenario(SMALL)
    assert scenario.incidents[0].lasts == 60_000
    assert scenario.incidents[0].after == 10_000
    assert scenario.events_by_stage == {"shop": pytest.approx(2 * 1.5 + 0.1)}


@pytest.mark.parametrize(
    ("written", "wrong", "line", "advice"),
    [
        ("rate: 10", "rate: 0", 2, "rate is 0; Input should be greater than or equal to 0.001"),
        ("rate: 10", "rate: .inf", 2, "rate is inf"),
        ("rate: 10", "rate: fast", 2, "rate is 'fast'"),
        ("customers: 20", "customers: 2.5", 3, "customers is 2.5"),
        ("customers: 20", "customers: 50001", 3, "less than or equal to 50000"),
        ("customers: 20\n", "", 1, "customers is missing; add it"),
        ("format: 1", "format: 2", 1, "format is 2"),
        ("{EUR: 1}", "{euro: 1}", 4, "currencies.euro"),
        ("{EUR: 1}", "{EUR: 0}", 4, "currencies: one weight at least must be above 0"),
        ("id: shop", "name: shop", 6, "name is no known key"),
        ("visited_by: 1", "visited_by: 1.1", 7, "visited_by is 1.1"),
        ("contacts: 2", "contacts: 200", 8, "contacts is 200"),
        ("page, weight: 1", "page, weight: 0", 6, "give a touchpoint a weight, or set contacts to 0"),
        ("page, weight: 1", "page", 10, "give either a weight or a chance"),
        ("page, weight: 1", "page, weight: 1, chance: 1", 10, "give either a weight or a chance"),
        ("page, weight: 1", "page, weight: 1, duration: {median: soon}", 10, "write a duration such as 250ms"),
        ("page, weight: 1", "page, weight: 1, duration: {median: 1s, spread: 9}", 10, "spread is 9"),
        ("page, weight: 1", "page, weight: 1, outcomes: {}", 10, "one weight at least must be above 0"),
        ("page, weight: 1", "page, weight: 1, revenue: {median: 0}", 10, "revenue.median is 0"),
        ("page, weight: 1", "page, weight: 1, sentiment: {mean: 2}", 10, "sentiment.mean is 2"),
        ("  - {channel: web, touchpoint: page", f"  {BYE}  - {{channel: web, touchpoint: page", 6, "put it last"),
        ("unsubscribe, chance: 0.1", "unsubscribe, weight: 1", 11, "unsubscribe happens once: give a chance"),
        ("[1, 1, 1, 1, 1]", "[1, 1, 1, 1]", 15, "csat"),
        ("[1, 1, 1, 1, 1]", "[1, 1, 1, 1, -1]", 15, "csat.4 is -1"),
        ("[1, 1, 1, 1, 1]", "[0, 0, 0, 0, 0]", 15, "one weight at least must be above 0"),
        ("      csat: [1, 1, 1, 1, 1]\n", "", 12, "give the weights of the answers to nps, csat or ces"),
        ("for: 1m", "for: 0s", 18, "incidents.0.for is"),
        ("for: 1m", "lasts: 1m", 17, "incidents.0.for is missing"),
        ("stage: shop", "stage: shopping", 19, "no stage is called shopping; name one of shop"),
        ("{csat: -1}", "{csat: -11}", 20, "incidents.0.effects.csat is -11"),
        ("{csat: -1}", "{nsp: -1}", 20, "nsp is no known key"),
        ("{csat: -1}", "{failure_rate: 2}", 20, "failure_rate is 2"),
        ("visited_by: 1\n", "visited_by: 0\n", 5, "no customer does anything"),
        ("stages:\n", "disorder: {duplicates: 0.6, late: 0.6}\nstages:\n", 5, "the shares add up to more than 1"),
        ("stages:\n", "disorder: {late_by: [2m, 1m]}\nstages:\n", 5, "the shortest and the longest delay"),
        ("stages:\n", "rhythm: {hours: [1, 2]}\nstages:\n", 5, "rhythm.hours"),
        ("stages:\n", "rhythm: {wave: {period: 1s, amplitude: 0.1}}\nstages:\n", 5, "rhythm.wave.period"),
        ("stages:\n", "segments: []\nstages:\n", 5, "segments"),
    ],
)
def test_an_error_of_a_scenario_is_named_with_its_line_and_its_remedy(
    written: str, wrong: str, line: int, advice: str
) -> None:
    assert SMALL.count(written) == 1
    found = errors(SMALL.replace(written, wrong))
    matching = [error for error in found if error.startswith(f"file.yaml:{line}: ") and advice in error]
    assert matching, found


def test_a_stage_that_stands_twice_is_an_error_at_the_second() -> None:
    stage = SMALL[SMALL.index("  - id: shop") : SMALL.index("incidents:")]
    assert errors(SMALL.replace("incidents:", stage + "incidents:")) == [
        "file.yaml:16: stage shop stands here again; rename one"
    ]


def test_all_errors_of_a_file_are_named_at_once() -> None:
    found = errors(SMALL.replace("rate: 10", "rate: 0").replace("for: 1m", "for: never"))
    assert [error.split(":")[1] for error in found] == ["2", "18"]


def test_a_file_that_is_no_utf_8_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"format: \xff")
    with pytest.raises(DefinitionError, match=r"s.yaml:1: is not in UTF-8"):
        load_scenario(tmp_path / "s.yaml")


@pytest.mark.parametrize(("text", "ms"), [("250ms", 250), ("1.5s", 1_500), ("2m", 120_000), ("1h", 3_600_000)])
def test_durations_have_units(text: str, ms: int) -> None:
    assert milliseconds_of(text) == ms


@pytest.mark.parametrize("text", ["5", 5, None, "s", "-1s", "1 s", "1e3s", "4000d"])
def test_a_duration_without_a_unit_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="write a duration"):
        milliseconds_of(text)


@pytest.fixture(scope="module")
def default() -> Scenario:
    return load_scenario(DEFAULT_FILE)


def test_the_default_scenario_covers_the_default_journey_in_its_order(default: Scenario) -> None:
    (journey,) = Journeys.load().journeys
    assert [stage.id for stage in default.stages] == [stage.id for stage in journey.stages]


def test_the_default_scenario_has_a_support_incident_after_a_minute(default: Scenario) -> None:
    (incident,) = default.incidents
    assert (incident.stage, incident.after, incident.lasts) == ("support", 60_000, 75_000)
    assert incident.effects.csat < 0
    assert incident.effects.nps < 0


def test_the_default_scenario_uses_all_channels(default: Scenario) -> None:
    channels = {contact.channel for stage in default.stages for contact in stage.touchpoints}
    channels |= {stage.survey.channel for stage in default.stages if stage.survey}
    wanted = {"web", "app", "store", "call_centre", "email", "ads", "social", "survey", "delivery", "device"}
    assert wanted <= channels


def test_the_example_in_the_documentation_can_be_read() -> None:
    page = (Path(__file__).parents[5] / "docs" / "simulate.md").read_text(encoding="utf-8")
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert [read_scenario(example).stages[0].id for example in examples] == ["purchase"]
