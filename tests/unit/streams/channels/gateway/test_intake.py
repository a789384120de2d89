"""Events of a request, judged one by one: what is used, what is refused and why."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from touchstream.schemas.codec import Undecodable, WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, Reason
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.gateway.body import EventTexts
from touchstream.streams.channels.gateway.intake import SLICE_EVENTS, judge
from touchstream.streams.channels.judged import Bounds, JudgedEvents, Terms

NOW = 1_800_000_000_000
EVENT: dict[str, Any] = {"event_id": "e", "occurred_at": NOW, "customer_id": "c", "channel": "web", "touchpoint": "t"}


def judged(*events: Any, lines: bool = False, encoder: Encoder | None = None) -> JudgedEvents:
    """Bytes are texts already."""
    texts = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return asyncio.run(judge(EventTexts(texts, lines), encoder or Encoder(), NOW))


def decoded(found: JudgedEvents) -> list[dict[str, Any]]:
    frame, refused = decode_batch([record.value for record in found.records], WriterSchemas())
    assert refused == []
    return frame.to_dicts()


def test_an_event_is_used_as_it_is_and_stamped_with_the_time_of_its_receipt() -> None:
    found = judged(EVENT | {"nps": 9, "attributes": {"x": "y"}, "received_at": 5})
    (event,) = decoded(found)
    assert {name: event[name] for name in EVENT} == EVENT
    assert (event["nps"], event["received_at"]) == (9, NOW)
    assert (found.records[0].key, found.refused, found.given_ids) == (b"c", [], [])


def test_times_and_numbers_may_be_spelled_as_the_codec_takes_them() -> None:
    found = judged(EVENT | {"occurred_at": "2026-01-31T09:30:00+01:00", "nps": 9.0})
    assert [(event["occurred_at"], event["nps"]) for event in decoded(found)] == [(1769848200000, 9)]


def test_the_events_that_can_be_used_are_and_the_others_are_listed_with_their_index() -> None:
    large = {"attributes": {"a": "x" * EVENT_BYTES_MAX}}
    broken: list[tuple[Any, Reason]] = [
        (EVENT | {"nps": 11}, Reason.OUT_OF_SCALE),
        (EVENT | {"nps": "9"}, Reason.WRONG_TYPE),
        (EVENT | {"npss": 9}, Reason.WRONG_TYPE),
        (EVENT | {"customer_id": ""}, Reason.NO_CUSTOMER),
        (EVENT | {"channel": ""}, Reason.MISSING_FIELD),
        (EVENT | {"event_id": ""}, Reason.MISSING_FIELD),
        (EVENT | {"occurred_at": None}, Reason.MISSING_FIELD),
        ({}, Reason.MISSING_FIELD),
        (EVENT | {"occurred_at": NOW + 600_001}, Reason.FROM_THE_FUTURE),
        (EVENT | {"occurred_at": -(10**14)}, Reason.TOO_OLD),
        (EVENT | large, Reason.TOO_LARGE),
        *((value, Reason.WRONG_TYPE) for value in (5, "text", None, True, [EVENT], 1.5)),
    ]
    found = judged(*(one for event, _ in broken for one in (event, EVENT)))
    assert len(found.records) == len(broken)
    assert [refused.index for refused in found.refused] == list(range(0, 2 * len(broken), 2))
    assert [refused.reason for refused in found.refused] == [reason for _, reason in broken]
    assert all(0 < len(refused.detail) <= 300 for refused in found.refused)


def test_an_event_without_id_is_given_one_of_its_own_and_told_it() -> None:
    without = {name: value for name, value in EVENT.items() if name != "event_id"}
    found = judged(EVENT, without, without | {"event_id": None}, without | {"nps": 11})
    ids = [event["event_id"] for event in decoded(found)]
    assert [(given.index, given.event_id) for given in found.given_ids] == [(1, ids[1]), (2, ids[2])]
    assert len(set(ids)) == 3


def test_a_broken_line_or_element_says_nothing_about_the_others() -> None:
    found = judged(b"{", EVENT, b"nonsense", lines=True)
    assert [(refused.index, refused.reason) for refused in found.refused] == [
        (0, Reason.UNDECODABLE),
        (2, Reason.UNDECODABLE),
    ]
    assert len(found.records) == 1
    found = judged(EVENT, b'"\xff"', b'{"a":NaN}')
    assert [(refused.index, refused.reason) for refused in found.refused] == [
        (1, Reason.UNDECODABLE),
        (2, Reason.UNDECODABLE),
    ]
    with pytest.raises(Undecodable):
        judged(b"{", b"nonsense", lines=True)
    assert judged(lines=True).records == []


def test_a_name_that_stands_twice_refuses_its_event_with_or_without_an_id() -> None:
    text = json.dumps(EVENT)[:-1] + ', "nps": 9, "nps": 2}'
    found = judged(text.encode(), EVENT, text.replace('"event_id": "e", ', "").encode())
    assert [(one.index, one.reason) for one in found.refused] == [(0, Reason.UNDECODABLE), (2, Reason.UNDECODABLE)]
    assert "'nps' stands twice" in found.refused[1].detail
    assert len(found.records) == 1


def test_events_keep_their_order_over_many_slices() -> None:
    found = judged(*(EVENT | {"event_id": str(number)} for number in range(3 * SLICE_EVENTS + 5)))
    assert [event["event_id"] for event in decoded(found)] == [str(number) for number in range(3 * SLICE_EVENTS + 5)]


def test_events_are_written_as_the_encoder_writes_them() -> None:
    (record,) = judged(EVENT, encoder=Encoder(7)).records
    assert record.value[:5] == b"\x00\x00\x00\x00\x07"


def test_the_name_of_the_key_is_kept_with_each_event_whatever_the_event_claims() -> None:
    texts = [json.dumps(EVENT | more).encode() for more in ({}, {"sent_by": "another"}, {"sent_by": None})]
    found = asyncio.run(judge(EventTexts(texts, False), Encoder(), NOW, Terms(sent_by="shop")))
    assert [event["sent_by"] for event in decoded(found)] == ["shop"] * 3
    assert [event["sent_by"] for event in decoded(judged(EVENT | {"sent_by": "claimed"}))] == [None]


def test_a_key_that_is_bound_to_sources_sends_no_event_under_anothers_numbers() -> None:
    bounds = Bounds(sources=frozenset({"shop", "web"}))
    sources = ("shop", None, "", "survey", "Shop")
    texts = [json.dumps(EVENT | {"source": source}).encode() for source in sources]
    texts.append(json.dumps(EVENT | {"channel": "phone"}).encode())
    found = asyncio.run(judge(EventTexts(texts, False), Encoder(), NOW, Terms(bounds)))
    assert [event["source"] for event in decoded(found)] == ["shop", None, ""]
    assert [(refused.index, refused.reason) for refused in found.refused] == [
        (at, Reason.NOT_ALLOWED) for at in (3, 4, 5)
    ]
    assert found.refused[2].detail.startswith("source is 'phone'; this key may send 'shop', 'web'")


def test_words_that_are_no_ids_are_those_of_the_setting() -> None:
    texts = [json.dumps(EVENT | {"customer_id": name}).encode() for name in ("undefined", "walk-in")]
    found = asyncio.run(judge(EventTexts(texts, False), Encoder(), NOW, Terms(void_ids=VoidIds.of(("walk-in",)))))
    assert ([one.index for one in found.refused], len(found.records)) == ([1], 1)
