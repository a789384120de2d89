"""A person who asked to be forgotten: no table holds their ids, and the sums stay."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.clickhouse.erasure import came_back, erase, erase_letters, person_of
from sinks.clickhouse.queries import metrics
from tests.clickhouse_rows import NOON_MS, dead_letter, lane, migrated_database, panes_of, table, touchpoint

pytestmark = pytest.mark.stack

ANN, PHONE, SHARED = "ann-4711", "phone-0815", "kiosk-1"


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
        touchpoint(1, customer_id=ANN, event_id=f"{ANN}-1", nps=9, attributes={"email": f"{ANN}@example.org"}),
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


def test_afterwards_no_table_holds_the_ids_and_the_sums_are_as_before(client: Client) -> None:
    rows = ann_and_others()
    write(client, "touchpoints", *rows)
    write(client, "stage_panes", *panes_of(rows))
    write(client, "lanes", lane())
    ann = person_of(client, ANN, anonymous=False)
    before = metrics(client)[0]
    ask_to_be_forgotten(client, *ann.hashes)
    assert {done.table: done.rows for done in erase(client)} == {
        "touchpoints": 5, "journey_touches": 2, "identities": 3, "dead_letters": 0,
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


def test_what_a_replay_brings_back_is_erased_again_and_what_is_new_stays(client: Client) -> None:
    write(client, "touchpoints", *ann_and_others())
    ask_to_be_forgotten(client, *person_of(client, ANN, anonymous=False).hashes)
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
