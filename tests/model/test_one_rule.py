"""Whatever happens to the workers and to their log, the tables end up as a plain recomputation from the log."""

import pytest
from hypothesis import given

from schemas.codec import WriterSchemas
from tests.model.controls import CONTROLS, Control
from tests.model.profiles import PROFILE
from tests.model.scenarios import Scenario, scenario_of, scenarios
from tests.model.schedule import run
from tests.model.truth import Untrue

TRIES_MAX = 60  # the most patient control needs 6


@PROFILE
@given(scenarios())
def test_every_row_on_the_way_and_every_table_in_the_end_is_as_recomputed_from_the_log(
    writers: WriterSchemas, scenario: Scenario
) -> None:
    assert run(scenario, writers) == []


@pytest.mark.parametrize("broken", CONTROLS, ids=lambda control: control.__name__)
def test_it_shows_when(broken: Control, writers: WriterSchemas, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    assert any(goes_wrong(scenario_of(seed), writers) for seed in range(TRIES_MAX))


def goes_wrong(scenario: Scenario, writers: WriterSchemas) -> bool:
    try:
        return run(scenario, writers) != []
    except Untrue:
        return True
