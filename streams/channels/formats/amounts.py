"""Amounts of money in minor units, as the row's own currency counts them. Pure."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from touchstream.schemas.currencies import EXPONENTS
from touchstream.schemas.numbers import DecimalSign, NumberReading, Unclear
from touchstream.schemas.numbers import read as read_number
from touchstream.schemas.touchpoint import Reason, shown
from touchstream.streams.channels.formats.mapping import FieldMapping

_WHOLE_TOLERANCE = Decimal("1e-6")  # 0.1 + 0.2 euros is 30.000000000000004 cents, and means 30
_OF_MAJOR_UNITS = frozenset({Decimal(100), Decimal(1000), Decimal(10_000)})
"""Factors that make minor units of a currency's major ones: of euros, dinars, unidades de fomento."""


class ValueRefused(ValueError):  # noqa: N818
    """A row can't become an event: the reason code and what to mend."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Amounts:
    """Converts the column of `revenue_minor`. `notes`: what was read otherwise than the mapping has it, in words."""

    def __init__(self, mapping: FieldMapping | None) -> None:
        self.notes: dict[str, str] = {}
        self._major = mapping is not None and mapping.amounts == "major"
        self._factor = (mapping.factors.get("revenue_minor") if mapping else None) or Decimal(1)
        self._decimal = mapping.decimal if mapping else None

    @classmethod
    def of(cls, amounts: str, decimal: DecimalSign | None) -> Amounts:
        """For amounts in `major` or `minor` units, without a factor."""
        made = cls(None)
        made._major, made._decimal = amounts == "major", decimal
        return made

    def minor_units(self, value: Any, currency: Any) -> Any:
        """A value as a whole number of minor units; what is none stays, for the schema to refuse. Raises ValueRefused.

        currency: what the row says, valid or not; None where it says nothing.
        """
        found = number_of(value, "revenue_minor", self._decimal)
        if not isinstance(found, NumberReading):
            return found
        if found.by_thousands is not None and EXPONENTS.get(currency) != 3:
            raise unclear("revenue_minor", value, found)
        return whole(found.value * self._factor_of(currency))

    def _factor_of(self, currency: Any) -> Decimal:
        exponent = EXPONENTS.get(currency)
        if exponent is None:  # refused for it, by the schema
            return self._factor
        of_currency = Decimal(10) ** exponent
        if self._major or self._factor == of_currency:
            return of_currency
        if self._factor in _OF_MAJOR_UNITS:
            self.notes[currency] = (
                f"factors: revenue_minor is {self._factor}, but a {currency} has {of_currency} minor units: its amounts"
                f" were taken times {of_currency}; say amounts: major"
            )
            return of_currency
        if self._factor != 1 and exponent != 2:
            raise ValueRefused(
                Reason.WRONG_TYPE,
                f"factors: revenue_minor is {self._factor}, which doesn't fit {currency}: it has {exponent} decimals;"
                f" give amounts in {currency} and say amounts: major",
            )
        return self._factor


def number_of(value: Any, field: str, decimal: DecimalSign | None) -> NumberReading | Any:
    """A value read as a number; one that is none is passed on, null where it means nothing. Raises ValueRefused."""
    if isinstance(value, bool) or (isinstance(value, float | Decimal) and not math.isfinite(value)):
        # JSON has no infinity: as a text it is refused, as null it would get lost.
        return None if math.isnan(value) else str(value)
    if isinstance(value, str):
        try:
            return read_number(value, decimal) or value
        except Unclear as error:
            detail = f"{field}: {shown(value)} {error}; {_REMEDY}"
            raise ValueRefused(Reason.WRONG_TYPE, detail) from None
    if isinstance(value, float):
        return NumberReading(Decimal(repr(value)))
    return NumberReading(Decimal(value)) if isinstance(value, int | Decimal) else value


def unclear(field: str, value: Any, found: NumberReading) -> ValueRefused:
    """The refusal of a number that has two readings."""
    both = f"is {found.value} with a decimal point, {found.by_thousands} with points between thousands"
    return ValueRefused(Reason.WRONG_TYPE, f"{field}: {shown(value)} {both}; {_REMEDY}")


def whole(number: Decimal) -> int | float:
    """A number that is as good as whole, as one; another as it is."""
    nearest = number.to_integral_value()
    return int(nearest) if abs(number - nearest) <= _WHOLE_TOLERANCE else float(number)


_REMEDY = 'say in a mapping which it is: decimal: "." or decimal: ","'
