"""What the gateway keeps of what it refuses: the bytes, why, and by whom it was sent; so many a minute and no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, Reason
from touchstream.streams.channels.gateway.dead_letters import Letters
from touchstream.streams.channels.judged import Record, RefusedEvent


class Clock:
    now = 600.0

    def __call__(self) -> float:
        return self.now


def kept(*texts: bytes, sent_by: str | None = "shop") -> list[Record]:
    refused = [RefusedEvent(at, Reason.OUT_OF_SCALE, f"nps is {at}") for at in range(len(texts))]
    return Letters(1_000).of(refused, texts, "shop", sent_by)


def test_a_letter_has_the_bytes_the_reason_and_the_name_of_the_key() -> None:
    (one,) = kept(b'\xef\xbb\xbf {"customer_id": "ann", "nps": 11}\n')
    assert (one.key, one.value) == (b"ann", b'{"customer_id": "ann", "nps": 11}')
    assert dict(one.headers) == {
        "touchstream-refused": b"out_of_scale", "touchstream-refused-detail": b"nps is 0",
        "touchstream-sent-by": b"shop",
    }  # fmt: skip
    (nobodys,) = kept(b"{}", sent_by=None)
    assert "touchstream-sent-by" not in dict(nobodys.headers)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"customer_id": "ann", "anonymous_id": "phone"}, b"ann"),
        ({"customer_id": "", "anonymous_id": "phone"}, b"phone"),
        ({"anonymous_id": "Ünal"}, "Ünal".encode()),
        ({"customer_id": 5, "anonymous_id": "phone"}, None),
        ({"customer_id": "x" * 1_001}, None),
        ({}, None),
        ([{"customer_id": "ann"}], None),
        ("ann", None),
    ],
)
def test_its_key_is_the_customer_where_one_can_be_read(fields: Any, key: bytes | None) -> None:
    assert [one.key for one in kept(json.dumps(fields).encode())] == [key]
    assert [one.key for one in kept(b'{"customer_id": "ann"')] == [None]


def test_a_text_larger_than_any_event_is_kept_as_an_excerpt_that_says_how_large_it_was() -> None:
    largest = b'"' + b"x" * (EVENT_BYTES_MAX - 2) + b'"'
    whole, cut = kept(largest, largest + b"y")
    assert (whole.value, len(whole.headers)) == (largest, 3)
    assert cut.value == largest[:65_536]
    assert dict(cut.headers)["touchstream-truncated"] == b"%d" % (EVENT_BYTES_MAX + 1)


def test_a_sender_has_room_for_so_many_a_minute_others_have_their_own_and_what_was_not_delivered_gives_it_back() -> (
    None
):
    clock = Clock()
    letters = Letters(5, clock)
    texts = [b"%d" % at for at in range(10)]

    def more(owner: str, count: int) -> list[bytes]:
        refused = [RefusedEvent(at, Reason.WRONG_TYPE, "") for at in range(count)]
        return [one.value for one in letters.of(refused, texts[:count], owner, owner)]

    assert [more("a", 3), more("a", 9), more("a", 1), more("b", 1)] == [[b"0", b"1", b"2"], [b"0", b"1"], [], [b"0"]]
    letters.give_back("a", 2)
    assert more("a", 9) == [b"0", b"1"]
    clock.now += 59.9
    assert more("a", 1) == []
    clock.now += 0.1
    assert more("a", 9) == texts[:5]
    assert Letters(0).of([RefusedEvent(0, Reason.WRONG_TYPE, "")], texts[:1], "a", None) == []
