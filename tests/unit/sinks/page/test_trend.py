"""The small lines: what is known is drawn where it belongs, what isn't known is not drawn."""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.page.trend import HEIGHT, WIDTH, Trend, trend

STEP_MS = 10_000
TICKS = 60
UNTIL_MS = 1_795_317_000_000
NPS = Catalogue.load().metrics["nps"]
PATH = re.compile(r"(M\d+ \d+\.\d(L\d+ \d+\.\d)+)*")


def row(back: int, value: float | None, completeness: float = 1) -> dict[str, Any]:
    return {"at_ms": UNTIL_MS - back * STEP_MS, "nps": value, "completeness": completeness}


def drawn(*rows: dict[str, Any]) -> Trend | None:
    return trend(rows, NPS, UNTIL_MS, STEP_MS, TICKS)


def test_the_newest_tick_is_at_the_right_and_the_first_at_the_left() -> None:
    assert drawn(row(59, 0.0), row(58, 100.0)) == Trend(
        "M0 22.0L2 2.0", "", "from 0.0 to +100.0, lowest 0.0, highest +100.0"
    )
    line = drawn(row(1, 0.0), row(0, 100.0))
    assert line is not None
    assert line.complete == "M98 22.0L100 2.0"


def test_ticks_that_may_still_change_are_drawn_apart_and_joined_to_the_others() -> None:
    line = drawn(row(3, 0.0), row(2, 20.0), row(1, 0.0, 0.25), row(0, 20.0, 0))
    assert line is not None
    assert line.complete == "M95 22.0L97 2.0"
    assert line.open == "M97 2.0L98 22.0L100 2.0"


def test_nothing_is_drawn_over_a_gap() -> None:
    line = drawn(row(5, 0.0), row(4, 20.0), row(3, None), row(2, 20.0), row(1, 0.0))
    assert line is not None
    assert line.complete == "M92 22.0L93 2.0M97 2.0L98 22.0"


def test_one_value_is_no_trend() -> None:
    assert drawn(row(0, 1.0)) is None
    assert drawn(row(1, None), row(0, 1.0)) is None


def test_noise_stays_flat() -> None:
    line = drawn(row(1, 30.0), row(0, 30.5))
    assert line is not None
    heights = [float(height) for height in re.findall(r" (\d+\.\d)", line.complete)]
    assert max(heights) - min(heights) < HEIGHT / 20


points = st.tuples(st.floats(-100, 100, allow_subnormal=False) | st.none(), st.sampled_from([0, 0.5, 1]))


@settings(deadline=None)
@given(st.lists(points, min_size=2, max_size=TICKS))
def test_whatever_the_values_both_paths_are_lines_within_the_box(values: list[tuple[float | None, float]]) -> None:
    rows = [row(len(values) - 1 - place, *value) for place, value in enumerate(values)]
    line = drawn(*rows)
    for path in (line.complete, line.open) if line else ():
        assert PATH.fullmatch(path)
        for x, y in re.findall(r"(\d+) (\d+\.\d)", path):
            assert 0 <= int(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
