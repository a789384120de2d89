"""`touchstream wait`: once it returns, what was published is measured, and its completeness says so."""

import json
from pathlib import Path

import pytest

from tests.support.stack import running_stack
from touchstream.schemas import times

pytestmark = [pytest.mark.stack, pytest.mark.long]

HOUR_MS = 3_600_000


def test_events_that_were_waited_for_are_complete_at_once(tmp_path: Path) -> None:
    """One customer, so that most lanes have nothing to read; later and earlier hours; and nothing new."""
    now_ms = times.now_ms()
    file = tmp_path / "events.ndjson"
    with running_stack(tmp_path) as stack:
        stack.command("wait")  # nothing was ever published
        for hours, customer in ((30, "ann"), (2, "ann"), (3, "bob"), (3, "bob")):
            at = {"event_id": f"{customer}-{hours}", "occurred_at": now_ms - hours * HOUR_MS, "customer_id": customer}
            file.write_text(json.dumps(at | {"channel": "web", "touchpoint": "page"}))
            stack.command("publish", str(file))
            stack.command("wait")
            for bounds in ([], ["--to", "-1h"], ["--from", "-40h", "--to", "-90m"]):
                (found,) = json.loads(stack.command("metrics", "--by", "none", "--json", *bounds))
                assert found["completeness"] == 1, (hours, bounds)
                assert found["completeness_n"] > 1
