"""Foreign values become the values of canonical JSON events. Pure.

What can't be converted is passed on as it is, so that the schema's own rules refuse it, in their words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from schemas.touchpoint import Reason, shown
from streams.channels.mapping import (
    ATTRIBUTE_PREFIX,
    NUMBER_FIELDS,
    TIME_FIELDS,
    TIME_STYLES,
    WHOLE_FIELDS,
    FieldMapping,
    Times,
)

Convert = Callable[[Any], Any]

# No sane number is longer; Decimal would make gigabytes of 1e999999999.
_NUMBER = re.compile(r"\s*[+-]?\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,3})?\s*", re.ASCII)
_WHOLE_TOLERANCE = Decimal("1e-6")  # 0.1 + 0.2 euros is 30.000000000000004 cents, and means 30


class ValueRefused(ValueError):  # noqa: N818
    """A row can't become an event: the reason code and what to mend."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _Step(NamedTuple):
    """One field of the event: where it comes from and how. `path`: names from outermost to innermost."""

    field: str
    attribute: str | None
    path: tuple[str, ...]
    convert: Convert


class RowConverter:
    """Rows of a file (column → value) become canonical fields (field → JSON value); nulls and empty cells are left out.

    Without a mapping the columns are named as fields, and only types are converted.
    """

    def __init__(self, columns: Sequence[str], mapping: FieldMapping | None) -> None:
        sources = mapping.columns if mapping else {column: column for column in columns}
        self._steps = [_step(field, column, columns, mapping) for field, column in sources.items()]
        self._constants: dict[str, Any] = {}
        for field, constant in mapping.constants.items() if mapping else ():
            step = _step(field, field, (), mapping)
            value = None if constant is None else step.convert(constant)
            if value is not None:
                _put(self._constants, step, value)

    def fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One row's event. Raises ValueRefused."""
        event = self._constants.copy()
        if "attributes" in event:
            event["attributes"] = event["attributes"].copy()
        for step in self._steps:
            value = row.get(step.path[0]) if len(step.path) == 1 else _inner(row, step.path)
            if value is None or value == "":
                continue
            if step.convert is not text_of or type(value) is not str:
                value = step.convert(value)
                if value is None or value == "":
                    continue
            if step.attribute is None and step.field != "attributes":
                event[step.field] = value
            else:
                _put(event, step, value)
        return event


def _step(field: str, column: str, columns: Sequence[str], mapping: FieldMapping | None) -> _Step:
    attribute = field.removeprefix(ATTRIBUTE_PREFIX) if field.startswith(ATTRIBUTE_PREFIX) else None
    path = (column,) if column in columns or not column.strip(".") else tuple(column.split("."))
    return _Step(field, attribute, path, _converter(field, mapping))


def _put(event: dict[str, Any], step: _Step, value: Any) -> None:
    if step.attribute is not None:
        event.setdefault("attributes", {})[step.attribute] = value
    elif step.field == "attributes" and isinstance(value, dict):
        event["attributes"] = value | event.get("attributes", {})
    else:
        event[step.field] = value


def _inner(row: Any, path: Sequence[str]) -> Any:
    """`user.id`: the value of `id` in the object `user`, or of a column that is really called so."""
    if ".".join(path) in row:
        return row[".".join(path)]
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def _converter(field: str, mapping: FieldMapping | None) -> Convert:
    convert = _type_converter(field, mapping)
    table = mapping.values.get(field) if mapping else None
    return convert if table is None else partial(_translated, table, convert)


def _type_converter(field: str, mapping: FieldMapping | None) -> Convert:
    if field in NUMBER_FIELDS:
        factor = mapping.factors.get(field, Decimal(1)) if mapping else Decimal(1)
        comma = mapping is not None and mapping.decimal == ","
        return partial(_number, factor=factor, comma=comma, whole=field in WHOLE_FIELDS)
    if field in TIME_FIELDS:
        return partial(_time, field=field, times=mapping.time if mapping else None)
    if field == "attributes":
        return _attributes
    prefix = mapping.prefixes.get(field) if mapping else None
    return text_of if prefix is None else partial(_prefixed, prefix)


def _prefixed(prefix: str, value: Any) -> Any:
    text = text_of(value)
    return prefix + text if isinstance(text, str) and text else text


def _translated(table: Mapping[str, str | None], convert: Convert, value: Any) -> Any:
    text = text_of(value)
    if isinstance(text, str) and text in table:
        value = table[text]
    return None if value is None else convert(value)


def text_of(value: Any) -> Any:
    """A value as text, spelled as JSON spells it; 17850.0 is 17850 (pandas makes floats of ids). Lists stay lists."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, int | Decimal) else value


def _float_text(value: float) -> str | None:
    if math.isnan(value):
        return None  # pandas writes a missing id so
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueRefused(Reason.UNDECODABLE, f"{shown(value)} is no UTF-8") from None


def _number(value: Any, *, factor: Decimal, comma: bool, whole: bool) -> Any:
    if whole and factor == 1 and type(value) is str and len(value) <= 18 and value.isascii() and value.isdigit():
        return int(value)  # by far the most
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        # JSON has no infinity: as a text it is refused, as null it would get lost.
        return None if math.isnan(value) else str(value)
    spelled = value.replace(",", ".") if comma and isinstance(value, str) and value.count(",") == 1 else value
    if isinstance(value, str) and not _NUMBER.fullmatch(spelled):
        return value
    if not isinstance(value, str | int | float | Decimal):
        return value
    number = Decimal(repr(value) if isinstance(value, float) else spelled) * factor
    if not whole:
        return float(number) if math.isfinite(float(number)) else str(value)
    nearest = number.to_integral_value()
    return int(nearest) if abs(number - nearest) <= _WHOLE_TOLERANCE else float(number)


def _time(value: Any, *, field: str, times: Times | None) -> Any:
    if type(value) is str and len(value) <= 18 and value.isascii() and value.isdigit() and times is None:
        return int(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    zone = times.tzinfo if times else UTC
    if isinstance(value, datetime):
        return milliseconds(value if value.tzinfo else value.replace(tzinfo=zone))
    if isinstance(value, date):
        return milliseconds(datetime.combine(value, time(), tzinfo=zone))
    style = times.format if times else None
    if style is None or style in TIME_STYLES:
        number = _number(value, factor=Decimal(1000 if style == "epoch_s" else 1), comma=False, whole=False)
        if isinstance(number, float):
            return math.floor(number)
        if style != "iso":
            return number  # a text: the codec reads ISO 8601, and refuses the rest
    try:
        moment = datetime.fromisoformat(value) if style == "iso" else datetime.strptime(str(value), style)  # noqa: DTZ007
    except ValueError:
        raise ValueRefused(Reason.WRONG_TYPE, f"{field}: {shown(value)} doesn't fit the time format {style}") from None
    return milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def milliseconds(moment: datetime) -> int:
    """A moment with a zone as milliseconds since 1970 in UTC."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _attributes(value: Any) -> Any:
    """A map or struct of a Parquet file, or an object of JSON: texts, without the nulls."""
    if isinstance(value, list) and all(isinstance(entry, tuple) and len(entry) == 2 for entry in value):
        value = dict(value)
    if not isinstance(value, Mapping):
        return value
    return {str(name): text_of(entry) for name, entry in value.items() if entry is not None}
