"""Real data with independently computed answers, which lie beside the repository and never in it."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = ("airport_survey_2015", "airport_survey_2016", "online_retail_2009q4", "helpdesk", "cdnow_sample")
GROUPINGS = ("none", "stage", "stage,channel", "stage,touchpoint")

needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"the test data is not here: {DATA}")


def events_file(name: str) -> str:
    return str(DATA / f"{name}.ndjson.gz")


def bounds(name: str) -> tuple[str, ...]:
    """`--from` and `--to` of an interval that holds all events of a file."""
    with gzip.open(events_file(name)) as events:
        times = [json.loads(event)["occurred_at"] for event in events]
    return "--from", str(min(times)), "--to", str(max(times) + 1)


def expected_groups(name: str, by: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """The answers for one grouping: values of the group's names to the fields that must be equal."""
    names = [] if by == "none" else by.split(",")
    groups = json.loads((DATA / f"{name}.expected.json").read_text())["groups"]
    return {
        tuple(group[one] for one in names): {field: value for field, value in group.items() if field not in names}
        for group in groups
        if {one for one in ("stage", "channel", "touchpoint") if one in group} == set(names)
    }


def differences(expected: dict[tuple[str, ...], dict[str, Any]], found: dict[tuple[str, ...], Any]) -> list[str]:
    """A line for every field of every group that is not as expected."""
    lines = [f"{key}: not expected" for key in found.keys() - expected.keys()]
    for key, fields in expected.items():
        for field, value in fields.items():
            got = found.get(key, {}).get(field)
            close = isinstance(value, float) and got is not None and math.isclose(got, value, abs_tol=1e-6)
            equal = got == value or close
            if not equal:
                lines.append(f"{key} {field}: expected {value}, found {got}")
    return lines
