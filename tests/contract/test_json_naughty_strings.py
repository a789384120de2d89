"""The big list of naughty strings as names and ids: unchanged through every encoding, or refused with a reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from touchstream.schemas.codec import SCHEMA_TEXT, WriterSchemas, encode_confluent, encode_single_object
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.journey import Journeys
from touchstream.schemas.touchpoint import Reason, Touchpoint
from touchstream.schemas.validity import check
from touchstream.schemas.validity_of_columns import refusals
from touchstream.schemas.void_ids import VoidIds

LIST = Path(__file__).parents[3] / "shared" / "data" / "conformance" / "naughty_strings" / "blns.json"
STRINGS: list[str] = json.loads(LIST.read_text()) if LIST.exists() else []
NOW = 1_700_000_000_000
NAMES = (
    "event_id", "customer_id", "anonymous_id", "channel", "touchpoint", "stage", "journey", "segment",
)  # fmt: skip

pytestmark = pytest.mark.skipif(not STRINGS, reason=f"needs the list of naughty strings at {LIST}")


class Registry:
    def schema(self, number: int) -> str | None:
        return SCHEMA_TEXT if number == 1 else None


def event(name: str) -> Touchpoint:
    fields: dict[str, Any] = dict.fromkeys(NAMES, name)
    return Touchpoint(occurred_at=NOW, action=name, attributes={name: name}, **fields)


@pytest.mark.parametrize(
    "encode",
    [encode_single_object, lambda written: encode_confluent(written, 1), msgspec.json.encode],
    ids=["single object", "confluent", "json"],
)
def test_naughty_strings_come_through_unchanged_or_are_refused(encode: Callable[[Touchpoint], bytes]) -> None:
    frame, undecodable = decode_batch([encode(event(name)) for name in STRINGS], WriterSchemas(Registry()))
    assert undecodable == []
    usable, refused = refusals(frame, np.full(len(STRINGS), NOW))
    ids = VoidIds.of()
    expected = [name for name in STRINGS if ids.is_person(name)]
    assert len(expected) > len(STRINGS) - 40
    assert [refusal.position for refusal in refused] == [at for at, name in enumerate(STRINGS) if name not in expected]
    assert {refusal.reason for refusal in refused} == {Reason.MISSING_FIELD, Reason.NO_CUSTOMER}
    for field in NAMES:
        assert usable[field].to_list() == expected, field
    assert usable["action"].to_list() == [name.strip(" \t\r\n\u00a0").lower() for name in expected]
    assert usable["attributes"].to_list() == [{name: name} for name in expected]


def test_a_naughty_string_as_outcome_or_currency_is_refused() -> None:
    for name in set(STRINGS) - {"", " "}:
        for field in ("outcome", "currency"):
            refused = check(msgspec.structs.replace(event("x"), **{field: name}), NOW)
            assert refused is not None, (field, name)
            assert refused.reason == Reason.WRONG_TYPE


def test_naughty_strings_are_resolved_as_plain_names() -> None:
    frame, _ = decode_batch([encode_single_object(event(name)) for name in STRINGS if name], WriterSchemas())
    resolved = Journeys.load().resolve(frame)
    assert resolved["journey"].to_list() == resolved["stage"].to_list() == [name for name in STRINGS if name]
    assert not resolved["declared"].any()
