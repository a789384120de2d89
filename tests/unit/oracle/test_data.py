"""The oracle on real data, against counts that were computed apart from this project."""

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.log import Definitions, Lane, Record, WriterSchemas
from tests.oracle.metrics import metrics_by
from tests.oracle.partition import partition_of
from tests.oracle.recompute import Tables, recompute

DATA = Path(__file__).parents[4] / "shared" / "data"
FILES = ("airport_survey_2015", "airport_survey_2016", "online_retail_2009q4", "helpdesk", "cdnow_sample")
GROUPINGS = ((), ("stage",), ("stage", "channel"), ("stage", "touchpoint"))
PUBLISHED_MS = 1_800_000_000_000
NO_STAGES = Definitions("none", {"format": 1, "journeys": [{"id": "journey", "stages": [{"id": "any"}]}]})

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"the test data is not here: {DATA}")


def published(name: str, partitions: int, times: int = 1) -> list[Tables]:
    """The tables of each lane after the file was published `times` times."""
    logs: dict[int, list[Record]] = defaultdict(list)
    for _ in range(times):
        for line in gzip.decompress((DATA / f"{name}.ndjson.gz").read_bytes()).splitlines():
            event = json.loads(line)
            key = (event.get("customer_id") or event["anonymous_id"]).encode()
            log = logs[partition_of(key, partitions)]
            log.append(Record(len(log), PUBLISHED_MS + len(log), key, line))
    return [recompute(log, Lane("log", number), NO_STAGES, WriterSchemas()) for number, log in logs.items()]


def groups(lanes: list[Tables]) -> dict[tuple[tuple[str, str], ...], dict[str, Any]]:
    """Metrics by the names and values of each group, of all groupings that the expectations have."""
    rows = [row for tables in lanes for row in tables.touchpoints.values()]
    return {
        tuple(zip(by, key, strict=True)): metrics for by in GROUPINGS for key, metrics in metrics_by(rows, by).items()
    }


def expected_groups(expected: dict[str, Any]) -> dict[tuple[tuple[str, str], ...], dict[str, Any]]:
    names = ("stage", "channel", "touchpoint")
    return {
        tuple((name, group.pop(name)) for name in names if name in group): group
        for group in (dict(group) for group in expected["groups"])
    }


@pytest.mark.parametrize(("name", "partitions"), [*((name, 4) for name in FILES), ("cdnow_sample", 1)])
def test_real_data_gives_the_published_metrics_in_every_group(name: str, partitions: int) -> None:
    expected = json.loads((DATA / f"{name}.expected.json").read_text())
    lanes = published(name, partitions)

    found, wanted = groups(lanes), expected_groups(expected)
    assert found.keys() == wanted.keys()
    for key, fields in wanted.items():
        rounded = {field: round(found[key][field], 6) for field in fields}
        assert rounded == fields, key
    assert sum(len(tables.touchpoints) for tables in lanes) == expected["distinct"]
    assert sum(duplicates(tables) for tables in lanes) == expected["duplicates"]
    assert not any(tables.dead_letters for tables in lanes)
    assert all(panes_add_up(tables) for tables in lanes)


def test_a_file_published_twice_changes_no_number() -> None:
    once, twice = published("cdnow_sample", 2), published("cdnow_sample", 2, times=2)
    assert groups(twice) == groups(once)
    assert sum(map(duplicates, twice)) == sum(len(tables.touchpoints) for tables in once)


def duplicates(tables: Tables) -> int:
    """Events not counted, by the panes of one resolution."""
    return sum(pane["duplicates"] for key, pane in tables.panes.items() if key[0] == 3600)


def panes_add_up(tables: Tables) -> bool:
    """Whether the panes of each resolution hold every touch and every answer once."""
    answers = sum(row["csat"] is not None for row in tables.touchpoints.values())
    for resolution in (10, 300, 3600):
        panes = [pane for key, pane in tables.panes.items() if key[0] == resolution]
        if sum(pane["touches"] for pane in panes) != len(tables.touchpoints):
            return False
        if sum(sum(pane["csat_counts"]) for pane in panes) != answers:
            return False
    return True
