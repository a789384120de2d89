"""The main job on real input: publish, wait, ask. Every group of every file is exact."""

from pathlib import Path

import pytest

from tests.support.real_data import FILES, GROUPINGS, bounds, differences, events_file, expected_groups, needs_data
from tests.support.stack import running_stack

pytestmark = [pytest.mark.stack, needs_data]

SMALL, APART = ("cdnow_sample",), ("helpdesk",)
"""One that is soon measured; and one of the same time as another, whose groups would be those of both."""


@pytest.mark.parametrize(
    "names",
    [
        SMALL,
        pytest.param(tuple(name for name in FILES if name not in APART), marks=pytest.mark.long, id="the others"),
        pytest.param(APART, marks=pytest.mark.long, id=APART[0]),
    ],
    ids=" ".join,
)
def test_published_files_are_measured_exactly_and_publishing_them_again_changes_nothing(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    with running_stack(tmp_path) as stack:
        for _ in range(2):
            for name in names:
                stack.command("publish", events_file(name))
                stack.command("wait", "--timeout", "300")
                for by in GROUPINGS:
                    found = stack.metrics(by, *(bounds(name) if len(names) > 1 else ()))
                    assert differences(expected_groups(name, by), found) == [], (name, by)
