import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.touchpoint import NUMBER_COLUMNS, NUMBERS, SCALES, column_of
from touchstream.streams.measure.deltas import RESOLUTIONS_S, Deltas, Sums
from touchstream.streams.measure.measures import ANSWERS, BY_CURRENCY, MEASURED, SKETCHES
from touchstream.streams.measure.panes import Panes, _keyed
from touchstream.streams.measure.ragged import IntegerLabels, Labels, TextLabels

HOUR_MS = 3_600_000


def within(number: str) -> tuple[int, int]:
    """Some of its scale, so that values meet."""
    low, high = SCALES[number]
    return (-(10**6), 10**6) if NUMBERS[number] == "double" else (max(low, -100), min(high, 10))


EVENT = st.fixed_dictionaries(
    {
        "series": st.integers(0, 2),
        "occurred_at": st.integers(-2 * HOUR_MS, 2 * HOUR_MS),
        "counted": st.booleans(),
        "conflicting": st.booleans(),
        "late": st.booleans(),
        "action": st.sampled_from(["purchase", "contact"]),
        "outcome": st.sampled_from(["success", "failure", "abandoned", ""]),
        **{column_of(name): st.none() | st.integers(*within(name)) for name in NUMBERS},
        "currency": st.sampled_from(["EUR", "USD", ""]),
        "instrument": st.sampled_from(["stars", "helpful", ""]),
    }
)
TYPES = {"series": pl.UInt32, **dict.fromkeys(NUMBER_COLUMNS, pl.Int64)}


@settings(deadline=None)  # the machine may be busy
@given(st.lists(EVENT, min_size=1, max_size=40))
def test_longer_panes_are_the_same_made_of_events_and_made_of_panes_of_ten_seconds(
    events: list[dict[str, object]],
) -> None:
    frame = pl.DataFrame(events, schema_overrides=TYPES).with_row_index("log_offset", 7).cast({"log_offset": pl.Int64})
    frame = frame.with_columns([pl.when("counted").then(name).alias(name) for name in MEASURED])
    labels: dict[str, Labels] = {one.name: IntegerLabels(pa.int16()) for one in SKETCHES}
    labels |= {one.name: TextLabels() for one in (*BY_CURRENCY, *ANSWERS)}
    tens = Deltas.of(_keyed(frame, RESOLUTIONS_S[0]), labels)
    for resolution_s in RESOLUTIONS_S[1:]:
        of_events, of_panes = Deltas.of(_keyed(frame, resolution_s), labels), tens.coarser(resolution_s)
        assert by_key(of_panes.panes) == by_key(of_events.panes)
        assert by_key(Sums(of_panes.panes.keys, of_panes.log_offsets[:, np.newaxis])) == by_key(
            Sums(of_events.panes.keys, of_events.log_offsets[:, np.newaxis])
        )
        assert of_panes.maps.keys() == of_events.maps.keys()
        for name, sums in of_events.maps.items():
            assert by_key(of_panes.maps[name]) == by_key(sums)


def test_a_lane_that_has_let_go_of_every_pane_goes_on_below_what_it_had_loaded() -> None:
    """Another owner was ahead: its rows were loaded, and are above the events that come now."""
    place = ("purchase", "pay", "web", "checkout", "")
    ahead, panes = Panes(), Panes()
    ahead.apply(one_event(ahead.series([place])[0], log_offset=9, occurred_at=0))
    panes.admit(ahead.changed())
    panes.evict(panes_max=0, labels_max=0)
    assert len(panes) == 0
    panes.apply(one_event(panes.series([place])[0], log_offset=5, occurred_at=HOUR_MS))
    assert panes.changed()["log_offset"].to_pylist() == [5, 5, 5]


def one_event(series: int, log_offset: int, occurred_at: int) -> pl.DataFrame:
    blank = {"late": False, "action": "contact", "outcome": "", "currency": "", "instrument": ""} | {
        name: None for name in TYPES if name != "series"
    }
    event = blank | {
        "series": series,
        "log_offset": log_offset,
        "occurred_at": occurred_at,
        "counted": True,
        "conflicting": False,
    }
    return pl.DataFrame([event], schema_overrides=TYPES | {"log_offset": pl.Int64})


def by_key(sums: Sums) -> dict[tuple[int, ...], list[int]]:
    """What is added to each key, of which there is one row each."""
    found = dict(zip(zip(*(column.tolist() for column in sums.keys), strict=True), sums.rows.tolist(), strict=True))
    assert len(found) == len(sums.rows)
    return found
