"""Whatever happens to the workers and to their log, the tables end up as a plain recomputation from the log."""

import pytest
from hypothesis import given

from schemas.codec import WriterSchemas
from streams import takeover
from tests.model.profiles import PROFILE
from tests.model.scenarios import Scenario, scenarios
from tests.model.schedule import run


@PROFILE
@given(scenarios())
def test_every_row_and_in_the_end_every_table_is_as_recomputed_from_the_log(
    writers: WriterSchemas, scenario: Scenario
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(takeover, "HOT_PANES_MAX", scenario.hot_panes)
        assert run(scenario, writers) == []
