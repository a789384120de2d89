"""Buckets stand in the local week, also where clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from touchstream.streams.watch.evidence.buckets import BUCKET_MS, BUCKETS_PER_WEEK, moment

BERLIN = ZoneInfo("Europe/Berlin")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_a_local_monday_begins_the_week_and_hours_keep_their_slots_through_summer_time() -> None:
    monday = moment(ms("2026-11-30T00:00:00+01:00"), BERLIN)
    assert monday.slot == 0
    assert moment(ms("2026-11-30T00:00:00+01:00") - BUCKET_MS, BERLIN).slot == BUCKETS_PER_WEEK - 1
    assert moment(ms("2026-11-29T23:55:00+01:00"), BERLIN).week == monday.week - 1
    assert moment(ms("2026-07-01T09:00:00+02:00"), BERLIN).slot == moment(ms("2026-12-02T09:00:00+01:00"), BERLIN).slot


def test_a_repeated_hour_has_one_slot_and_its_buckets_have_two_numbers() -> None:
    first, second = ms("2026-10-25T02:30:00+02:00"), ms("2026-10-25T02:30:00+01:00")
    assert moment(first, BERLIN).slot == moment(second, BERLIN).slot
    assert moment(second, BERLIN).number - moment(first, BERLIN).number == 12


def test_an_instant_that_starts_no_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="no start of a bucket"):
        moment(1, BERLIN)
