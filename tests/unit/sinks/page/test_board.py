"""The journey as the page draws it: the file's order, the screen's bounds, and nothing left out in silence."""

from typing import Any

from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.rolling.live import Groups, Names, Newest
from touchstream.sinks.page.board import STAGES_MAX, Alert, Board, Folded, Other, Readings, board
from touchstream.sinks.page.selection import Selection

ALL = None


JOURNEYS = Journeys.load().journeys
DECLARED = [stage.id for stage in JOURNEYS[0].stages]
NEWEST = Newest(0, 1_795_317_000_000, 1_795_316_999_000)


def row(stage: str | None, touches: int = 5, channel: str | None = ALL) -> dict[str, Any]:
    return {"stage": stage, "channel": channel, "touches": touches, "completeness": 0.0}


def drawn(readings: Readings, selection: Selection | None = None) -> Board:
    return board(JOURNEYS, Catalogue.load(), selection or Selection(), readings)


def of(*rows: dict[str, Any], names: int | None = None, touches: int | None = None) -> Groups:
    stages = [one for one in rows if one["stage"] != ALL]
    return Groups(rows, names or len(stages), touches or sum(one["touches"] for one in stages))


def test_declared_stages_stand_in_the_files_order_whatever_the_rows_and_others_after_them_by_name() -> None:
    found = drawn(Readings(NEWEST, of(row("zeta", 99), row("alpha", 1), row("loyalty"), row("awareness"))))
    assert [stage.id for stage in found.stages] == [*DECLARED, "alpha", "zeta"]
    assert [stage.declared for stage in found.stages] == [True] * 7 + [False] * 2
    assert [stage.id for stage in found.stages if stage.heard] == ["awareness", "loyalty", "alpha", "zeta"]
    assert found.other_stages is None


def test_another_journey_than_the_declared_ones_has_undeclared_stages_only() -> None:
    found = drawn(Readings(NEWEST, of(row("use"))), Selection(journey="elsewhere"))
    assert [(stage.id, stage.declared) for stage in found.stages] == [("use", False)]
    assert found.journeys.names == ("elsewhere", "customer")


def test_stages_that_have_no_place_are_other_with_their_number_and_touches() -> None:
    shown = [row(f"s{n:02}", 10) for n in range(STAGES_MAX - len(DECLARED))]
    found = drawn(Readings(NEWEST, of(row(ALL, 1000), *shown, names=123, touches=1000)))
    assert len(found.stages) == STAGES_MAX
    assert found.other_stages == Other(names=100, touches=770, shown=23)


def test_only_the_opened_stage_has_channels_and_its_address_closes_it_again() -> None:
    channels = Groups((row("use", 7, "web"), row("use", 9, "app")), 5, 30)
    found = drawn(Readings(NEWEST, of(row("use")), channels), Selection(opened="use"))
    opened = {stage.id: stage for stage in found.stages}["use"]
    assert [channel.name for channel in opened.channels] == ["app", "web"]
    assert opened.other_channels == Other(3, 14, 2)
    assert "open" not in opened.address
    assert [stage.id for stage in found.stages if stage.channels] == ["use"]


def test_a_chosen_name_stays_in_its_list_when_it_is_silent() -> None:
    readings = Readings(NEWEST, names={"channel": Names(("app", "web"), 60), "segment": Names((), 0)})
    found = drawn(readings, Selection(channel="fax"))
    assert (found.channels.names, found.channels.left_out) == (("fax", "app", "web"), 58)
    assert found.segments.names == ()


def test_alerts_stand_above_the_journey_and_at_their_stage() -> None:
    firing = [Alert("nps_low", "use", ALL, "NPS +3", 0), Alert("silent", ALL, "web", "no events", 0)]
    found = drawn(Readings(NEWEST, of(row("use")), alerts=tuple(firing)))
    assert found.alerts == tuple(firing)
    assert {stage.id: stage.alerts for stage in found.stages if stage.alerts} == {"use": ("nps_low",)}


def test_the_newest_complete_tick_is_said() -> None:
    trend = {
        "use": [{"at_ms": at, "completeness": complete} for at, complete in ((1000, 1.0), (2000, 1.0), (3000, 0.5))]
    }
    found = drawn(Readings(NEWEST, of(row("use")), trend=trend))
    assert found.complete_until is not None
    assert found.complete_until.timestamp() == 2
    assert drawn(Readings(Newest(0, 0, 0))).until is None


def test_the_figures_of_visits_stand_with_their_stage_and_with_no_other() -> None:
    visits = {"use": {"stage": "use", "entered": 200, "conversion": 0.25, "conversion_n": 80, "dwell_ms_n": 0}}
    found = {stage.id: stage for stage in drawn(Readings(NEWEST, of(row("use")), journeys=visits)).stages}
    figures = {figure.metric: figure for figure in found["use"].figures}
    assert (figures["entered"].text, figures["conversion"].text, figures["conversion"].n) == ("200", "25.0 %", 80)
    assert figures["dwell_ms_p50"].note == "none yet"
    assert "entered" not in {figure.metric for figure in found["support"].figures}


def test_names_without_rows_of_their_own_are_said_with_their_number() -> None:
    channels = Groups((row("use", 7, "web"),), 1, 7, (59_001, 60_123))
    names = {"channel": Names(("web",), 1), "stage_other": Names((), 12), "channel_other": Names((), 59_001)}
    found = drawn(Readings(NEWEST, of(row("use")), channels, names=names), Selection(opened="use"))
    assert found.folded == ((12, "stages"), (59_001, "channels of a stage"))
    assert {stage.id: stage.folded_channels for stage in found.stages if stage.folded_channels} == {
        "use": Folded(59_001, 60_123)
    }
    assert drawn(Readings(NEWEST, of(row("use")))).folded == ()


def test_a_stage_without_rows_of_a_choice_may_be_among_the_others_where_names_are_too_many() -> None:
    said = {}
    for names in ({}, {"channel_other": Names((), 3)}):
        found = drawn(Readings(NEWEST, of(row("use")), names=names), Selection(channel="web"))
        said[len(names)] = {stage.silence for stage in found.stages if not stage.heard}
    assert said[0] == {"No touches of this choice within a week"}
    assert {"counted as other" in text for text in said[1]} == {True}
