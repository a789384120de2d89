"""SIGKILL of workers in the middle of the load: nothing lost, nothing doubled."""

import gzip
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tests.support.real_data import GROUPINGS, differences, events_file, expected_groups, needs_data
from tests.support.stack import running_stack

pytestmark = [pytest.mark.stack, needs_data]

KILLS = 4
DAY_MS = 86_400_000


def test_workers_killed_while_events_arrive_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    name = "online_retail_2009q4"
    with running_stack(tmp_path, workers=2) as stack:
        publishing = stack.start("publish", events_file(name), "--rate", "8000")
        for kill in range(KILLS):
            stack.kill_a_worker(kill)
        _, errors = publishing.communicate(timeout=300)
        assert publishing.returncode == 0, errors
        stack.command("wait", "--timeout", "300")
        for by in GROUPINGS:
            assert differences(expected_groups(name, by), stack.metrics(by)) == []


@pytest.mark.long
def test_journeys_are_whole_after_workers_were_killed_and_events_came_twice_and_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTREAM_METRICS_PORT", "0")  # any free one, of each worker
    lines = gzip.decompress(Path(events_file("helpdesk")).read_bytes()).splitlines(keepends=True)
    Random(1).shuffle(lines)
    shuffled = tmp_path / "shuffled.ndjson"
    shuffled.write_bytes(b"".join(lines))
    with running_stack(tmp_path, workers=2) as stack:
        publishing = stack.start("publish", str(shuffled), "--rate", "4000")
        stack.kill_a_worker(0)
        stack.kill_a_worker(1)
        _, errors = publishing.communicate(timeout=300)
        assert publishing.returncode == 0, errors
        stack.command("publish", events_file("helpdesk"))
        stack.command("wait", "--timeout", "300")
        ports = [int(url.split(":")[2].split("/")[0]) for url in stack.addresses["workers_metrics"]]
        assert (len(set(ports)), min(ports) >= 1_024) == (2, True)
        found = stack.metrics("none")[()]
        moves = json.loads(stack.command("transitions", "--json"))
    cases: dict[str, list[tuple[int, str, str]]] = {}
    for event in map(json.loads, lines):
        case = cases.setdefault(event["customer_id"], [])
        case.append((event["occurred_at"], event["event_id"], event["stage"]))
    expected: Counter[tuple[str, str]] = Counter()
    for case in cases.values():
        expected.update((one, other) for (*_, one), (*_, other) in pairwise(sorted(case)) if one != other)
    assert {(move["from_stage"], move["to_stage"]): move["transitions"] for move in moves} == dict(expected)
    assert (found["passes"], found["entered"]) == (4_580, expected.total() + 4_580)
    assert round(found["pass_ms_mean"] / DAY_MS, 2) == 40.86
    assert round(found["pass_ms_p50"] / DAY_MS, 2) == 39.87


@pytest.mark.long
def test_a_stack_started_again_on_its_data_goes_on_counting_and_knows_what_it_has_counted(tmp_path: Path) -> None:
    first, second = "cdnow_sample", "helpdesk"
    for name in (first, second):
        with running_stack(tmp_path, workers=1) as stack:
            stack.command("publish", events_file(first))
            stack.command("publish", events_file(name))
            stack.command("wait", "--timeout", "300")
            found = stack.metrics("stage")
    expected = expected_groups(first, "stage") | expected_groups(second, "stage")
    assert differences(expected, found) == []
