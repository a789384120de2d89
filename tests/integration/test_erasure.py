"""A person who asked to be forgotten: no table holds their ids, and the sums stay."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse_rows import NOON_MS, dead_letter, lane, panes_of, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.customers.person import (
    ErasureKey,
    ErasureKeyError,
    erasure_key,
    keep_erasure_key,
    person_of,
)
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.sinks.clickhouse.upkeep.erasure import Mention, came_back, erase, erase_letters, mentions

pytestmark = pytest.mark.stack

ANN, PHONE, SHARED = "ann-4711", "phone-0815", "kiosk-1"
KEY = ErasureKey.of("a secret of some length")


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as made:
        yield made


def write(client: Client, name: str, *rows: dict[str, Any]) -> None:
    client.insert_arrow(name, table(name, rows))


def everywhere(client: Client, word: str) -> list[str]:
    """The tables that hold a text, in any column."""
    tables = client.query("SELECT name FROM system.tables WHERE database = currentDatabase()").result_rows
    count = "SELECT countIf(position(toString(tuple(*)), {word:String}) > 0) FROM {table:Identifier}"
    return [name for (name,) in tables if client.query(count, {"word": word, "table": name}).result_rows[0][0]]


def ask_to_be_forgotten(client: Client, *hashes: str) -> None:
    asked_at = datetime.fromtimestamp(NOON_MS / 1000 + 60, UTC)
    names = ["log_id", "partition", "log_offset", "id_hash", "erased_at"]
    client.insert("erasures", [["log", 0, 7, one, asked_at] for one in hashes], column_names=names)


def ann_and_others() -> list[dict[str, Any]]:
    return [
        touchpoint(
            1,
            customer_id=ANN,
            event_id=f"{ANN}-1",
            amends=f"{ANN}-0",
            nps=9,
            attributes={"email": f"{ANN}@example.org"},
        ),
        touchpoint(2, customer_id="", anonymous_id=PHONE, event_id="e2", revenue_minor=100, currency="EUR"),
        touchpoint(3, customer_id=ANN, anonymous_id=PHONE, action="identify", event_id="e3"),
        touchpoint(4, customer_id=ANN, anonymous_id=SHARED, action="identify", event_id="e4"),
        touchpoint(
            5, customer_id="bob", anonymous_id=SHARED, action="identify", event_id="e5", occurred_at=NOON_MS + 5
        ),
        touchpoint(6, customer_id="bob", event_id="e6", attributes={"color": "red"}),
    ]


def test_a_persons_ids_are_all_that_were_identified_as_them_first(client: Client) -> None:
    write(client, "touchpoints", *ann_and_others())
    ann = person_of(client, ANN, anonymous=False)
    assert (ann.customer_id, ann.anonymous_ids) == (ANN, (SHARED, PHONE))
    assert person_of(client, PHONE, anonymous=True) == ann
    assert person_of(client, "bob", anonymous=False).anonymous_ids == ()
    assert person_of(client, "nobody", anonymous=True).ids == ("nobody",)


@pytest.mark.parametrize("key", [None, KEY], ids=["plain hashes", "keyed hashes"])
def test_afterwards_no_table_holds_the_ids_and_the_sums_are_as_before(client: Client, key: ErasureKey | None) -> None:
    rows = ann_and_others()
    write(client, "touchpoints", *rows)
    write(client, "stage_panes", *panes_of(rows))
    write(client, "lanes", lane())
    ann = person_of(client, ANN, anonymous=False)
    before = metrics(client)[0]
    if key:
        keep_erasure_key(client, key)
    assert erasure_key(client) == key
    ask_to_be_forgotten(client, *ann.hashes(key))
    assert {done.table: done.rows for done in erase(client)} == {
        "touchpoints": 5, "journey_touches": 2, "identities": 3, "dead_letters": 0, "person_views": 0,
    }  # fmt: skip
    assert [everywhere(client, word) for word in ann.ids] == [[], [], []]
    after = metrics(client)[0]
    assert after | {"customers": 2} | {name: before[name] for name in before if "response_rate" in name} == before
    left = client.query("SELECT customer_id, attributes FROM touchpoints WHERE customer_id != '' ORDER BY log_offset")
    assert left.result_rows == [("bob", {}), ("bob", {"color": "red"})]
    assert {done.rows for done in erase(client)} == {0}


def test_dead_letters_lose_what_they_hold_of_the_person_and_keep_their_reason(client: Client) -> None:
    avro = bytes([2 * len(ANN)]) + ANN.encode()
    write(
        client, "dead_letters",
        dead_letter(1, key=ANN.encode(), value=b"?"),
        dead_letter(2, key=b"x", value=b'{"customer_id":"%s"}' % ANN.encode()),
        dead_letter(3, key=b"x", value=b"\xc3\x01\xff" + avro + b"\x00"),
        dead_letter(4, key=b"x", value=b'{"customer_id":"%s7"}' % ANN.encode(), detail="another"),
    )  # fmt: skip
    assert erase_letters(client, [ANN]) == 3
    left = client.query("SELECT log_offset, reason, detail FROM dead_letters FINAL ORDER BY log_offset").result_rows
    assert left == [(one, "undecodable", "erased") for one in (1, 2, 3)] + [(4, "undecodable", "another")]


def test_events_that_a_replay_brings_back_are_erased_again_and_new_ones_stay(client: Client) -> None:
    write(client, "touchpoints", *ann_and_others())
    ask_to_be_forgotten(client, *person_of(client, ANN, anonymous=False).hashes(None))
    erase(client)
    assert not came_back(client, 3600)
    new = touchpoint(9, customer_id=ANN, record_at=NOON_MS + 120_000, occurred_at=NOON_MS + 110_000, event_id="new")
    write(client, "touchpoints", *ann_and_others(), new)
    assert came_back(client, 3600)
    assert sum(done.rows for done in erase(client)) > 0
    assert not came_back(client, 3600)
    assert [
        row[0]
        for row in client.query("SELECT event_id FROM touchpoints FINAL WHERE customer_id = 'ann-4711'").result_rows
    ] == ["new"]


def test_people_who_were_erased_before_there_was_a_key_stay_erased(client: Client) -> None:
    write(client, "touchpoints", *ann_and_others())
    ask_to_be_forgotten(client, *person_of(client, ANN, anonymous=False).hashes(None))
    keep_erasure_key(client, KEY)
    erase(client)
    assert everywhere(client, ANN) == []
    keep_erasure_key(client, KEY)
    with pytest.raises(ErasureKeyError, match="another erasure key is in force"):
        keep_erasure_key(client, ErasureKey.of("another secret of some length"))


ODD = 'J\u00f6rg "4711" \\ M/1'


@pytest.mark.parametrize(
    ("identifier", "held"),
    [
        ("4711", b'{"customer_id": 4711, "channel": "web"}'),
        ("4711", b'{"customer_id": 4711.0}'),
        ("ann-4711", b'{"customer_id": "\\u0061nn\\u002d4711"}'),
        ("ann-4711", b'"2026-11-01;ann-4711;web;page'),
        ("ann-4711", "2026-11-01;ann-4711;web".encode("utf-16")),
        ("ann-4711", b'{"customer_id": "ann-4711", "customer_id": "bob"}'),
        ("ann-4711", b'{"ann-4711": {"nps": 3}}'),
        ("ann-4711", b'[{"attributes": {"link": "https://shop.example/?user=ann%2D4711&x=1"}}]'),
        ("a/b", b'{"customer_id": "a\\/b"}'),
        (ODD, json.dumps({"customer_id": ODD}).encode()),
        (ODD, json.dumps({"customer_id": ODD}, ensure_ascii=False).encode()),
        ("J\u00f6rg", "x;J\u00f6rg;y".encode("cp1252")),
        ("J\u00f6rg", "x;Jo\u0308rg;y".encode()),
        ("ann-4711", b'{"customer_id": "\\ud83d", "anonymous_id": "ann-4711"}'),
        ("ann-4711", b"[" * 5_000 + b'"ann-4711"'),
        ("\U0001f9d1\u200d\U0001f680", json.dumps({"customer_id": "\U0001f9d1\u200d\U0001f680"}).encode()),
    ],
)  # fmt: skip
def test_a_letter_that_holds_an_id_is_emptied_however_it_is_written(
    client: Client, identifier: str, held: bytes
) -> None:
    others = [
        b'{"customer_id": "ann-47112", "duration_ms": 4711}',
        b"bob;a/bc;x\\u0041",
        "J\u00f6rgen".encode("cp1252"),
    ]
    write(client, "dead_letters", *(dead_letter(n, key=b"x", value=one) for n, one in enumerate([held, *others], 1)))
    assert erase_letters(client, [identifier]) == 1
    left = client.query("SELECT log_offset FROM dead_letters FINAL WHERE detail = 'erased'").result_rows
    assert left == [(1,)]


def test_an_id_in_a_letters_key_headers_or_detail_is_found_as_well(client: Client) -> None:
    write(
        client, "dead_letters",
        dead_letter(1, key=ANN.encode(), value=b"?"),
        dead_letter(2, key=b"x", value=b"?", headers=[{"name": b"who", "value": ANN.encode()}]),
        dead_letter(3, key=b"x", value=b"?", detail=f"customer_id is '{ANN}'; shorten it"),
        dead_letter(4, key=b"x", value=b"?"),
    )  # fmt: skip
    assert erase_letters(client, [ANN]) == 3


def test_many_letters_are_read_in_pages_and_emptied_together(client: Client) -> None:
    value = b'{"customer_id": "%s"}' % ANN.encode()
    write(client, "dead_letters", *(dead_letter(n, key=b"x", value=value if n % 2 else b"\\") for n in range(1, 1001)))
    assert erase_letters(client, [ANN]) == 500
    assert erase_letters(client, [ANN]) == 0


def test_mentions_of_the_person_by_others_are_reported_and_stay(client: Client) -> None:
    rows = [
        *ann_and_others(),
        touchpoint(7, customer_id="bob", event_id=f"gift-for-{ANN}", attributes={"referred_by": ANN}),
        touchpoint(8, customer_id="bob", event_id="e8", attributes={"note": f"see {ANN}, and {ANN}9", ANN: "1"}),
        touchpoint(9, customer_id="bob", event_id=f"{ANN}9", segment=f"{ANN}x", touchpoint=f"profile/{ANN}"),
    ]
    write(client, "touchpoints", *rows)
    write(client, "stage_panes", *panes_of(rows))
    ann = person_of(client, ANN, anonymous=False)
    ask_to_be_forgotten(client, *ann.hashes(None))
    erase(client)
    assert set(mentions(client, ann.ids)) == {
        Mention("touchpoints", "event_id", 1),
        Mention("touchpoints", "attributes", 2),
        Mention("stage_panes", "touchpoint", 1),
    }
    assert mentions(client, ["a.b*(c", "x\n\\", "\U0001f9d1", *(f"id {n}" for n in range(250))]) == ()
