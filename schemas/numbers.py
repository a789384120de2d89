"""Numbers as people and spreadsheets write them: 1,230.50 and 1.230,50, 1 230, 1'230, 1,00,000. Pure.

Where two readings are left, the sign of decimals has to be declared: a thousand euros or one is no matter of taste.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

DecimalSign = Literal[".", ","]

_SPACES: Final = " \u00a0\u2007\u2009\u202f"
_MARKS: Final = "'\u2019"
# No sane number is longer; Decimal would make gigabytes of 1e999999999.
_PLAIN: Final = re.compile(r"[+-]?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_THOUSAND: Final = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)


class Unclear(ValueError):  # noqa: N818
    """A text is a number only by a sign of decimals that wasn't declared, or by two; the message has the readings."""


@dataclass(frozen=True)
class NumberReading:
    """A number, and what it is if a sign of decimals was one between thousands: `1.230` is 1.230 or 1230."""

    value: Decimal
    by_thousands: Decimal | None = None


def read(text: str, decimal: DecimalSign | None) -> NumberReading | None:
    """What a text says, or None if it is no number. `decimal` None: nothing was declared, and the sign is a point.

    Raises Unclear.
    """
    bare = text.strip()
    if decimal != "," and _PLAIN.fullmatch(bare):
        value = Decimal(bare)
        return NumberReading(
            value, Decimal(bare.replace(".", "")) if decimal is None and _THOUSAND.fullmatch(bare) else None
        )
    found = _grouped(bare, decimal or ".")
    other = _grouped(bare, "." if decimal == "," else ",")
    if decimal is None and found is not None and other is not None and found != other:
        raise Unclear(f"is {found} with commas between thousands, {other} with a decimal comma; declare which")
    if found is not None:
        return NumberReading(found)
    if other is not None:
        raise Unclear(f"is {other} with a decimal {'point' if decimal == ',' else 'comma'}, and no number without")
    return None


def _grouped(text: str, decimal: DecimalSign) -> Decimal | None:
    """The number, if its digits stand together or in groups of three, or of two as in India."""
    whole, _, fraction = text.partition(decimal)
    digits = whole.lstrip("+-")
    if len(whole) - len(digits) > 1 or not re.fullmatch(r"\d{0,30}(?:[eE][+-]?\d{1,3})?", fraction, re.ASCII):
        return None
    for mark in ("", *_SPACES, *_MARKS, "," if decimal == "." else "."):
        western = rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}}){{1,9}}" if mark else r"\d{1,30}"
        if re.fullmatch(western, digits, re.ASCII) or (
            mark == "," and re.fullmatch(r"[1-9]\d?(?:,\d\d){1,12},\d{3}", digits, re.ASCII)
        ):
            sign = "-" if whole.startswith("-") else ""
            together = digits.replace(mark, "") if mark else digits
            return Decimal(f"{sign}{together}.{fraction}" if fraction else f"{sign}{together}")
    return None
