"""What a letter is called and where it goes when it is published again; that reconciling leaves out no measure."""

import re

import pytest

from touchstream.sinks.clickhouse.rows import PANE_KEY, STAGE_PANES
from touchstream.sinks.clickhouse.sql import query_text
from touchstream.sinks.clickhouse.upkeep.dead_letters import OpenLetter, StoredDeadLetter
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.upkeep.dead_letter_replay import AT_ONCE_BYTES, AT_ONCE_LETTERS, _bounded, _partition
from touchstream.streams.worker.dead_letters import replay_headers


def letter(number: int, size: int = 100) -> OpenLetter:
    return OpenLetter(f"log/0/{number}", "log", 0, number, 0, "too_old", size, 1, False, 0)


def content(partition: int, key: bytes | None = b"ann") -> StoredDeadLetter:
    return StoredDeadLetter("log", partition, 1, "touchpoints", 0, "too_old", "", key, b"{}", ())


def test_headers_are_the_records_own_and_name_the_letter_once_however_often_it_came_back() -> None:
    once = replay_headers([(b"trace", b"\xff"), (b"trace", b"2")], "log/0/7", 1)
    assert once[:2] == [("trace", b"\xff"), ("trace", b"2")]
    again = replay_headers([(name.encode(), value) for name, value in once], "log/0/7", 2)
    assert again[2:] == [("touchstream-replay-of", b"log/0/7"), ("touchstream-replay-attempt", b"2")]


def test_a_letter_goes_to_its_partition_and_to_its_keys_where_there_is_no_such_one_any_more() -> None:
    assert _partition(content(3), 4) == 3
    assert _partition(content(7), 4) == lane_of(b"ann", 4)
    assert _partition(content(7, None), 4) < 4


@pytest.mark.parametrize("size", [1, 100_000, AT_ONCE_BYTES + 1])
def test_letters_are_held_in_memory_a_bounded_number_at_a_time_and_none_is_left_out(size: int) -> None:
    letters = [letter(number, size) for number in range(AT_ONCE_LETTERS + 500)]
    pieces = list(_bounded(letters))
    assert [one for piece in pieces for one in piece] == letters
    assert all(len(piece) <= AT_ONCE_LETTERS for piece in pieces)
    assert all(len(piece) == 1 or sum(one.bytes for one in piece) <= AT_ONCE_BYTES for piece in pieces)
    assert list(_bounded([])) == []


def test_every_measure_of_a_pane_is_compared_with_raw_events() -> None:
    compared = re.findall(r"'(\w+)'", query_text("reconcile_measures"))
    elsewhere = {*PANE_KEY, "log_id", "partition", "log_offset", "duplicates", "conflicting"}
    assert {*compared} | elsewhere == {*STAGE_PANES.names}
    said = query_text("reconcile_sums")
    assert [said.index(name) for name in compared] == sorted(said.index(name) for name in compared)
