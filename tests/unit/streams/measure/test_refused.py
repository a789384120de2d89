"""Records that a door has refused are dead letters for its reason, whatever their value says."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.journey import Journeys
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.touchpoint import Reason
from touchstream.streams.measure.definitions import Definitions
from touchstream.streams.measure.events import DeadLetter
from touchstream.streams.measure.lane import Lane
from touchstream.streams.measure.records import Headers, Records
from touchstream.streams.measure.refused import bytes_before_cut

NOW_MS = 1_790_000_000_000
JOURNEY = '{"format": 1, "journeys": [{"id": "shop", "stages": [{"id": "use"}]}]}'
CONTROL = ("touchstream-control", b"definitions")


def event(number: int) -> bytes:
    made = {"event_id": f"e{number}", "occurred_at": NOW_MS, "customer_id": "ann", "channel": "web", "touchpoint": "t"}
    return json.dumps(made).encode()


def refused(*reasons: bytes, detail: str = "") -> Headers:
    said = [("touchstream-refused", reason) for reason in reasons]
    return (*said, ("touchstream-refused-detail", detail.encode())) if detail else tuple(said)


def taken(headers: Sequence[Headers]) -> tuple[list[str], list[DeadLetter]]:
    """The events that count, and the letters, of records that all hold a good event."""
    size = len(headers)
    values = [event(number) for number in range(size)]
    records = Records(np.arange(size), np.full(size, NOW_MS), [b"ann"] * size, values, headers)
    definitions = Definitions("v", Journeys(JOURNEY), 60_000, 86_400_000, 0)
    lane = Lane(LaneRow("touchpoints", 0, "log", 1, 0, 0, 0, "v"), definitions, WriterSchemas(None), lambda keys: keys)
    lane.take(records)
    rows = lane.flush_rows()
    assert rows.row.next_offset == size
    return [] if rows.touchpoints is None else rows.touchpoints["event_id"].to_list(), list(rows.letters)


def test_a_refused_record_is_a_letter_with_the_reason_the_words_and_the_bytes_of_its_door() -> None:
    headers = refused(b"not_allowed", detail="channel is 'störe'"), (), refused(b"out_of_scale"), (("trace", b"1"),)
    counted, letters = taken(headers)
    assert counted == ["e1", "e3"]
    assert [(one.log_offset, one.reason, one.detail) for one in letters] == [
        (0, Reason.NOT_ALLOWED, "channel is 'störe'"), (2, Reason.OUT_OF_SCALE, ""),
    ]  # fmt: skip
    assert [(one.key, one.value, one.headers) for one in letters] == [
        (b"ann", event(0), headers[0]), (b"ann", event(2), headers[2]),
    ]  # fmt: skip


def test_a_batch_of_nothing_else_is_all_letters() -> None:
    counted, letters = taken([refused(b"too_large")] * 5)
    assert (counted, [one.log_offset for one in letters]) == ([], [0, 1, 2, 3, 4])


@pytest.mark.parametrize(
    "said", [(b"fine",), (b"",), (b"\xff",), (b"control_refused",), (b"Out_of_scale",), (b"too_old", b"too_old")]
)
def test_a_header_that_names_no_reason_is_undecodable_and_the_letter_says_what_stood_there(
    said: tuple[bytes, ...],
) -> None:
    counted, (letter,) = taken([refused(*said, detail="not read")])
    assert (counted, letter.reason) == ([], Reason.UNDECODABLE)
    assert "touchstream-refused says b'" in letter.detail
    assert "not read" not in letter.detail


def test_a_detail_is_cut_like_any_other_and_may_be_no_text() -> None:
    _, (long, none) = taken([refused(b"too_old", detail="x" * 1_000), (*refused(b"too_old"),)])
    assert (len(long.detail), none.detail) == (300, "")
    _, (broken,) = taken([(*refused(b"too_old"), ("touchstream-refused-detail", b"\xff"))])
    assert broken.detail == "\N{REPLACEMENT CHARACTER}"


def test_a_control_record_stays_one_whoever_calls_it_refused() -> None:
    for headers in ((CONTROL, *refused(b"too_old")), (*refused(b"too_old"), CONTROL)):
        _, (letter,) = taken([headers])
        assert letter.reason == Reason.CONTROL_REFUSED


def test_only_what_was_refused_can_be_an_excerpt() -> None:
    cut = ("touchstream-truncated", b"2000000")
    assert bytes_before_cut((*refused(b"too_large"), cut)) == b"2000000"
    assert bytes_before_cut((cut,)) is None
    assert bytes_before_cut((*refused(b"too_large"), ("touchstream-truncated", b"many"))) is None
