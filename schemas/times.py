"""Times as others write them: numbers of another unit, ISO 8601 and RFC 3339, hours of a zone; and the clock.

A number says nothing of its unit. One that is a day of January 1970 in milliseconds, and of this year in seconds, is
not taken for either: the refusal names both readings.
"""

import math
import re
import time
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal, get_args

Unit = Literal["seconds", "milliseconds", "microseconds", "nanoseconds", "excel_days"]
UNITS: Final = get_args(Unit)

_MS_PER_UNIT: Final = MappingProxyType(
    {
        "seconds": Decimal(1000),
        "milliseconds": Decimal(1),
        "microseconds": Decimal("1e-3"),
        "nanoseconds": Decimal("1e-6"),
        "excel_days": Decimal(86_400_000),
    }
)
_NAMES: Final = MappingProxyType({"excel_days": "days of Excel"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXCEL_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001  days of Excel are local; right from March 1900 on
_READABLE_MS: Final = 200 * 365 * 86_400_000  # further from 1970 no reading is worth a word

MISTAKEN_MS_MIN: Final = -14 * 3_600_000
"""From here to 0 are midnights of 1 January 1970 in zones east of UTC, and -1: a time left at zero, or none."""
MISTAKEN_MS_MAX: Final = 10_413_792_000 - 1
"""Milliseconds from 0 to here (May 1970) are the seconds of 1970 to 2299, Excel's days, or a time left at zero."""

_PLAUSIBLE_FROM: Final = datetime(1980, 1, 1, tzinfo=UTC)
_PLAUSIBLE_BEFORE: Final = datetime(2100, 1, 1, tzinfo=UTC)

_LEAP_SECOND = re.compile(r"(\d{4}-?\d\d-?\d\d[T ]\d\d:?\d\d:?)60([.,]\d+)?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)

_WEEK_ALONE = re.compile(r"\d{4}-?W\d\d(?!-?\d)", re.ASCII | re.IGNORECASE)


class NeverWas(ValueError):  # noqa: N818
    """The clocks of a zone were put forward over that hour."""


class NoDay(ValueError):  # noqa: N818
    """A text names a week, and no day of it."""


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def milliseconds_of(number: Decimal, unit: Unit, zone: tzinfo = UTC) -> int:
    """A number of a unit since 1970 as milliseconds since 1970, rounded down; days of Excel to the nearest one.

    zone: whose clocks the days of Excel mean. Raises ValueError for what no calendar holds, NeverWas.
    """
    milliseconds = number * _MS_PER_UNIT[unit]
    if unit != "excel_days":
        return math.floor(milliseconds)
    try:
        local = _EXCEL_EPOCH + timedelta(milliseconds=int(milliseconds.to_integral_value()))
    except OverflowError as error:
        raise ValueError(f"{number} days of Excel are no date") from error
    return since_epoch(in_zone(local, zone))


def since_epoch(moment: datetime) -> int:
    """A moment with a zone as milliseconds since 1970 in UTC, rounded down."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def instant(moment_ms: int) -> datetime:
    """Milliseconds since 1970 as a moment in UTC."""
    return _EPOCH + timedelta(milliseconds=moment_ms)


def is_plausible(moment_ms: int) -> bool:
    """Whether a moment (ms) may be one at which a customer touched a channel, as far as its unit goes."""
    return not MISTAKEN_MS_MIN <= moment_ms <= MISTAKEN_MS_MAX


def readings(number: Decimal | float, unit: Unit = "milliseconds") -> str:
    """What a number says in its unit, and in those units in which it would be a day from 1980 to 2099.

    Such as `1970-01-21T15:15:00Z in milliseconds, 2026-07-01T10:00:00Z in seconds`.
    """
    said = [f"{_reading(number, unit) or 'no time'} in {_NAMES.get(unit, unit)}"]
    for other in UNITS:
        reading = None if other == unit else _reading(number, other)
        if reading and _PLAUSIBLE_FROM.isoformat() <= reading < _PLAUSIBLE_BEFORE.isoformat():
            said.append(f"{reading} in {_NAMES.get(other, other)}")
    return ", ".join(said)


def _reading(number: Decimal | float, unit: Unit) -> str | None:
    try:
        milliseconds = milliseconds_of(Decimal(str(number)), unit)
    except (ValueError, ArithmeticError):
        return None
    if abs(milliseconds) > _READABLE_MS:
        return None
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment(text: str, zone: tzinfo = UTC) -> datetime:
    """A time in ISO 8601 or RFC 3339, with its zone; `zone` where it names none. A leap second is the one after it.

    Raises ValueError; NoDay for a week without a day, NeverWas for an hour that the zone's clocks left out.
    """
    if week := _WEEK_ALONE.match(text):  # fromisoformat() takes its Monday
        monday = f"{week[0]}-1" if "-" in week[0] else f"{week[0]}1"
        raise NoDay(f"{text} names a week, and no day of it; its Monday is {monday}")
    try:
        return in_zone(datetime.fromisoformat(text), zone, whole_day=":" not in text and len(text) <= len("2026-01-31"))
    except NeverWas:
        raise
    except ValueError:
        spelled = text.upper()  # RFC 3339 allows t and z
    leap = _LEAP_SECOND.fullmatch(spelled)
    if leap is None:
        return in_zone(datetime.fromisoformat(spelled), zone)
    after = in_zone(datetime.fromisoformat(f"{leap[1]}59{leap[2] or ''}{leap[3] or ''}"), zone) + timedelta(seconds=1)
    if after.astimezone(UTC).strftime("%H%M%S") != "000000":
        raise ValueError(f"{text} is no leap second: those come before midnight UTC")
    return after


def in_zone(local: datetime, zone: tzinfo, *, whole_day: bool = False) -> datetime:
    """A time with its own zone, else with `zone`. Of an hour that occurs twice, the first is meant.

    whole_day: a date alone is the first moment of its day, whatever the clocks did at midnight.

    Raises NeverWas for an hour that the zone's clocks left out.
    """
    if local.tzinfo is not None:
        return local
    aware = local.replace(tzinfo=zone)
    if zone is UTC or whole_day:
        return aware
    there = aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if there != local:
        raise NeverWas(f"{local.isoformat(' ')} never was in {zone}: its clocks were put forward to after it; "
                       f"give times in UTC, or with their offset")  # fmt: skip
    return aware
