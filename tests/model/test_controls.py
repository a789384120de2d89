"""A lane that breaks the rule at any of its points shows: what the schedules find nothing wrong with is right."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.model.controls import CONTROLS, ELSEWHERE, POINTS, Control
from tests.model.profiles import SEEDS
from tests.model.scenarios import Scenario, scenario_of
from tests.model.schedule import run
from tests.model.truth import Untrue
from touchstream.schemas.codec import WriterSchemas

TELLING = (10, 2, 15, 34, 53, 62, 119, 0, 11, 19, 31, 50, 128, 129, 193, 228)
"""Seeds of `make test` that show a control each; those that show most come first. In their own order it takes 20."""
ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(control, id=f"point {point}: {control.__name__}")
        for point, controls in CONTROLS.items()
        for control in controls
    ],
)
def test_the_schedules_find_a_lane_that_breaks_the_rule(
    broken: Control, writers: WriterSchemas, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    assert any(goes_wrong(scenario_of(seed), writers) for seed in dict.fromkeys((*TELLING, *SEEDS)))


@pytest.mark.parametrize("broken", [*CONTROLS[1], *CONTROLS[2]], ids=lambda control: control.__name__)
def test_nothing_shows_as_long_as_nothing_happens_to_a_worker_though(
    broken: Control, writers: WriterSchemas, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    for one in map(scenario_of, range(5)):
        assert run(replace(one, logs=one.logs[:1], steps=()), writers) == []


def test_the_seeds_that_are_tried_first_are_among_those_of_every_run() -> None:
    assert {*TELLING} <= {*SEEDS}


def test_each_point_has_a_control_here_or_in_a_test_that_stands_elsewhere() -> None:
    assert {*CONTROLS, *ELSEWHERE} == {*POINTS}
    for path, _, test in (found.partition("::") for found in ELSEWHERE.values()):
        assert f"def {test}(" in (ROOT / path).read_text()


def goes_wrong(scenario: Scenario, writers: WriterSchemas) -> bool:
    try:
        return run(scenario, writers) != []
    except (Untrue, IndexError):  # a lane that is broken may also end with an error, by the order of its names
        return True
