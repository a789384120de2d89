"""How much of the machine rolling windows leave to lanes that catch up."""

import pytest

from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.streams.rolling.roll import BEHIND_SECONDS_MAX, behind_seconds, rest_seconds

NOW_MS = 1_800_000_000_000


def lanes_behind(*seconds: float) -> list[WrittenLaneRow]:
    return [
        WrittenLaneRow(
            "touchpoints", partition, "log", 1, 5, NOW_MS - int(behind * 1000), 0, "v1", watermark_ms=0, written_at_ms=0
        )
        for partition, behind in enumerate(seconds)
    ]


@pytest.mark.parametrize(
    ("behind", "seconds"),
    [
        ((), 0.0),
        ((0.4, 0.2), 0.2),
        ((86_400.0, 0.0), 0.0),  # one that is stuck slows nothing
        ((-5.0,), 0.0),  # a clock that is ahead of ours
    ],
)
def test_the_lane_that_is_least_behind_counts(behind: tuple[float, ...], seconds: float) -> None:
    assert behind_seconds(lanes_behind(*behind), NOW_MS) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("took", "behind", "rest"),
    [
        (0.3, 0.0, 0.3),
        (0.3, 2.0, 0.3),
        (0.01, 5.0, 0.5),
        (0.01, 60.0, 6.0),
        (0.01, 86_400.0, BEHIND_SECONDS_MAX),
        (3.0, 9.0, 3.0),  # not far behind: half of the time, as ever
        (3.0, 60.0, 27.0),  # a dear step while lanes catch up: a tenth
    ],
)
def test_the_further_lanes_are_behind_the_longer_a_step_rests(took: float, behind: float, rest: float) -> None:
    assert rest_seconds(took, 0.5, behind) == pytest.approx(rest)


def test_lanes_that_have_read_nothing_yet_are_not_behind() -> None:
    assert behind_seconds(lanes_behind(NOW_MS / 1000), NOW_MS) == 0


def test_a_share_that_is_small_already_stays() -> None:
    assert rest_seconds(1.0, 0.05, 86_400.0) == pytest.approx(19.0)
