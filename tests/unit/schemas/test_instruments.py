"""What instruments.yaml may say, what answers it makes of events, and what metrics become of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.bins import bins_of
from touchstream.schemas.columns import frame_of
from touchstream.schemas.definitions import DefinitionError
from touchstream.schemas.instruments import DEFAULT_FILE, INSTRUMENTS_MAX, NONE, Instruments
from touchstream.schemas.metrics import instruments_of, shipped
from touchstream.schemas.scales import Scale, Scales
from touchstream.schemas.touchpoint import SCORE_MAX, Reason, Touchpoint
from touchstream.schemas.validity import canonical, check
from touchstream.schemas.validity_of_columns import refusals

NOW_MS = 1_790_000_000_000
SCALES = Scales.of([Scale("stars", 1_000_000, 5_000_000), Scale("slider", -1_000_000, 1_000_000, 100_000)])


def declared(*items: str) -> Instruments:
    return Instruments("format: 1\ninstruments:\n" + "".join(f"  - {{{item}}}\n" for item in items))


def event(**fields: Any) -> Touchpoint:
    return Touchpoint(event_id="e", occurred_at=NOW_MS, customer_id="ann", channel="web", touchpoint="page", **fields)


# --- the file


def test_the_shipped_file_declares_those_that_always_exist_and_no_others() -> None:
    assert instruments_of(None) == instruments_of(DEFAULT_FILE) == NONE
    assert NONE.scales.ids == ("nps", "csat", "ces")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("id: Stars, kind: stars", "instruments.0.id is 'Stars'"),
        ("id: stars, kind: hearts", "instruments.0.kind is 'hearts'"),
        ("id: mood, kind: scale, lowest: 1", "a scale needs its lowest and its highest answer"),
        ("id: mood, kind: scale, lowest: 2, highest: 2", "the lowest answer is not below the highest"),
        ("id: mood, kind: scale, lowest: 1, highest: 4, step: 2", "no whole number of steps"),
        ("id: mood, kind: scale, lowest: 0, highest: 101", "it has 102 answers, and may have 101"),
        ("id: mood, kind: scale, lowest: 0, highest: 1, becomes: [top_box]", "top_box has to be an answer"),
        ("id: mood, kind: scale, lowest: 0, highest: 1, becomes: [top_box], top_box: 0", "parts good ones from others"),
        ("id: mood, kind: scale, lowest: 0, highest: 2, becomes: [net]", "net is for instruments of kind nps"),
        ("id: mood, kind: stars, becomes: [mean, mean]", "becomes says something twice"),
        ("id: mood, kind: scale, lowest: 0.000001, highest: 10.000001, step: 10", "too many decimals in common"),
        (f"id: mood, kind: scale, lowest: 0, highest: {SCORE_MAX + 1}, step: {SCORE_MAX + 1}", "highest is"),
        ("id: csat, kind: csat, top_box: 5", "csat always exists, as it is"),
    ],
)
def test_an_instrument_that_can_not_be_is_refused_with_its_line(item: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said) as refused:
        declared(item)
    assert "instruments.yaml:3" in str(refused.value)


def test_a_scale_may_have_101_answers_and_a_file_64_instruments() -> None:
    (one,) = declared("id: mood, kind: scale, lowest: 0, highest: 100").declared
    assert len(one.scale.answers) == 101
    most = [f"id: s{n}, kind: stars" for n in range(INSTRUMENTS_MAX)]
    built_in = ["id: nps, kind: nps", "id: csat, kind: csat", "id: ces, kind: ces"]
    assert len(declared(*built_in, *most).declared) == INSTRUMENTS_MAX
    with pytest.raises(DefinitionError):
        declared(*built_in, *most, "id: more, kind: stars")


def test_names_of_metrics_that_meet_are_refused(tmp_path: Any) -> None:
    with pytest.raises(DefinitionError, match="stars_top stands here again"):
        declared("id: stars, kind: stars", "id: stars_top, kind: thumbs")
    file = tmp_path / "instruments.yaml"
    for taken in ("touches", "sentiment", "channel", "window"):
        file.write_text(f"format: 1\ninstruments:\n  - {{id: {taken}, kind: stars}}\n")
        with pytest.raises(DefinitionError, match=f"{taken} is another field of results"):
            instruments_of(file)


def test_a_declaration_is_the_same_read_from_a_file_and_from_a_document() -> None:
    read = declared(
        "id: stars, kind: stars, label: Stars, target: 4.2",
        "id: effort, kind: scale, lowest: 0, highest: 10, step: 0.5, direction: lower, top_box: 3, becomes: [top_box]",
    )
    assert Instruments.of_document(read.document) == read
    assert hash(Instruments.of_document(read.document)) == hash(read)
    assert [finding.message for finding in read.check()] == [
        "stars has no owner; name one",
        "effort has no owner; name one",
        "effort has no target; say what is good",
    ]


# --- what becomes of answers


def test_metrics_and_bins_follow_the_declaration() -> None:
    read = declared(
        "id: stars, kind: stars, target: 4",
        "id: effort, kind: scale, lowest: 0, highest: 1, step: 0.25, direction: lower, top_box: 0.25,"
        " becomes: [top_box]",
        "id: relation, kind: nps",
    )
    catalogue = shipped().under(read)
    made = {name: metric for name, metric in catalogue.metrics.items() if metric.instrument}
    units = {name: (metric.unit, metric.direction, metric.target) for name, metric in made.items()}
    assert units == {
        "stars": ("score", "higher", 4),
        "stars_top": ("percent", "higher", None),
        "effort": ("percent", "higher", None),
        "relation": ("points", "higher", None),
    }
    bins = {name: getattr(bins_of(metric), "values", None) for name, metric in made.items()}
    assert bins == {
        "stars": (1.0, 2.0, 3.0, 4.0, 5.0),
        "stars_top": (0.0, 0.0, 0.0, 100.0, 100.0),
        "effort": (100.0, 100.0, 0.0, 0.0, 0.0),
        "relation": (*[-100.0] * 7, 0.0, 0.0, 100.0, 100.0),
    }
    assert {*made} <= {metric.name for metric in catalogue.rolling_numbers}
    assert catalogue.response_rates[-3:] == ("stars", "effort", "relation")
    assert not {*made} & {*shipped().under(NONE).metrics}


# --- what is refused


def reasons(one: Touchpoint, scales: Scales | None) -> Reason | None:
    """By the rules for single events, which those for columns have to agree with."""
    single = check(one, NOW_MS, scales=scales)
    rows, refused = refusals(frame_of([(0, one)]), np.array([NOW_MS]), scales=scales)
    assert [(r.reason, r.detail) for r in refused] == ([] if single is None else [(single.reason, single.detail)])
    if single is None:
        kept = canonical(one)
        said = [(kept.nps, kept.csat, kept.ces, kept.instrument, kept.score)]
        assert rows.select("nps", "csat", "ces", "instrument", "score").rows() == said
    return single.reason if single else None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"instrument": "stars", "score": 1.0}, None),
        ({"instrument": " STARS\n", "score": 5.0}, None),
        ({"instrument": "stars", "score": 0.0}, Reason.OUT_OF_SCALE),
        ({"instrument": "stars", "score": 6.0}, Reason.OUT_OF_SCALE),
        ({"instrument": "stars", "score": 4.5}, Reason.OUT_OF_SCALE),
        ({"instrument": "stars", "score": 4.0000001}, Reason.OUT_OF_SCALE),
        ({"instrument": "stars", "score": float("nan")}, Reason.OUT_OF_SCALE),
        ({"instrument": "slider", "score": 0.3}, None),
        ({"instrument": "slider", "score": -1.0}, None),
        ({"instrument": "slider", "score": 0.35}, Reason.OUT_OF_SCALE),
        ({"instrument": "stars"}, Reason.MISSING_FIELD),
        ({"score": 3.0}, Reason.MISSING_FIELD),
        ({"instrument": "", "score": 3.0}, Reason.MISSING_FIELD),
        ({"instrument": "star", "score": 3.0}, Reason.WRONG_TYPE),
        ({"instrument": "nps", "score": 9.0}, None),
        ({"instrument": "NPS", "score": 9.0, "nps": 9}, None),
        ({"instrument": "nps", "score": 9.0, "nps": 8}, Reason.WRONG_TYPE),
        ({"instrument": "nps", "score": 8.9999999999}, None),
        ({"instrument": "nps", "score": 8.9999999999, "nps": 9}, None),
        ({"instrument": "nps", "score": 9.5}, Reason.OUT_OF_SCALE),
        ({"instrument": "csat", "score": 6.0}, Reason.OUT_OF_SCALE),
        ({"instrument": "stars", "score": 5.0, "nps": 9}, None),
    ],
)
def test_answers_of_declared_instruments_are_taken_and_no_others(fields: Any, reason: Reason | None) -> None:
    assert reasons(event(**fields), SCALES) == reason


def test_a_door_that_does_not_know_what_is_declared_takes_any_instrument() -> None:
    assert reasons(event(instrument="star", score=3.3), None) is None
    assert reasons(event(instrument="nps", score=11.0), None) is Reason.OUT_OF_SCALE
    assert reasons(event(instrument="star", score=SCORE_MAX + 1.0), None) is Reason.OUT_OF_SCALE


def test_a_refusal_names_the_instruments_that_are_spelled_alike() -> None:
    refused = check(event(instrument="star", score=3.0), NOW_MS, scales=SCALES)
    assert refused is not None
    assert refused.detail == (
        "instrument is 'star'; no such instrument is declared; did you mean stars? There are nps, csat, ces, stars,"
        " slider (instruments.yaml)"
    )


@settings(deadline=None)
@given(
    st.sampled_from([None, "", "stars", "Slider", "nps", "ces", "star"]),
    st.none() | st.floats(-2, 12) | st.just(float("nan")) | st.sampled_from([n / 10 for n in range(-11, 12)]),
    st.sampled_from([None, 0, 9]),
    st.booleans(),
)
def test_one_event_and_events_in_columns_are_judged_alike(
    instrument: str | None, score: float | None, nps: int | None, known: bool
) -> None:
    reasons(event(instrument=instrument, score=score, nps=nps), SCALES if known else None)
