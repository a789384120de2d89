"""What the lane must not do, done on purpose: each breaks the one rule in a way that somebody might think harmless.

Thirteen points keep the rule (why it is there: `docs/decisions/0001-rows-that-depend-on-the-log-alone.md`). Each has at
least one control, under its number.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tests.model.controls.control import Control
from tests.model.controls.corrections import CORRECTIONS
from tests.model.controls.customers import CUSTOMER_STATE, TIMERS
from tests.model.controls.duplicates import DUPLICATES
from tests.model.controls.flush import IN_FLIGHT, REPLICAS, THE_RULE
from tests.model.controls.logs import LOGS
from tests.model.controls.measuring import CLOCKS, DEFINITIONS, INTEGERS, LANE_STATE

__all__ = ["CONTROLS", "ELSEWHERE", "POINTS", "Control"]

POINTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "the rule itself, and the order of a flush",
        1: "no pane measure comes from customer state",
        2: "no timers in lanes",
        3: "lane state that influences rows is in the lane row, inserted last",
        4: "duplicates are told by offset and lane clock",
        5: "rows in flight are pinned",
        6: "a log has an identity",
        7: "definitions switch at an offset",
        8: "visits come from every touch of a customer",
        9: "sums are integers",
        10: "clocks lie",
        11: "inserts that can't succeed are bisected",
        12: "a cluster's inserts have a quorum, its reads a sequence",
        13: "a version of an answer takes the place of what lower offsets say",
    }
)

CONTROLS: Final[Mapping[int, tuple[Control, ...]]] = MappingProxyType(
    {
        0: THE_RULE,
        1: CUSTOMER_STATE,
        2: TIMERS,
        3: LANE_STATE,
        4: DUPLICATES,
        5: IN_FLIGHT,
        6: LOGS,
        7: DEFINITIONS,
        9: INTEGERS,
        10: CLOCKS,
        12: REPLICAS,
        13: CORRECTIONS,
    }
)
"""Those that schedules of a lane in memory show."""

ELSEWHERE: Final[Mapping[int, str]] = MappingProxyType(
    {
        8: "tests/integration/test_journeys.py::test_visits_from_the_first_and_last_touch_of_a_stage_alone_are_noticed",
        11: "tests/integration/test_clickhouse_writer.py::"
        "test_a_writer_that_retries_rows_that_are_never_taken_is_noticed",
    }
)
"""Those that need ClickHouse: the tests that hold them."""
