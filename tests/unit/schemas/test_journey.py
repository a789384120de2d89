"""The journey file: what it may say, and how an event finds its stage."""

import re
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from touchstream.schemas.definitions import DefinitionError, Severity
from touchstream.schemas.journey import DEFAULT_FILE, RESOLVED_MAX, UNDECLARED, Entry, Journeys, Pattern
from touchstream.schemas.paths import later_stages

KEYS = ("journey", "stage", "channel", "touchpoint", "action")
SMALL = """
format: 1
journeys:
  - id: first
    owner: me
    stages:
      - {id: look, owner: me, description: d, timeout: 1d, touchpoints: [{channel: web, action: view}]}
      - id: buy
        owner: me
        description: d
        timeout: 12h
        touchpoints:
          - touchpoint: [cart*, check*out]
            channel: [web, app]
          - action: purchase
  - id: second
    owner: me
    stages:
      - {id: all, owner: me, description: d, timeout: 4w, touchpoints: [{channel: "*"}]}
"""


def resolved(journeys: Journeys, *events: tuple[str | None, ...]) -> list[tuple[str, str, bool]]:
    frame = pl.DataFrame(list(events), schema=dict.fromkeys(KEYS, pl.String), orient="row")
    return journeys.resolve(frame).select("journey", "stage", "declared").rows()


def errors(text: str) -> str:
    with pytest.raises(DefinitionError) as raised:
        Journeys(text)
    return str(raised.value)


def test_the_default_journey_has_seven_stages_and_nothing_to_mend() -> None:
    journeys = Journeys.load()
    stages = [stage.id for stage in journeys.journeys[0].stages]
    assert stages == ["awareness", "consideration", "purchase", "delivery", "use", "support", "loyalty"]
    assert journeys.default == "customer"
    assert journeys.check() == []
    assert all(stage.owner and stage.timeout and stage.touchpoints for stage in journeys.journeys[0].stages)


@pytest.mark.parametrize(
    ("channel", "touchpoint", "action", "stage"),
    [
        ("ads", "spring", "view", "awareness"),
        ("web", "landing_page", "view", "awareness"),
        ("web", "product_page", "view", "consideration"),
        ("web", "product_page", "purchase", "purchase"),
        ("web", "checkout", "contact", "purchase"),
        ("store", "till", "contact", "purchase"),
        ("courier", "handover", "contact", "delivery"),
        ("email", "tracking", "click", "delivery"),
        ("device", "telemetry", "contact", "use"),
        ("web", "return", "return", "support"),
        ("call_centre", "billing", "contact", "support"),
        ("survey", "nps", "survey", "loyalty"),
        ("web", "anything", "unsubscribe", "loyalty"),
        ("carrier pigeon", "coo", "contact", UNDECLARED),
    ],
)
def test_the_default_journey_knows_common_touchpoints(channel: str, touchpoint: str, action: str, stage: str) -> None:
    assert resolved(Journeys.load(), (None, None, channel, touchpoint, action)) == [
        ("customer", stage, stage != UNDECLARED)
    ]


def test_the_first_entry_that_matches_gives_the_stage() -> None:
    assert resolved(
        Journeys(SMALL),
        (None, None, "web", "cart", "view"),
        (None, None, "web", "cart", "click"),
        (None, None, "app", "check it out", "click"),
        (None, None, "store", "till", "purchase"),
        (None, None, "store", "till", "view"),
    ) == [
        ("first", "look", True),
        ("first", "buy", True),
        ("first", "buy", True),
        ("first", "buy", True),
        ("first", UNDECLARED, False),
    ]


def test_an_events_own_stage_always_stays_and_is_declared_if_an_entry_of_it_matches() -> None:
    assert resolved(
        Journeys(SMALL),
        (None, "buy", "web", "cart", "view"),
        (None, "look", "web", "cart", "click"),
        (None, "Resolve ticket", "helpdesk", "Resolve ticket", "contact"),
        (None, UNDECLARED, "web", "cart", "click"),
    ) == [
        ("first", "buy", True),
        ("first", "look", False),
        ("first", "Resolve ticket", False),
        ("first", UNDECLARED, False),
    ]


ASKING = """
format: 1
journeys:
  - id: first
    stages:
      - id: gold
        touchpoints:
          - {channel: web, attributes: {plan: [gold, "plat*"], country: "*"}}
      - id: all
        touchpoints: [{channel: web}]
"""


def test_an_entry_may_ask_for_attributes_and_one_that_is_missing_matches_nothing() -> None:
    journeys = Journeys(ASKING)
    given = [{"plan": "gold", "country": ""}, {"plan": "platinum", "country": "DE"}, {"plan": "gold"}, {}]
    event = {"journey": None, "stage": None, "channel": "web", "touchpoint": "x", "action": "view"}
    attributes = pa.array([list(one.items()) for one in given], pa.map_(pa.string(), pa.string()))
    frame = pl.DataFrame([event] * len(given), dict.fromkeys(KEYS, pl.String)).with_columns(
        attributes=pl.Series(attributes)
    )
    assert journeys.attribute_columns == ("attributes.country", "attributes.plan")
    assert journeys.resolve(journeys.with_attributes(frame))["stage"].to_list() == ["gold", "gold", "all", "all"]
    assert not [finding for finding in journeys.check() if finding.severity == "error"]


def test_an_entry_that_asks_for_less_takes_all_of_one_that_asks_for_more() -> None:
    swapped = ASKING.replace("id: gold", "id: tmp").replace("id: all", "id: gold").replace("id: tmp", "id: all")
    first = swapped.replace('{channel: web, attributes: {plan: [gold, "plat*"], country: "*"}}', "{channel: web}")
    lines = first.replace("touchpoints: [{channel: web}]", 'touchpoints: [{channel: web, attributes: {plan: "g*"}}]')
    found = [str(one) for one in Journeys(lines).check() if one.severity == "error"]
    assert len(found) == 1
    assert "never matches" in found[0]


def test_stages_that_come_later_are_those_below_or_those_that_can_be_reached() -> None:
    below, graph = Journeys(SMALL).journeys[0], Journeys(GRAPH).journeys[0]
    assert later_stages(below) == {"look": ("buy",), "buy": ()}
    assert later_stages(graph) == {"a": ("b", "c", "d"), "b": ("a", "c", "d"), "c": ("d",), "d": ()}


GRAPH = """
format: 1
journeys:
  - id: graph
    stages: [{id: a, next: [b, c]}, {id: b, next: [a]}, {id: c, next: [d]}, {id: d}]
"""


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("starts: [look, late]", "journey.yaml:5: starts: journey first has no stage 'late'"),
        ("ends: nowhere", "journey.yaml:5: ends: journey first has no stage 'nowhere'"),
        ("new_after: soon", "journey.yaml:5: "),
        ("lost_after: 3", "journey.yaml:5: "),
    ],
)
def test_the_bounds_of_a_journeys_passes_are_checked(said: str, wrong: str) -> None:
    assert errors(SMALL.replace("  - id: first\n", f"  - id: first\n    {said}\n")).startswith(wrong)


def test_a_next_stage_that_is_not_there_is_an_error() -> None:
    assert "next: journey graph has no stage 'x'" in errors(GRAPH.replace("[b, c]", "[b, x]"))


def test_an_event_without_a_journey_belongs_to_the_first_and_an_unknown_journey_stays() -> None:
    assert resolved(
        Journeys(SMALL),
        (None, None, "web", "x", "view"),
        ("", "", "web", "x", "view"),
        ("second", None, "web", "x", "view"),
        ("third", None, "web", "x", "view"),
        ("third", "look", "web", "x", "view"),
    ) == [
        ("first", "look", True),
        ("first", "look", True),
        ("second", "all", True),
        ("third", UNDECLARED, False),
        ("third", "look", False),
    ]


def test_resolving_keeps_rows_their_order_and_their_other_columns() -> None:
    rows = [(n, None, None, "web", f"t{n % 7}", "view" if n % 3 else "purchase") for n in range(1_000)]
    frame = pl.DataFrame(rows, schema={"position": pl.UInt32, **dict.fromkeys(KEYS, pl.String)}, orient="row")
    result = Journeys(SMALL).resolve(frame)
    assert result.columns == [*frame.columns, "declared"]
    assert result["position"].to_list() == list(range(1_000))
    assert result["stage"].to_list() == ["look" if n % 3 else "buy" for n in range(1_000)]
    assert Journeys(SMALL).resolve(frame.clear()).schema == result.schema


def test_names_made_up_for_each_event_do_not_fill_the_memory() -> None:
    journeys = Journeys(SMALL)
    frame = pl.DataFrame({"touchpoint": [f"t{n}" for n in range(RESOLVED_MAX + 10)]}).with_columns(
        pl.lit(None, pl.String).alias("journey"),
        pl.lit(None, pl.String).alias("stage"),
        pl.lit("web").alias("channel"),
        pl.lit("view").alias("action"),
    )
    assert journeys.resolve(frame)["stage"].unique().to_list() == ["look"]
    assert len(journeys._resolved) <= RESOLVED_MAX


WILD = st.text("ab*", min_size=1, max_size=6)
NAME = st.text("ab", max_size=8)


def like(pattern: str) -> str:
    return ".*".join(re.escape(part) for part in pattern.split("*"))


@given(st.lists(WILD, min_size=1, max_size=4), NAME)
@example(["ab*b"], "ab")
@example(["*a*a*"], "a")
@example(["a*"], "a")
@example(["**"], "")
def test_a_star_stands_for_any_characters(names: list[str], value: str) -> None:
    expected = any(re.fullmatch(like(name), value, re.DOTALL) for name in names)
    assert Pattern.of(tuple(names)).matches(value) == expected


def test_a_name_full_of_stars_takes_no_longer_than_its_value_is_long() -> None:
    assert not Pattern.of(("*a" * 500 + "*b",)).matches("a" * 100_000)


ENTRIES = st.builds(
    Entry,
    channel=st.lists(WILD, min_size=1, max_size=2).map(tuple),
    touchpoint=st.lists(WILD, min_size=1, max_size=2).map(tuple),
)


@settings(deadline=None)
@given(ENTRIES, ENTRIES, NAME, NAME)
def test_an_entry_that_covers_another_matches_all_that_it_matches(
    one: Entry, other: Entry, channel: str, touchpoint: str
) -> None:
    def matches(entry: Entry) -> bool:
        channels, touchpoints, _ = entry.patterns
        return channels.matches(channel) and touchpoints.matches(touchpoint)

    if one.covers(other) and matches(other):
        assert matches(one)


def test_entries_that_can_never_match_and_gaps_are_found_with_their_lines() -> None:
    text = """format: 1
journeys:
  - id: j
    stages:
      - id: one
        touchpoints:
          - channel: web*
      - id: two
        owner: me
        description: d
        timeout: 1d
        touchpoints:
          - channel: [web, website]
            action: view
          - channel: [web, store]
          - channel: store
      - id: three
        owner: me
        description: d
        timeout: 1d
"""
    findings = Journeys(text, "my.yaml").check()
    found = [(finding.severity, finding.where) for finding in findings]
    assert (Severity.ERROR, "my.yaml:13") in found
    assert (Severity.ERROR, "my.yaml:16") in found
    assert found.count((Severity.GAP, "my.yaml:5")) == 3
    assert (Severity.GAP, "my.yaml:3") in found
    assert (Severity.GAP, "my.yaml:17") in found
    assert len(found) == 7
    assert "my.yaml:7" in next(finding.message for finding in findings if finding.where == "my.yaml:13")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SMALL.replace("id: look", "id: buy"), "journey.yaml:8: stage 'buy' stands here again"),
        (SMALL.replace("id: second", "id: first"), "journey.yaml:16: journey 'first' stands here again"),
        (
            SMALL.replace("id: look", "id: undeclared"),
            "journey.yaml:7: undeclared is the stage of what no entry matches",
        ),
        (SMALL.replace("timeout: 12h", "timeout: 12"), "journey.yaml:11: journeys.0.stages.1.timeout is 12; write a"),
        (SMALL.replace("timeout: 12h", "timeout: 0h"), "write a duration such as"),
        (SMALL.replace("timeout: 12h", "timeout: 999999999w"), "of at most ten years"),
        (
            SMALL.replace("- action: purchase", "- {}"),
            "journey.yaml:15: journeys.0.stages.1.touchpoints.1 is {}; an entry",
        ),
        (SMALL.replace("action: view", "acton: view"), "acton is no known key"),
        (SMALL.replace("[web, app]", "[]"), "channel is ()"),
        (SMALL.replace("[web, app]", "[web, 5]"), "channel.1 is 5; write a text"),
        (SMALL.replace("[web, app]", "{web: 1}"), "write a name or a list of names"),
        (SMALL.replace("owner: me\n", "owner: 5\n"), "journey.yaml:5: journeys.0.owner is 5; write a text"),
        (SMALL.replace("format: 1", "format: 2"), "format is 2"),
        (SMALL.replace("format: 1\n", ""), "format is missing; add it"),
        ("format: 1\njourneys: []", "journeys is ()"),
        ("format: 1\njourneys: [{id: a, stages: []}]", "journeys.0.stages is ()"),
        ("format: 1\njourneys: [{id: '', stages: [{id: a}]}]", "journeys.0.id is ''"),
    ],
    ids=lambda value: value[-30:],
)
def test_a_wrong_file_is_told_line_and_remedy(text: str, expected: str) -> None:
    assert expected in errors(text)


def test_a_list_of_wrong_items_is_not_called_empty_as_well() -> None:
    assert errors("format: 1\njourneys:\n  - stages: [{id: a}]\n") == "journey.yaml:3: journeys.0.id is missing; add it"


def test_a_file_is_read_from_its_path_and_named_in_its_errors(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL)
    assert Journeys.load(path).default == "first"
    path.write_bytes(b"format: 1\n# \xff\n")
    with pytest.raises(DefinitionError, match=r"mine\.yaml:1: is not in UTF-8"):
        Journeys.load(path)


def test_the_version_is_that_of_the_content() -> None:
    text = DEFAULT_FILE.read_text()
    assert Journeys(text).version == Journeys(text + "\n# a comment\n").version
    assert Journeys(text).version != Journeys(text.replace("timeout: 90d", "timeout: 60d")).version
