"""Points in time as people type them."""

import re
from typing import Final

from touchstream.schemas.times import NoDay, is_plausible, moment, now_ms, readings, since_epoch
from touchstream.schemas.touchpoint import TIME_MS_MAX, shown

_AGO: Final = re.compile(r"-(\d{1,9})(s|m|h|d)", re.ASCII)
_LENGTH: Final = re.compile(r"(\d{1,9})(s|m|h|d)", re.ASCII)
_EPOCH_MS: Final = re.compile(r"-?\d{5,}", re.ASCII)
_DIGITS_MAX: Final = 30
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class WrongTimeError(ValueError):
    """A text is no time, or no length of time; the message says what is taken."""


def point_in_time(text: str) -> int:
    """Milliseconds since 1970 for ISO 8601 (UTC if unmarked), epoch milliseconds, or a while ago: `-90s -15m -1h -7d`.

    Raises WrongTimeError, saying what is taken.
    """
    text = text.strip()
    ago = _AGO.fullmatch(text)
    if ago:
        return now_ms() - int(ago[1]) * _UNIT_MS[ago[2]]
    if _EPOCH_MS.fullmatch(text):
        return _milliseconds(text)
    try:
        return since_epoch(moment(text))
    except NoDay as error:
        raise WrongTimeError(str(error)) from None
    except (ValueError, OverflowError):
        raise WrongTimeError(
            f"{text!r} is no time; take 2026-11-22, 2026-11-22T09:30+01:00, 1795339800000 (milliseconds) or -1h"
        ) from None


def _milliseconds(text: str) -> int:
    """Digits alone. Raises WrongTimeError for those that are a time of this century in another unit only."""
    number = int(text[:_DIGITS_MAX])
    if not is_plausible(number) or abs(number) > TIME_MS_MAX:
        raise WrongTimeError(f"{shown(text)} is {readings(number)}; take milliseconds, or a date such as 2026-11-22")
    return number


def length_ms(text: str) -> int:
    """Milliseconds of a length of time: `90s`, `15m`, `12h`, `28d`. Raises WrongTimeError, saying what is taken."""
    length = _LENGTH.fullmatch(text.strip())
    if not length or not int(length[1]):
        raise WrongTimeError(f"{text!r} is no length of time; take 28d, 12h, 15m or 90s")
    return int(length[1]) * _UNIT_MS[length[2]]
