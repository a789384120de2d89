import time
from pathlib import Path

import pytest

from tests.bench import ours
from tests.bench.arena import Topics, arena
from tests.bench.contest import rounds
from tests.bench.events import generate
from tests.bench.peers import PEERS, field
from tests.bench.report import document
from tests.bench.stages import profile
from tests.kafka.choice import own_broker


@pytest.mark.stack
def test_every_contestant_measures_all_events_and_is_compared_with_ours(tmp_path: Path) -> None:
    events = generate(5_000, int(time.time() * 1000))
    contestants = field()
    with arena(tmp_path, own_broker(tmp_path)) as place:
        topics = Topics.of(events, slow=500)
        place.publish(topics)
        runs = list(rounds(place, topics, contestants, 2, lambda _: None))
    report = document(runs, "a broker", 0.0, contestants.missing)
    assert report["ours"]["events"] == len(events)
    assert report["ours"]["inserts"] > 0
    others = {peer.name for peer in PEERS} - contestants.missing.keys() | {one.name for one in ours.CONTESTANTS[1:]}
    assert report["ratios"].keys() == report["peers"].keys() == others
    for name, contestant in {ours.NAME: report["ours"], **report["peers"]}.items():
        assert contestant["events_per_second"] > 0, name
        assert contestant["cpu_seconds_per_million_events"].keys() == {"contestant", "broker", "clickhouse"}


def test_the_profile_names_what_a_lane_does() -> None:
    spent = profile(generate(2_000, 1_790_000_000_000))
    expected = {"decode", "validity", "duplicates", "resolve stages", "panes 10 s", "panes 300 s", "panes 3,600 s"}
    assert expected | {"sketch buckets", "raw rows to Arrow", "pane rows to Arrow", "Arrow to bytes"} <= spent.keys()
    assert all(stage.cpu_seconds >= 0 for stage in spent.values())
