"""The main job on real input: publish, wait, ask. Every group of every file is exact."""

from pathlib import Path

import pytest

from tests.real_data import FILES, GROUPINGS, differences, events_file, expected_groups, needs_data
from tests.stack import running_stack

pytestmark = [pytest.mark.stack, needs_data]


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_is_measured_exactly_and_publishing_it_again_changes_nothing(
    name: str, tmp_path: Path
) -> None:
    with running_stack(tmp_path) as stack:
        for _ in range(2):
            stack.command("publish", events_file(name))
            stack.command("wait", "--timeout", "120")
            for by in GROUPINGS:
                assert differences(expected_groups(name, by), stack.metrics(by)) == []
