"""Random logs for Hypothesis: small alphabets, so that ids, panes and boundaries meet often.

A record is drawn as a few bytes, each of which chooses one entry of a table; a zero chooses the first, the plainest.
So generation is fast, and shrinking ends at few and plain records.
"""

import json
from dataclasses import asdict, replace

from hypothesis import strategies as st

from tests.oracle.control import control, keys_value, signed
from tests.oracle.events import (
    BROKEN_VALUES,
    DAY,
    FAULTS,
    HOUR,
    MINUTE,
    WRITER_SCHEMAS,
    Choices,
    Event,
    amendment,
    damage,
    encode,
    event,
)
from tests.oracle.log import (
    DEFINITIONS,
    FORGET,
    HEARTBEAT,
    KEYS,
    REFUSED_HEADER,
    Definitions,
    Lane,
    Record,
    Signing,
    version_of,
)

__all__ = ["DEFINITIONS_KNOWN", "LANE", "START_MS", "WRITER_SCHEMAS", "definitions", "logs"]

LANE = Lane(log_id="log-1", partition=3)
START_MS = 497_222 * HOUR  # September 2026, where panes of every resolution begin
RECORD_BYTES = 38  # one for each choice
TOGETHER = 4  # records drawn at once: what a draw costs is hardly its length

# from one record's timestamp to the next one's: still, on, over a pane's edge, back, and to both sides of a horizon
STEPS_MS = (
    0, 0, 1, 1, 500, 1_000, 10_000, MINUTE, MINUTE + 1, -1, -5_000, -HOUR, HOUR, HOUR + 1, DAY, DAY + 1, -2 * DAY,
)  # fmt: skip
GAPS = (1, 1, 1, 1, 1, 1, 2, 7, 1_000)
HEADERS: tuple[tuple[tuple[str, bytes], ...], ...] = ((), (), (("traceparent", b"00-1"),), (("content-type", b"\xff"),))
RARE_KINDS = ("damaged", "broken", "heartbeat", "definitions", "forget", "other control", "no time")
KINDS = ("absent",) + ("event",) * 21 + ("refused",) + ("faulty",) * 4 + ("copy",) * 2 + ("amendment",) * 4 + RARE_KINDS
# what the headers of a refused record say: mostly a reason, and what is none
REFUSALS = (b"not_allowed", b"not_allowed", b"out_of_scale", b"undecodable", b"too_large", b"no reason", b"", b"\xff")
NO_REFUSALS = (b"control_refused", b"Not_Allowed", b"not_allowed ")
Made = tuple[Event, bytes | None]
"""An event before it is encoded, and its key."""
COPIED_BACK = 6  # a copy is of one of so many records before it


_FIRST_JOURNEY = {
    "format": 1,
    "journeys": [
        {
            "id": "default",
            "stages": [
                {
                    "id": "purchase",
                    "touchpoints": [{"channel": "web", "touchpoint": ["ch*k*", "ad"]}, {"action": "purchase"}],
                },
                {"id": "delivery", "touchpoints": [{"touchpoint": "p*c*l"}]},
                {"id": "support", "touchpoints": [{"channel": ["phone", "shop"], "action": ["contact", "re*"]}]},
            ],
        },
        {"id": "another", "stages": [{"id": "made up", "touchpoints": [{"channel": "*"}]}]},
    ],
}
_SECOND_JOURNEY = {
    "format": 1,
    "journeys": [
        {
            "id": "renamed",
            "stages": [
                {
                    "id": "all",
                    "touchpoints": [
                        {"touchpoint": "*h*", "attributes": {"ü": "*"}},
                        {"attributes": {"a": ["x", "b*"]}},
                        {"touchpoint": "ad"},
                    ],
                }
            ],
        },
        {"id": "default", "stages": [{"id": "purchase"}, {"id": "support", "touchpoints": [{"channel": "web"}]}]},
    ],
}
_STARS = {"id": "stars", "kind": "stars", "lowest": 1, "highest": 5}
_HELPFUL = {"id": "helpful", "kind": "thumbs", "lowest": 0, "highest": 1}
_SLIDER = {"id": "slider", "kind": "scale", "lowest": -1, "highest": 4, "step": 0.5}
DEFINITIONS_KNOWN = tuple(
    replace(one, version=version_of(asdict(one)))
    for one in (
        Definitions("", _FIRST_JOURNEY, semantics=1),
        Definitions(
            "",
            _SECOND_JOURNEY,
            lateness_seconds=30,
            duplicate_horizon_seconds=3_600,
            duplicate_ids_max=6,
            correction_days=1,
            instruments=(_STARS, _SLIDER),
        ),
        Definitions(
            "",
            _FIRST_JOURNEY,
            lateness_seconds=30,
            duplicate_horizon_seconds=60,
            pane_retention_days=1,
            correction_days=0,
        ),
        Definitions("", _FIRST_JOURNEY, instruments=(_STARS, _HELPFUL)),
    )
)
_DOCUMENTS = tuple(json.dumps(asdict(made)).encode() for made in DEFINITIONS_KNOWN)
_MISLEADING = tuple(
    json.dumps(asdict(DEFINITIONS_KNOWN[0]) | said).encode()
    for said in ({"lateness_seconds": 1e308}, {"journey": _SECOND_JOURNEY}, {"pane_retention_days": -1})
)
"""Under the name of what they are not."""


def definitions() -> st.SearchStrategy[Definitions]:
    """Definitions that a log may start under, or switch to."""
    return st.sampled_from(DEFINITIONS_KNOWN)


def logs(max_records: int = 30) -> st.SearchStrategy[list[Record]]:
    """Records of one lane, offsets ascending from anywhere; their events are written with WRITER_SCHEMAS."""
    drawn = st.binary(min_size=TOGETHER * RECORD_BYTES, max_size=TOGETHER * RECORD_BYTES)
    most = -(-max_records // TOGETHER)
    # lists of no least size would have five elements on average, however many they may have
    drawn_lists = st.integers(0, most).flatmap(lambda least: st.lists(drawn, min_size=least, max_size=most))
    return drawn_lists.map(lambda chosen: [signed(one, LANE) for one in log_of(b"".join(chosen))[:max_records]])


def log_of(chosen: bytes) -> list[Record]:
    """The log that is described by RECORD_BYTES choices for each record; control records are still to be `signed`."""
    log: list[Record] = []
    made: list[Made] = []
    offset, now = -1, START_MS
    for start in range(0, len(chosen), RECORD_BYTES):
        choices = Choices(chosen[start : start + RECORD_BYTES])
        kind = choices.of(KINDS)
        if kind == "absent":
            continue
        offset += choices.of(GAPS)
        now = max(0, now + choices.of(STEPS_MS))
        timestamp_ms = choices.of((None, -1)) if kind == "no time" else now
        events = [one for one in log[-COPIED_BACK:] if one.control is None]
        if kind == "copy" and events:
            log.append(replace(choices.of(events), offset=offset, timestamp_ms=timestamp_ms))
        elif kind == "amendment" and made:
            before, key = choices.of(made[-COPIED_BACK:])
            made.append((amendment(choices, before, now, offset), key))
            log.append(Record(offset, timestamp_ms, key, encode(choices, made[-1][0])))
        else:
            log.append(_record(kind, choices, offset, timestamp_ms, now, made))
    return log


def _record(
    kind: str, choices: Choices, offset: int, timestamp_ms: int | None, now: int, made_before: list[Made]
) -> Record:
    if kind == "heartbeat":
        return control(offset, timestamp_ms, HEARTBEAT, choices.of((b"",) * 7 + (b"x",)), None)
    if kind == "definitions":
        return control(offset, timestamp_ms, DEFINITIONS, _control_value(choices), _signing(choices, now))
    if kind == "forget":
        return control(offset, timestamp_ms, FORGET, _forgotten(choices, now), _signing(choices, now))
    if kind == "other control":
        other = choices.of((KEYS, KEYS, KEYS, b"stop", HEARTBEAT))
        return control(offset, timestamp_ms, other, _keys(choices, now), _signing(choices, now))
    if kind == "broken":
        return Record(offset, timestamp_ms, b"k", choices.of(BROKEN_VALUES), choices.of(HEADERS))
    headers = choices.of(HEADERS)
    if kind == "refused":
        headers += _refused(choices)
    made = event(choices, now, offset)
    canonical = (made["customer_id"] or made["anonymous_id"] or "").encode()
    key = choices.of((canonical,) * 12 + (None, b"", b"ann", b"\xff\x00"))
    if kind == "faulty":
        made = choices.of(FAULTS)(made)
    else:
        made_before.append((made, key))
    value = encode(choices, made)
    return Record(offset, timestamp_ms, key, damage(choices, value) if kind == "damaged" else value, headers)


def _refused(choices: Choices) -> tuple[tuple[str, bytes], ...]:
    """Mostly one reason; the event beside it would count, or not."""
    said = (REFUSED_HEADER, choices.of(REFUSALS + NO_REFUSALS))
    return choices.of(((said,),) * 6 + ((said, said),))


def _signing(choices: Choices, now: int) -> Signing | None:
    """Mostly as it should be; before a rotation the second key is not the lane's, after it the first one."""
    right = Signing(choices.of((now, now, now, now + HOUR, now - MINUTE)), choices.of((0, 0, 1)))
    other = replace(right, log_id="another"), replace(right, partitions_on=1), replace(right, added=b" ")
    return choices.of((right,) * 12 + (*other, None))


def _keys(choices: Choices, now: int) -> bytes:
    kept = ((0, now), (1, 0)), ((1, 0),), ((0, 0), (1, 0)), ((0, now + 2 * HOUR), (1, 0)), ((0, now),), ()
    return choices.of((*map(keys_value, kept), b"{}", b'{"keys": [{"public": "00", "until": 0}]}'))


def _forgotten(choices: Choices, now: int) -> bytes:
    hashes = choices.of((["a" * 64], ["a" * 64, "0" * 64], [], ["A" * 64], ["short"]))
    until = choices.of((now, now, now, now + MINUTE, now + DAY, 9_999_999_999_999))
    return choices.of((json.dumps({"id_hashes": hashes, "erased_at": until}).encode(),) * 3 + (b"", b"[]"))


def _control_value(choices: Choices) -> bytes:
    return choices.of((*_DOCUMENTS * 3, b"", b"{}", b"{", *_MISLEADING))
