"""SIGKILL of workers in the middle of the load: nothing lost, nothing doubled."""

from pathlib import Path

import pytest

from tests.real_data import GROUPINGS, differences, events_file, expected_groups, needs_data
from tests.stack import running_stack

pytestmark = [pytest.mark.stack, needs_data]

KILLS = 4


def test_workers_killed_while_events_arrive_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    name = "online_retail_2009q4"
    with running_stack(tmp_path, workers=2) as stack:
        publishing = stack.start("publish", events_file(name), "--rate", "8000")
        for kill in range(KILLS):
            stack.kill_a_worker(kill)
        _, errors = publishing.communicate(timeout=120)
        assert publishing.returncode == 0, errors
        stack.command("wait", "--timeout", "120")
        for by in GROUPINGS:
            assert differences(expected_groups(name, by), stack.metrics(by)) == []


def test_a_stack_started_again_on_its_data_goes_on_counting_and_knows_what_it_has_counted(tmp_path: Path) -> None:
    first, second = "cdnow_sample", "helpdesk"
    for name in (first, second):
        with running_stack(tmp_path, workers=1) as stack:
            stack.command("publish", events_file(first))
            stack.command("publish", events_file(name))
            stack.command("wait", "--timeout", "120")
            found = stack.metrics("stage")
    expected = expected_groups(first, "stage") | expected_groups(second, "stage")
    assert differences(expected, found) == []
