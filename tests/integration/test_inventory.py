"""The inventory of touchpoints completes itself: what arrives is in it, declared or not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clickhouse_rows import panes_of, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url

pytestmark = pytest.mark.stack

JOURNEY = """
format: 1
journeys:
  - id: default
    stages:
      - id: use
        owner: product
        touchpoints:
          - {channel: web, touchpoint: page}
          - {channel: social, touchpoint: complaint, planned: false}
"""


def test_touchpoints_that_arrive_are_listed_with_their_owner_and_whether_they_are_planned(
    clickhouse_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "journey.yaml"
    file.write_text(JOURNEY)
    rows = [
        touchpoint(1),
        touchpoint(2),
        touchpoint(3, channel="social", touchpoint="complaint"),
        touchpoint(4, channel="web", touchpoint="new", declared=False),
        touchpoint(5, channel="web", touchpoint="login", action="identify", declared=False),
    ]
    with migrated_database(clickhouse_url) as client:
        client.insert_arrow("touchpoints", table("touchpoints", rows))
        client.insert_arrow("stage_panes", table("stage_panes", panes_of(rows)))
        environment = {
            "TOUCHSTREAM_CLICKHOUSE_URL": database_url(clickhouse_url, str(client.database)),
            "TOUCHSTREAM_JOURNEY_FILE": str(file),
        }
        found = {(row["channel"], row["touchpoint"]): row for row in asked(environment, "touchpoints")}
        gaps = [row["message"] for row in asked(environment, "check") if row["where"] == "touchpoints"]
    assert {place: (row["planned"], row["touches"]) for place, row in found.items()} == {
        ("web", "page"): ("planned", 2),
        ("social", "complaint"): ("unplanned", 1),
        ("web", "new"): ("undeclared", 1),
        ("web", "login"): ("undeclared", 1),
    }
    assert {row["owner"] for row in found.values()} == {"product"}
    assert gaps == [
        "channel web, touchpoint new, stage use of journey default is not declared, and was touched 1 times"
    ]


def asked(environment: dict[str, str], command: str) -> list[dict[str, object]]:
    """What a command of `catalogue` prints as JSON, whether it found errors or not."""
    arguments = [sys.executable, "-m", "touchstream.streams.cli", "catalogue", command, "--json"]
    answered = subprocess.run(arguments, env=environment, capture_output=True, check=False)
    rows: list[dict[str, object]] = json.loads(answered.stdout)
    return rows
