"""Messages of foreign systems at the gateway: mapped, judged as at every door, and kept where they are refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from touchstream.schemas.codec import Undecodable, WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.touchpoint import Reason
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.files.compressed import ByteSource
from touchstream.streams.channels.files.reader import read_chunks
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_intake import MappedEvents
from touchstream.streams.channels.formats.message_mapping import MessageMapping, message_mapping
from touchstream.streams.channels.gateway.body import EVENTS_MAX
from touchstream.streams.channels.gateway.mapped import SLICE_STEPS, MappedIntake
from touchstream.streams.channels.gateway.problems import Problem
from touchstream.streams.channels.judged import NO_TERMS, Bounds, Terms

NOW = 1_796_000_000_000
CALLS = """
format: 2
name: calls
source: crm
messages: {each: "calls[*]", inherit: [desk]}
skip: [{when: {test: "true"}, why: it is a test}]
events:
  - name: call
    fields:
      occurred_at: at
      customer_id: who
      channel: {path: desk, default: call_centre}
      touchpoint: {constant: call}
      csat: stars
  - name: line
    when: {lines: {exists: true}}
    each: lines[*]
    fields:
      event_id: {join: [id, item]}
      occurred_at: at
      customer_id: who
      channel: {constant: web}
      touchpoint: {constant: line}
"""
CALL: dict[str, Any] = {"id": "7", "at": NOW, "who": "ann", "stars": 4}


@pytest.fixture
def mapping(tmp_path: Path) -> MessageMapping:
    file = tmp_path / "calls.yaml"
    file.write_text(CALLS)
    return message_mapping(file)


def taken(mapping: MessageMapping, *documents: Any, terms: Terms = NO_TERMS) -> MappedEvents:
    """Bytes are texts already."""
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in documents]
    return asyncio.run(MappedIntake(MessageConverter(mapping), Encoder(), NOW, terms).take(texts))


def events(found: MappedEvents) -> list[dict[str, Any]]:
    frame, refused = decode_batch([record.value for record in found.judged.records], WriterSchemas())
    assert refused == []
    return frame.to_dicts()


def test_messages_become_events_with_the_terms_of_their_sender(mapping: MessageMapping) -> None:
    found = taken(mapping, {"desk": "shop", "calls": [CALL, CALL | {"test": True}]}, CALL, terms=Terms(sent_by="in/x"))
    assert [(one["channel"], one["csat"], one["source"], one["sent_by"]) for one in events(found)] == [
        ("shop", 4, "crm", "in/x"), ("call_centre", 4, "crm", "in/x"),
    ]  # fmt: skip
    assert all(one["received_at"] == NOW for one in events(found))
    assert (found.judged.refused, dict(found.skipped)) == ([], {"it is a test": 1})


def test_a_message_that_is_sent_again_has_the_id_that_it_had_at_every_door(
    mapping: MessageMapping, tmp_path: Path
) -> None:
    first, again, other = (events(taken(mapping, one)) for one in (CALL, CALL, CALL | {"stars": 5}))
    assert first[0]["event_id"] == again[0]["event_id"] != other[0]["event_id"]
    file = tmp_path / "calls.ndjson"
    file.write_text(json.dumps(CALL) + "\n")
    (chunk,) = [one for one in read_chunks(ByteSource(str(file)), None, mapping) if one.lines]
    assert json.loads(chunk.lines[0])["event_id"] == first[0]["event_id"]


def test_a_refused_event_is_kept_as_the_event_that_it_became_and_a_message_as_it_is(mapping: MessageMapping) -> None:
    unhappy = CALL | {"stars": 11}
    odd = CALL | {"at": {"no": "time"}}
    lines = CALL | {"id": "9", "lines": ["a", {}, "c"]}
    found = taken(mapping, unhappy, odd, b'{"a": 1, "a": 2}', b"{broken", 5, lines)
    assert [(one.index, one.reason) for one in found.judged.refused] == [
        (0, Reason.OUT_OF_SCALE), (1, Reason.WRONG_TYPE), (2, Reason.UNDECODABLE), (3, Reason.UNDECODABLE),
        (4, Reason.WRONG_TYPE),
    ]  # fmt: skip
    scale, time, twice, broken, number = found.judged.refused_texts
    became = json.loads(scale)
    assert (became["customer_id"], became["csat"], len(became["event_id"])) == ("ann", 11, 32)
    assert json.loads(time)["customer_id"] == "ann"
    assert (twice, broken, number) == (b'{"a": 1, "a": 2}', b"{broken", b"5")
    assert sorted(one["touchpoint"] for one in events(found)) == ["call", "line", "line", "line"]


def test_a_key_that_is_bound_binds_what_its_messages_become(mapping: MessageMapping) -> None:
    bound = Terms(Bounds(channels=frozenset({"shop"})))
    found = taken(mapping, {"desk": "shop", "calls": [CALL]}, CALL, terms=bound)
    assert [one["channel"] for one in events(found)] == ["shop"]
    assert [(one.index, one.reason) for one in found.judged.refused] == [(1, Reason.NOT_ALLOWED)]


def test_a_request_of_which_nothing_is_json_is_none(mapping: MessageMapping) -> None:
    with pytest.raises(Undecodable):
        taken(mapping, b"{", b"]")
    assert taken(mapping).judged.refused == []


def test_the_events_of_a_request_are_bounded_and_those_of_a_document_too(mapping: MessageMapping) -> None:
    many = {"calls": [CALL] * EVENTS_MAX}
    assert len(taken(mapping, many).judged.records) == EVENTS_MAX
    with pytest.raises(Problem) as error:
        taken(mapping, many, CALL)
    assert error.value.status == 413
    (one,) = taken(mapping, {"calls": [CALL] * (EVENTS_MAX + 1)}).judged.refused
    assert one.reason == Reason.TOO_LARGE


def test_others_have_their_turns_while_a_message_becomes_thousands_of_events(mapping: MessageMapping) -> None:
    body = json.dumps(CALL | {"lines": ["x"] * 5_000}).encode()

    async def turns_of_others() -> int:
        intake = MappedIntake(MessageConverter(mapping), Encoder(), NOW, NO_TERMS)
        taking, turns = asyncio.create_task(intake.take([body])), 0
        while not taking.done():
            turns += 1
            await asyncio.sleep(0)
        assert len(taking.result().judged.records) == 5_001
        return turns

    assert asyncio.run(turns_of_others()) >= 5_001 // SLICE_STEPS
