"""Times of ISO 8601 and RFC 3339, of other units, and of clocks that are put forward and back."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from touchstream.schemas.codec import from_fields
from touchstream.schemas.times import NeverWas, Unit, milliseconds_of, moment, since_epoch
from touchstream.schemas.touchpoint import Touchpoint

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250Z"),
        ("2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00Z"),
        ("1990-12-31T15:59:60-08:00", "1991-01-01T00:00:00Z"),
        ("20161231T235960Z", "2017-01-01T00:00:00Z"),
        ("2016-12-31 23:59:60", "2017-01-01T00:00:00Z"),
        ("2026-06-30t09:30:00z", "2026-06-30T09:30:00Z"),
        ("2026-06-30t09:30:00.5+02:00", "2026-06-30T07:30:00.500Z"),
    ],
)
def test_leap_seconds_and_small_letters_are_times(text: str, same: str) -> None:
    assert moment(text) == datetime.fromisoformat(same)
    fields = {"event_id": "e", "customer_id": "c", "channel": "web", "touchpoint": "t", "occurred_at": text}
    event = from_fields(fields)
    assert isinstance(event, Touchpoint), event
    assert event.occurred_at == since_epoch(datetime.fromisoformat(same))


@pytest.mark.parametrize("text", ["2026-06-30T12:00:60Z", "2026-06-30T23:59:61Z", "2026-06-30T23:60:00Z", "0630", "",
                                  "2026-W27", "2026W27", "2026-W27T10:00:00Z", "2026-w27 10"])  # fmt: skip
def test_a_text_that_no_clock_shows_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=""):
        moment(text)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("Europe/Berlin", "2026-03-29 02:00:00"),
        ("Europe/Berlin", "2026-03-29T02:59:59.999"),
        ("America/New_York", "2026-03-08 02:30"),
        ("Australia/Lord_Howe", "2026-10-04 02:15"),
    ],
)
def test_an_hour_that_never_was_is_told(zone: str, text: str) -> None:
    with pytest.raises(NeverWas, match="never was in"):
        moment(text, ZoneInfo(zone))


def test_of_an_hour_that_occurs_twice_the_first_is_meant_and_a_date_is_the_first_moment_of_its_day() -> None:
    assert moment("2026-10-25 02:30", BERLIN).astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    day = moment("2018-11-04", ZoneInfo("America/Sao_Paulo"))  # where midnight never was
    assert day.astimezone(UTC) == datetime(2018, 11, 4, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "unit", "milliseconds"),
    [
        ("1782900000", "seconds", 1_782_900_000_000),
        ("1782900000.5", "seconds", 1_782_900_000_500),
        ("-1.5", "milliseconds", -2),
        ("1782900000123456", "microseconds", 1_782_900_000_123),
        ("1782900000123456789", "nanoseconds", 1_782_900_000_123),
        ("45000.5", "excel_days", 1_678_878_000_000),
        ("46204.4166666667", "excel_days", 1_782_892_800_000),
    ],
)
def test_a_number_of_a_unit(number: str, unit: Unit, milliseconds: int) -> None:
    assert milliseconds_of(Decimal(number), unit, BERLIN) == milliseconds
