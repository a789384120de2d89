"""Points in time of the command line are read as those of events are: a text has one meaning at every door."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from touchstream.schemas.times import MISTAKEN_MS_MAX, MISTAKEN_MS_MIN, moment, now_ms, since_epoch
from touchstream.schemas.touchpoint import TIME_MS_MAX
from touchstream.streams.cli.main import app
from touchstream.streams.cli.time_arguments import length_ms, point_in_time


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22", "2026-11-22T09:30+01:00", "20261122T0930Z", "2026-W27-1", "2026W271", "2016-12-31T23:59:60Z",
        "2026-11-22t09:30:00z", "2026-11-22T09",
    ],
)  # fmt: skip
def test_a_text_is_the_time_that_it_is_in_an_event(text: str) -> None:
    assert point_in_time(f" {text} ") == since_epoch(moment(text))


@pytest.mark.parametrize(
    ("text", "monday"), [("2026-W27", "2026-W27-1"), ("2026W27", "2026W271"), ("2026-W27T10:00", "2026-W27-1")]
)
def test_a_week_without_a_day_is_refused_with_its_monday(text: str, monday: str) -> None:
    with pytest.raises(ValueError, match=f"no day of it; its Monday is {monday}$"):
        point_in_time(text)
    assert moment(monday) == datetime(2026, 6, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("1782900000", "2026-07-01T10:00:00Z in seconds"),
        ("20260701", "1970-01-01T05:37:40Z in milliseconds"),
        ("46204", "2026-07-01T00:00:00Z in days of Excel"),
        (str(MISTAKEN_MS_MAX), "1970-05-01T12:43:11Z in milliseconds"),
        ("1782900000123456", "2026-07-01T10:00:00Z in microseconds"),
        ("1782900000123456789", "2026-07-01T10:00:00Z in nanoseconds"),
        ("9" * 5_000, "no time in milliseconds"),
    ],
)
def test_a_number_of_another_unit_is_refused_with_its_readings(text: str, reading: str) -> None:
    with pytest.raises(ValueError, match=reading):
        point_in_time(text)


def test_numbers_are_milliseconds_and_lengths_are_ago() -> None:
    for number in (MISTAKEN_MS_MAX + 1, TIME_MS_MAX, MISTAKEN_MS_MIN - 1):
        assert point_in_time(str(number)) == number
    before = now_ms()
    assert before - length_ms("90m") <= point_in_time("-90m") <= now_ms() - 90 * 60_000


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-13-01", "9999-12-31T23:59:60Z", "9999-W53-7", "٢٠٢٦١", "-1y", "-" + "9" * 30 + "d"]
)
def test_a_text_that_is_no_time_is_refused_with_what_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match="is no time; take 2026-11-22"):
        point_in_time(text)


def test_a_command_says_it_in_a_line_and_asks_nothing() -> None:
    done = CliRunner().invoke(app, ["metrics", "--from", "2026-W27"])
    assert (done.exit_code, "its Monday is 2026-W27-1" in done.output, done.output.count("\n")) == (2, True, 1)
