"""Values that are refused, in columns and one by one alike."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.columns import COLUMNS, frame_of
from touchstream.schemas.times import MISTAKEN_MS_MAX, MISTAKEN_MS_MIN
from touchstream.schemas.touchpoint import (
    DURATION_MS_MAX,
    FUTURE_LIMIT_MS,
    NAME_BYTES_MAX,
    REVENUE_MINOR_MAX,
    TIME_MS_MAX,
    TIME_MS_MIN,
    Reason,
    Refusal,
    Touchpoint,
)
from touchstream.schemas.validity import OPTIONAL_TEXTS, canonical, check
from touchstream.schemas.validity_of_columns import refusals
from touchstream.schemas.void_ids import VOID_WORDS, VoidIds

NOW = 1_700_000_000_000
GOOD = Touchpoint(event_id="e", occurred_at=NOW, customer_id="c", channel="web", touchpoint="checkout")
LONG_NAME = "é" * (NAME_BYTES_MAX // 2) + "x"

NO_IDS = (
    " ", "\t\n", "\0", "\u200b", "undefined", " Undefined", "NULL", "NaN", "None", "nil", "[object Object]", "#N/A",
    "#REF!", "-", " -- ", "\u2014", "...", "?", "_", "NA", "<NA>", "NaT", "n.a.", "#SPILL!", "#BEZUG!",
    "#\u00bfNOMBRE?", "(blank)", '""', "0", "-1", "Unknown", "1.23E+12", "1,23e+12", "-4.5E+9",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
REFUSED: list[tuple[dict[str, Any], Reason]] = [
    *[({name: ""}, Reason.MISSING_FIELD) for name in ("event_id", "channel", "touchpoint", "action")],
    ({"customer_id": None}, Reason.NO_CUSTOMER),
    ({"customer_id": "", "anonymous_id": ""}, Reason.NO_CUSTOMER),
    *[({name: LONG_NAME}, Reason.OUT_OF_SCALE) for name in ("event_id", "customer_id", "channel", "action", "segment")],
    *[({"outcome": word}, Reason.WRONG_TYPE) for word in ("Succes", "ok", "success!")],
    *[
        ({"currency": code}, Reason.WRONG_TYPE)
        for code in ("eur", "EURO", "E1R", "EUR\n", "ÄÖÜ", "€", "XYZ", "XXX", "XAU")
    ],
    *[({"revenue_minor": 1, "currency": code}, Reason.MISSING_FIELD) for code in (None, "")],
    *[({"customer_id": word}, Reason.NO_CUSTOMER) for word in NO_IDS],
    *[({"customer_id": "c", "anonymous_id": word}, Reason.NO_CUSTOMER) for word in NO_IDS],
    *[({"event_id": word}, Reason.MISSING_FIELD) for word in NO_IDS if word not in ("0", "-1", "Unknown")],
    *[
        ({"occurred_at": n}, Reason.OUT_OF_SCALE)
        for n in (MISTAKEN_MS_MIN, -1, 0, 45_000, 20_260_630, 1_782_900_000, MISTAKEN_MS_MAX)
    ],
    *[({"occurred_at": n}, Reason.FROM_THE_FUTURE) for n in (1_782_900_000_123_456, 1_782_900_000_123_456_789)],
    *[({"nps": answer}, Reason.OUT_OF_SCALE) for answer in (-1, 11)],
    *[({"csat": answer}, Reason.OUT_OF_SCALE) for answer in (0, 6)],
    *[({"ces": answer}, Reason.OUT_OF_SCALE) for answer in (0, 8)],
    *[({"sentiment": x}, Reason.OUT_OF_SCALE) for x in (-1.01, 1.01, float("nan"), float("inf"), float("-inf"))],
    *[({"duration_ms": ms}, Reason.OUT_OF_SCALE) for ms in (-1, DURATION_MS_MAX + 1)],
    *[
        ({"revenue_minor": m, "currency": "EUR"}, Reason.OUT_OF_SCALE)
        for m in (-REVENUE_MINOR_MAX - 1, REVENUE_MINOR_MAX + 1)
    ],
    *[({"received_at": ms}, Reason.OUT_OF_SCALE) for ms in (TIME_MS_MIN - 1, TIME_MS_MAX + 1)],
    *[({"occurred_at": ms}, Reason.TOO_OLD) for ms in (TIME_MS_MIN - 1, -(2**63))],
    *[({"occurred_at": ms}, Reason.FROM_THE_FUTURE) for ms in (NOW + FUTURE_LIMIT_MS + 1, TIME_MS_MAX + 1, 2**63 - 1)],
]
USABLE: list[dict[str, Any]] = [
    {},
    {"customer_id": None, "anonymous_id": "a"},
    {"nps": 0, "csat": 1, "ces": 1, "sentiment": -1.0, "duration_ms": 0},
    {"revenue_minor": -REVENUE_MINOR_MAX, "currency": "CLF"},
    {"nps": 10, "csat": 5, "ces": 7, "sentiment": 1.0, "duration_ms": DURATION_MS_MAX, "currency": "JPY"},
    {"occurred_at": NOW + FUTURE_LIMIT_MS, "received_at": TIME_MS_MAX},
    {"occurred_at": TIME_MS_MIN, "received_at": TIME_MS_MIN},
    {"event_id": LONG_NAME[:-1], "action": "anything at all", "outcome": "abandoned"},
    dict.fromkeys(OPTIONAL_TEXTS, "") | {"anonymous_id": "a"},
    {"occurred_at": MISTAKEN_MS_MAX + 1, "received_at": 5},
    {"occurred_at": MISTAKEN_MS_MIN - 1},
    *[{"action": word} for word in ("Purchase", " PURCHASE ", "pUrChAsE\n")],
    *[{"outcome": word} for word in ("Success", "success ", "FAILURE", " ")],
    *[
        {"customer_id": name, "anonymous_id": name}
        for name in (
            "00017",
            "5E10",
            "nully",
            "null@example.com",
            "ann\0",
            "-5",
            "a-",
            "_ann",
            "#1",
            "#ann",
            "?x",
            "n-a",
            "\u2019",
        )
    ],
    {"event_id": "0"},
]


def changed(fields: Mapping[str, Any]) -> Touchpoint:
    return msgspec.structs.replace(GOOD, **fields)


def judged(event: Touchpoint, position: int = 0) -> Refusal | None:
    usable, refused = refusals(frame_of([(position, event)]), np.full(position + 1, NOW))
    assert usable.height + len(refused) == 1
    return refused[0] if refused else None


@pytest.mark.parametrize(("fields", "reason"), REFUSED, ids=lambda value: ascii(value)[:40])
def test_an_impossible_value_is_refused_with_its_reason(fields: dict[str, Any], reason: Reason) -> None:
    refused = judged(changed(fields), 3)
    assert refused is not None
    assert refused.reason == reason
    assert refused.position == 3
    assert any(name in refused.detail for name in fields)


@pytest.mark.parametrize("fields", USABLE, ids=lambda value: ascii(value)[:40])
def test_a_value_on_the_edge_of_its_scale_is_usable(fields: dict[str, Any]) -> None:
    assert judged(changed(fields)) is None
    assert check(changed(fields), NOW) is None


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "event_id": st.sampled_from(["", "e", LONG_NAME]),
            "channel": st.sampled_from(["", "web"]),
            "action": st.sampled_from(["", "view", " View", "\u00a0", "İ" * 400, "x" * 1_001]),
            "customer_id": st.sampled_from([None, "", "c", "é" * 501, *NO_IDS]),
            "anonymous_id": st.sampled_from([None, "", "a"]),
            "segment": st.sampled_from([None, "", "s"]),
            "outcome": st.sampled_from([None, "", "success", "Success", " ", "no"]),
            "currency": st.sampled_from([None, "", "EUR", "eur", "\n", "EUR\n"]),
            "nps": st.none() | st.integers(-2, 12),
            "csat": st.none() | st.integers(-(2**31), 2**31 - 1),
            "ces": st.none() | st.integers(0, 8),
            "sentiment": st.none() | st.floats(),
            "duration_ms": st.none() | st.integers(-(2**63), 2**63 - 1),
            "revenue_minor": st.none() | st.integers(-(2**63), 2**63 - 1),
            "occurred_at": st.integers(-(2**63), 2**63 - 1)
            | st.integers(2 * MISTAKEN_MS_MIN, 2 * MISTAKEN_MS_MAX)
            | st.integers(NOW, NOW + 2 * FUTURE_LIMIT_MS),
            "received_at": st.none() | st.integers(-(2**63), 2**63 - 1),
        },
    )
)
def test_columns_and_single_events_are_judged_alike(fields: dict[str, Any]) -> None:
    assert judged(changed(fields)) == check(changed(fields), NOW)


def test_good_events_stay_in_order_beside_bad_ones() -> None:
    events = [changed({"event_id": str(n), "nps": 11 if n % 3 == 1 else n % 11}) for n in range(30)]
    usable, refused = refusals(frame_of(list(enumerate(events))), np.full(30, NOW))
    assert usable["position"].to_list() == [n for n in range(30) if n % 3 != 1]
    assert usable["event_id"].to_list() == [str(n) for n in range(30) if n % 3 != 1]
    assert [refusal.position for refusal in refused] == [n for n in range(30) if n % 3 == 1]
    assert usable.schema == COLUMNS


def test_an_event_is_held_against_the_timestamp_of_its_own_record() -> None:
    frame = frame_of([(1, GOOD), (4, GOOD)])
    usable, refused = refusals(frame, pl.Series([0, NOW, 0, 0, NOW - FUTURE_LIMIT_MS - 1]))
    assert usable["position"].to_list() == [1]
    assert [(refusal.position, refusal.reason) for refusal in refused] == [(4, Reason.FROM_THE_FUTURE)]


def test_an_empty_optional_text_is_null_in_what_is_measured() -> None:
    empty = changed(dict.fromkeys(OPTIONAL_TEXTS, "") | {"anonymous_id": "a"})
    usable, _ = refusals(frame_of([(0, empty), (1, GOOD)]), np.full(2, NOW))
    for name in OPTIONAL_TEXTS:
        assert "" not in usable[name].to_list()
    assert usable["anonymous_id"].to_list() == ["a", None]


def test_the_first_broken_rule_gives_the_reason() -> None:
    worst = changed({"event_id": "", "customer_id": None, "outcome": "?", "nps": 11, "occurred_at": 2**62})
    assert check(worst, NOW) == judged(worst)
    mended: list[dict[str, Any]] = [{"event_id": "e"}, {"customer_id": "c"}, {"outcome": None}, {"nps": 9}]
    reasons = [judged(worst)]
    for repair in mended:
        worst = msgspec.structs.replace(worst, **repair)
        reasons.append(judged(worst))
    assert [refusal and refusal.reason for refusal in reasons] == [
        Reason.MISSING_FIELD,
        Reason.NO_CUSTOMER,
        Reason.WRONG_TYPE,
        Reason.OUT_OF_SCALE,
        Reason.FROM_THE_FUTURE,
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"nps": "9"},
        {"nps": True},
        {"nps": 9.0},
        {"occurred_at": "2024-01-01"},
        {"occurred_at": 2**63},
        {"channel": None},
        {"channel": b"web"},
        {"attributes": {"a": 1}},
        {"attributes": {1: "a"}},
        {"attributes": None},
        {"touchpoint": "\ud800"},
        {"attributes": {"\udfff": "a"}},
    ],
    ids=ascii,
)
def test_a_single_event_of_wrong_types_is_refused_before_it_is_written(fields: dict[str, Any]) -> None:
    refused = check(changed(fields), NOW)
    assert refused is not None
    assert refused.reason == Reason.WRONG_TYPE


def test_nothing_is_refused_of_an_empty_frame() -> None:
    usable, refused = refusals(frame_of([]), np.empty(0, dtype=np.int64))
    assert (usable.height, usable.schema, refused) == (0, COLUMNS, [])


def test_action_and_outcome_are_one_in_any_case() -> None:
    spelled = ["purchase", "Purchase", "PURCHASE", " purchase\t", "PurchasE"]
    events = [changed({"action": word, "outcome": "Success "}) for word in spelled]
    usable, refused = refusals(frame_of(list(enumerate(events))), np.full(len(events), NOW))
    assert not refused
    assert set(usable["action"]) == {"purchase"}
    assert set(usable["outcome"]) == {"success"}
    assert {canonical(event).action for event in events} == {"purchase"}
    assert canonical(changed({"action": "Purchased"})).action == "purchased"


def test_a_number_in_another_unit_is_refused_with_both_readings() -> None:
    said = {
        1_782_900_000: ("1970-01-21T15:15:00Z in milliseconds", "2026-07-01T10:00:00Z in seconds"),
        45_000: ("1970-01-01T00:00:45Z in milliseconds", "2023-03-15T00:00:00Z in days of Excel"),
        1_782_900_000_123_456: ("no time in milliseconds", "2026-07-01T10:00:00Z in microseconds"),
        1_782_900_000_123_456_789: ("no time in milliseconds", "2026-07-01T10:00:00Z in nanoseconds"),
    }
    for number, both in said.items():
        refused = judged(changed({"occurred_at": number}))
        assert refused is not None
        assert str(number) in refused.detail
        assert all(reading in refused.detail for reading in both), refused.detail


def test_words_that_are_no_ids_can_be_set() -> None:
    ours = VoidIds.of((*(word for word in VOID_WORDS if word != "0"), "Dummy"))
    frame = frame_of([(at, changed({"customer_id": word})) for at, word in enumerate(("0", "dummy", "c", "null"))])
    usable, refused = refusals(frame, np.full(4, NOW), ours)
    assert usable["customer_id"].to_list() == ["0", "c"]
    assert [refusal.position for refusal in refused] == [1, 3]
    assert check(changed({"customer_id": "0"}), NOW, ours) is None
