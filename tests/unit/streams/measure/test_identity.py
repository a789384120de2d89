"""Which event an event is."""

from itertools import combinations

import polars as pl

from touchstream.streams.measure.identity import identities

NAMES = {"event_id": "1", "source": "", "channel": "web", "customer_id": "ann", "anonymous_id": "", "kafka_key": None}


def of(*changes: dict[str, object]) -> list[bytes]:
    events = pl.DataFrame([NAMES | one for one in changes], schema_overrides={"kafka_key": pl.Binary})
    return identities(events).to_list()


def test_events_of_other_sources_keys_or_ids_are_others() -> None:
    others = of(
        {}, {"event_id": "2"}, {"source": "shop"}, {"channel": "app"}, {"customer_id": "bob"}, {"kafka_key": b""},
        {"kafka_key": b"\xff\x00"}, {"customer_id": "", "anonymous_id": "anna"},
        {"source": "we", "customer_id": "bann"},
        {"customer_id": "an", "event_id": "n1"}, {"customer_id": "ann1", "event_id": ""},
    )  # fmt: skip
    assert all(one != other for one, other in combinations(others, 2))


def test_events_that_say_the_same_in_another_way_are_the_same() -> None:
    same = of(
        {}, {"source": "web", "channel": "app"}, {"kafka_key": b"ann"}, {"customer_id": "", "anonymous_id": "ann"}
    )
    assert len(set(same)) == 1
    assert len(set(of({"kafka_key": b"ann", "customer_id": "bob"}, {}, {"anonymous_id": "device"}))) == 1


def test_of_no_events_there_are_none() -> None:
    assert identities(pl.DataFrame(schema=dict.fromkeys(NAMES, pl.String) | {"kafka_key": pl.Binary})).len() == 0
