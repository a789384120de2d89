"""Whatever happens to the workers and to their log, the tables end up as a plain recomputation from the log."""

import pytest
from hypothesis import given

from tests.model.cores import cores
from tests.model.nightly import nightly
from tests.model.profiles import PROFILE, SEEDS
from tests.model.scenarios import Scenario, scenarios
from tests.model.schedule import run
from touchstream.schemas.codec import WriterSchemas


@pytest.mark.usefixtures("one_core")
@PROFILE
@given(scenarios())
def test_every_row_on_the_way_and_every_table_in_the_end_is_as_recomputed_from_the_log(
    writers: WriterSchemas, scenario: Scenario
) -> None:
    assert run(scenario, writers) == []


def test_schedules_of_many_seeds_end_as_recomputed_from_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_MAX_THREADS", "1")  # frames are small, and the processes have the cores
    assert nightly(SEEDS, len(cores()), control=None) == 0
