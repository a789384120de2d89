"""How much of the machine rolling windows leave to lanes that catch up."""

import pytest

from sinks.sink import LaneRow
from streams.roll import BEHIND_SECONDS_MAX, behind_pause

NOW_MS = 1_800_000_000_000


def lanes_behind(*seconds: float) -> list[LaneRow]:
    return [
        LaneRow("touchpoints", partition, "log", 1, 5, NOW_MS - int(behind * 1000), 0, 0, "v1", "", 0, 0, 0, NOW_MS)
        for partition, behind in enumerate(seconds)
    ]


@pytest.mark.parametrize(
    ("behind", "pause"),
    [
        ((), 0.0),
        ((0.4, 0.2), 0.02),
        ((60.0, 30.0), 3.0),
        ((3600.0, 86_400.0), BEHIND_SECONDS_MAX),
        ((-5.0,), 0.0),  # a clock that is ahead of ours
    ],
)
def test_the_further_lanes_are_behind_the_longer_rows_wait(behind: tuple[float, ...], pause: float) -> None:
    assert behind_pause(lanes_behind(*behind), NOW_MS) == pytest.approx(pause)


def test_a_lane_that_is_stuck_slows_nothing() -> None:
    assert behind_pause(lanes_behind(86_400.0, 0.0), NOW_MS) == 0
