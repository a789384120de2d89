from collections import Counter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.bench.events import Events, generate
from tests.bench.truth import PANE_MS, WrongError, customers, pane_customers, require_equal, sums
from tests.oracle.log import Definitions, Lane, Record, WriterSchemas
from tests.oracle.recompute import Tables, recompute
from touchstream.schemas.codec import SCHEMA_TEXT
from touchstream.schemas.journey import DEFAULT_FILE

END_MS = 1_790_000_000_000


def recomputed(events: Events) -> Tables:
    """The oracle's tables: it reads the events' bytes, one after the other."""
    log = [
        Record(offset, int(record_at), key, value)
        for offset, (record_at, key, value) in enumerate(
            zip(events.record_at, events.record_keys(), events.record_values(), strict=True)
        )
    ]
    journey = YAML(typ="safe").load(Path(DEFAULT_FILE))
    return recompute(log, Lane("log", 0), Definitions("1", journey), WriterSchemas(known=(SCHEMA_TEXT,)))


def summed(tables: Tables, resolution_s: int) -> dict[str, dict[str, int]]:
    """Panes of one resolution, added up by stage, with the names of `sums`."""
    stages: dict[str, Counter[str]] = {}
    for (resolution, _, _, stage, *_), pane in tables.panes.items():
        if resolution != resolution_s:
            continue
        found = stages.setdefault(stage, Counter())
        for name, value in pane.items():
            if isinstance(value, int) and name not in ("log_offset", "duplicates", "conflicting"):
                found[name] += value
        for survey, lowest in (("nps", 0), ("csat", 1), ("ces", 1)):
            for answer, count in enumerate(pane[f"{survey}_counts"], lowest):
                found[f"{survey}_{answer}"] += count
        for currency, amount in pane["revenue_minor_by_currency"].items():
            found[f"revenue_{currency}"] += amount
    return {stage: dict(found) for stage, found in stages.items()}


def test_the_sums_are_those_of_a_recomputation_from_the_bytes() -> None:
    events = generate(4_000, END_MS)
    tables = recomputed(events)
    assert tables.dead_letters == {}
    for resolution_s in (10, 300, 3600):
        assert summed(tables, resolution_s) == {
            stage: {name: value for name, value in measures.items() if value or not name.startswith("revenue")}
            for stage, measures in sums(events).items()
        }


def test_customers_are_those_of_a_recomputation_from_the_bytes() -> None:
    events = generate(4_000, END_MS)
    rows = recomputed(events).touchpoints.values()
    assert customers(events) == len({row["customer_id"] for row in rows})
    names = ("stage", "channel", "touchpoint", "segment", "customer_id")
    panes = {(row["occurred_at"] // PANE_MS, *(row[name] for name in names)) for row in rows}
    assert pane_customers(events) == len(panes)


def test_an_event_too_few_is_found() -> None:
    events = generate(1_000, END_MS)
    require_equal("ours", "panes", sums(events), sums(events))
    with pytest.raises(WrongError, match=r"ours: panes\.\w+\.\w+ is \d+, and the events say \d+"):
        require_equal("ours", "panes", sums(events[1:]), sums(events))


def test_a_stage_too_many_is_found() -> None:
    expected = sums(generate(1_000, END_MS))
    with pytest.raises(WrongError, match=r"panes\.lost"):
        require_equal("ours", "panes", expected | {"lost": {"touches": 1}}, expected)
