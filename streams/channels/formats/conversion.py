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
from uuid import UUID

from touchstream.schemas.numbers import DecimalSign, NumberReading
from touchstream.schemas.times import (
    Unit,
    in_zone,
    is_plausible,
    milliseconds_of,
    moment,
    readings,
    since_epoch,
)
from touchstream.schemas.touchpoint import TIME_MS_MAX, TIME_MS_MIN, Reason, shown
from touchstream.streams.channels.formats.amounts import Amounts, ValueRefused, number_of, unclear, whole
from touchstream.streams.channels.formats.mapping import (
    ATTRIBUTE_PREFIX,
    NUMBER_FIELDS,
    TIME_FIELDS,
    WHOLE_FIELDS,
    FieldMapping,
    Times,
)

Convert = Callable[[Any], Any]

_SHORT_OFFSET = re.compile(r"(?<!\d)([+-])(\d{1,2})(?![\d:])", re.ASCII)  # GMT+2, which strptime doesn't take
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]", re.ASCII)
_UTC_NAMES = ("UTC", "GMT", "Z")
_WHY_CHARS = 200  # Python's errors repeat the whole text


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
        sources = mapping.columns if mapping else {column: column for column in columns if column}
        self._amounts = Amounts(mapping)
        self._steps = [_step(field, column, columns, mapping) for field, column in sources.items()]
        self._constants: dict[str, Any] = {}
        for field, constant in mapping.constants.items() if mapping else ():
            step = _step(field, field, (), mapping)
            value = None if constant is None else step.convert(constant)
            if value is not None:
                _put(self._constants, step, value)
        if mapping and mapping.source is not None:
            self._constants.setdefault("source", mapping.source)

    @property
    def notes(self) -> list[str]:
        """What was read otherwise than the mapping has it."""
        return list(self._amounts.notes.values())

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
        if "revenue_minor" in event:
            amount = self._amounts.minor_units(event.pop("revenue_minor"), event.get("currency"))
            event |= {} if amount is None else {"revenue_minor": amount}
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
    factor = mapping.factors.get(field, Decimal(1)) if mapping else Decimal(1)
    times, decimal = (mapping.time, mapping.decimal) if mapping else (Times(), None)
    convert = converter(field, times, factor, decimal)
    prefix = mapping.prefixes.get(field) if mapping else None
    if prefix is not None and convert is text_of:
        convert = partial(prefixed, prefix)
    table = mapping.values.get(field) if mapping else None
    return convert if table is None else partial(_translated, table, convert)


def converter(field: str, times: Times, factor: Decimal, decimal: DecimalSign | None) -> Convert:
    """What makes a foreign value one of a field's type. It may raise ValueRefused."""
    if field == "revenue_minor":
        return _as_it_is  # until the row's currency is known
    if field in NUMBER_FIELDS:
        return partial(_number, field=field, factor=factor, decimal=decimal)
    if field in TIME_FIELDS:
        return partial(time_of, field=field, times=times)
    return _attributes if field == "attributes" else text_of


def _as_it_is(value: Any) -> Any:
    return value


def prefixed(prefix: str, value: Any) -> Any:
    """A value as text behind a prefix; what is no text, or an empty one, has none."""
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
    return str(value) if isinstance(value, int | Decimal | UUID) else value


def _float_text(value: float) -> str | None:
    if math.isnan(value):
        return None  # pandas writes a missing id so
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueRefused(Reason.UNDECODABLE, f"{shown(value)} is no UTF-8") from None


def _number(value: Any, *, field: str, factor: Decimal, decimal: DecimalSign | None) -> Any:
    if factor == 1 and type(value) is str and len(value) <= 18 and value.isascii() and value.isdigit():
        return int(value)  # by far the most
    found = number_of(value, field, decimal)
    if not isinstance(found, NumberReading):
        return found
    if field == "duration_ms" and found.by_thousands is not None:  # elsewhere thousands are off the scale
        raise unclear(field, value, found)
    number = found.value * factor
    if field in WHOLE_FIELDS:
        return whole(number)
    return float(number) if math.isfinite(float(number)) else str(value)


def time_of(value: Any, *, field: str, times: Times) -> Any:
    """A time as milliseconds since 1970; what is none stays, for the schema to refuse. Raises ValueRefused."""
    if isinstance(value, float) and math.isnan(value):
        return None
    try:
        if isinstance(value, datetime):
            return since_epoch(in_zone(value, times.tzinfo))
        if isinstance(value, date):
            return since_epoch(in_zone(datetime.combine(value, time()), times.tzinfo, whole_day=True))
        if times.format == "iso" and isinstance(value, str) and _ISO_DATE.match(value):
            return since_epoch(moment(value, times.tzinfo))  # by far the most, and no number
        if times.unit_of_numbers or times.format == "iso":
            found = number_of(value, field, None)
            if isinstance(found, NumberReading):
                return _moment_of(found.value, field, times)
        text = text_of(value)
        if times.unit_of_numbers or not isinstance(text, str):
            return value  # the codec refuses it
        return since_epoch(moment(text, times.tzinfo) if times.format == "iso" else _in_format(text, times))
    except ValueRefused:
        raise
    except (ValueError, OverflowError) as error:
        raise ValueRefused(
            Reason.WRONG_TYPE, f"{field}: {shown(value)} is no time: {str(error)[:_WHY_CHARS]}"
        ) from None


def _moment_of(number: Decimal, field: str, times: Times) -> int:
    """A number of the unit that was declared, else of milliseconds, as milliseconds."""
    unit: Unit = times.unit_of_numbers or "milliseconds"
    milliseconds = milliseconds_of(number, unit, times.tzinfo)
    if times.unit_of_numbers and not (is_plausible(milliseconds) and TIME_MS_MIN <= milliseconds <= TIME_MS_MAX):
        detail = f"{field} is {number}; that is {readings(number, unit)}; the mapping says {unit}, mend it or the value"
        raise ValueRefused(Reason.OUT_OF_SCALE, detail)
    return milliseconds


def _in_format(text: str, times: Times) -> datetime:
    """Raises ValueError."""
    style = times.format
    whole_day = not any(part in style for part in ("%H", "%I", "%c", "%X"))
    if "%Z" in style:
        return _named_zone(text, style)
    if "%z" in style:
        text = _SHORT_OFFSET.sub(lambda found: f"{found[1]}{found[2]:0>2}00", text)
    try:
        local = datetime.strptime(text, style)  # noqa: DTZ007  its zone comes next
    except ValueError:
        raise ValueError(f"it doesn't fit the time format {style}") from None
    return in_zone(local, times.tzinfo, whole_day=whole_day)


def _named_zone(text: str, style: str) -> datetime:
    """strptime reads a zone's name and forgets it. Names are of several zones (CST of three): only UTC's are taken."""
    for name in _UTC_NAMES:
        try:
            return datetime.strptime(text, style.replace("%Z", name)).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise ValueError(f"it doesn't fit the time format {style} with UTC or GMT for its zone; offsets (%z) are read, too")


def _attributes(value: Any) -> Any:
    """A map or struct of a Parquet file, or an object of JSON: texts, without the nulls."""
    if isinstance(value, list) and all(isinstance(entry, tuple) and len(entry) == 2 for entry in value):
        value = dict(value)
    if not isinstance(value, Mapping):
        return value
    return {str(name): text_of(entry) for name, entry in value.items() if entry is not None}
