"""A mapping file of `format: 2`: how foreign messages, nested JSON or rows, become touchpoint events.

One message becomes no, one or several events: each rule of `events` whose `when` holds makes one, or one for each
element of its `each`. What `skip` names is no event and says why. docs/mapping.md has a recipe.
"""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from touchstream.schemas.numbers import DecimalSign
from touchstream.schemas.times import Unit
from touchstream.schemas.touchpoint import NAME_BYTES_MAX
from touchstream.streams.channels.formats.mapping import (
    NUMBER_FIELDS,
    TIME_FIELDS,
    Delimiter,
    Encoding,
    FieldMapping,
    FieldName,
    MappingError,
    Strict,
    Text,
    TimeFormat,
    Times,
    Zone,
    read_document,
    validated,
)
from touchstream.streams.channels.formats.paths import path

RULES_MAX: Final = 200
ELEMENTS_MAX: Final = 10_000
"""Messages of one document, and events of one message."""
REQUEST: Final = "request"
"""The root of paths to what a door knows: `request.received_at` (ms since 1970), `request.type`."""
ITEM: Final = "item"
"""The root of paths into the element of a rule's `each`."""


def _path(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError("must be a path: names with dots between them")  # noqa: TRY004 - pydantic wants a ValueError
    path(text)
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


PathText = Annotated[str, BeforeValidator(_path)]
Paths = Annotated[tuple[PathText, ...], BeforeValidator(_listed), Field(min_length=1, max_length=20)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed), Field(min_length=1, max_length=1_000)]


class Condition(Strict):
    """What a value has to be: all that is given holds. Texts are compared as JSON spells them.

    `is`: one of these texts. `exists`: whether there is a value; null and an empty text are none.
    """

    is_: Annotated[Texts | None, Field(alias="is")] = None
    is_not: Texts | None = None
    exists: bool | None = None
    matches: Annotated[str, AfterValidator(_pattern), Field(max_length=500)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("says nothing: give is, is_not, exists or matches")
        return self


def _condition(value: Any) -> Any:
    return value if isinstance(value, dict | Condition) else {"is": value}


When = dict[PathText, Annotated[Condition, BeforeValidator(_condition)]]


class Skew(Strict):
    """The clock of a device: what it read when it sent, and when that was received by a clock that is right.

    received: the first path that has a value; a file has none, unless its messages say when they were received.
    """

    sent: PathText
    received: Paths = (f"{REQUEST}.received_at",)


class FieldValue(Strict):
    """Where a field's value comes from, and what is done to it, in this order.

    One source: `path` (or several: the first that has a value), `constant`, `join` (texts of several paths), `hash`
    (SHA-256 of the values of several paths, 32 hexadecimal digits) or `between` (milliseconds between two times).
    `default` is the value where there is none. Then `values` (a table; `otherwise` for what isn't in it), `matches`
    (the first group of a regular expression, nothing where it doesn't match), `lower`, `prefix` (texts) or `factor`
    (numbers). `unit`, `format` and `zone` say how a time is written, where it isn't as `time` of the file has it.
    """

    path: Paths | None = None
    constant: Text | None = None
    join: Paths | None = None
    with_: Annotated[str, Field(alias="with", max_length=10)] = "-"
    hash: Paths | None = None
    between: Annotated[tuple[PathText, PathText] | None, Field()] = None
    values: dict[Text, Text | None] | None = None
    otherwise: Text | None = None
    default: Text | None = None
    matches: Annotated[str, AfterValidator(_pattern), Field(max_length=500)] | None = None
    lower: bool = False
    prefix: Annotated[str, Field(max_length=100)] | None = None
    factor: Annotated[float, Field(gt=0, lt=1e9)] | None = None
    unit: Unit | None = None
    format: TimeFormat | None = None
    zone: Zone | None = None
    skew: Skew | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        given = [name for name in ("path", "constant", "join", "hash", "between") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of path, constant, join, hash and between, not {' and '.join(given) or 'none'}")
        if self.otherwise is not None and self.values is None:
            raise ValueError("otherwise says what isn't in values; give values")
        if self.unit is not None and self.format is not None:
            raise ValueError("times are numbers of a unit, or texts in a format; keep one")
        return self


def _value(value: Any) -> Any:
    return {"path": value} if isinstance(value, str | list) else value


class EventRule(Strict):
    """Makes events of a message: one, or one for each element of `each`, whose paths begin with `item`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
    when: When = Field(default_factory=dict)
    each: PathText | None = None
    fields: dict[FieldName, Annotated[FieldValue, BeforeValidator(_value)]] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _fits_its_fields(self) -> Self:
        for field, value in self.fields.items():
            if field not in TIME_FIELDS and (value.unit or value.format or value.zone or value.skew):
                raise ValueError(f"{field} is no time: unit, format, zone and skew say nothing of it")
            if value.factor is not None and field not in NUMBER_FIELDS:
                raise ValueError(f"{field} is no number, so factor says nothing of it")
            if value.factor is not None and field == "revenue_minor":
                raise ValueError("revenue_minor has no factor: say amounts: major, and the currency says how many")
            if value.between is not None and field != "duration_ms":
                raise ValueError(f"{field} is no duration; between gives milliseconds to duration_ms")
        if self.each is not None and not path(self.each).many:
            raise ValueError("each has no [*]: it names a list of elements")
        return self


class Skipped(Strict):
    """Messages that are no events, and why: a heartbeat, a preview, a test."""

    when: When = Field(min_length=1)
    why: Annotated[str, Field(min_length=1, max_length=200)]


class Documents(Strict):
    """Where the messages stand in a document: the elements of `each`, with the envelope's fields in `inherit`."""

    each: PathText
    inherit: Annotated[tuple[str, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _names_a_list(self) -> Self:
        if not path(self.each).many:
            raise ValueError("each has no [*]: it names a list of messages")
        return self


class MessageMapping(Strict):
    """A file of `format: 2`. `source`: the space that event ids are unique in; without one it is the channel."""

    format: Literal[2]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,60}$")]
    description: Annotated[str, Field(max_length=1_000)] = ""
    source: Annotated[Text, Field(min_length=1, max_length=NAME_BYTES_MAX)] | None = None
    amounts: Literal["major", "minor"] = "minor"
    decimal: DecimalSign | None = None
    time: Times = Times()
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    messages: Documents | None = None
    skip: Annotated[tuple[Skipped, ...], Field(max_length=RULES_MAX)] = ()
    events: Annotated[tuple[EventRule, ...], Field(min_length=1, max_length=RULES_MAX)]

    @model_validator(mode="after")
    def _names_rules_once(self) -> Self:
        names = [rule.name for rule in self.events]
        twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
        if twice:
            raise ValueError(f"two rules are called {twice}; name one of them otherwise")
        return self


SHIPPED: Final = FilePath(__file__).with_name("shipped")


def shipped_mappings() -> list[str]:
    """Names of the mappings that come with this version."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def mapping_of(given: str) -> FieldMapping | MessageMapping:
    """The mapping of a file, or the shipped one of a name. Raises MappingError, which names file and line."""
    if given in shipped_mappings():
        return message_mapping(SHIPPED / f"{given}.yaml")
    file = FilePath(given)
    if not file.exists() and file.suffix not in (".yaml", ".yml"):
        raise MappingError(f"{given}: no such file, and no shipped mapping; there are {', '.join(shipped_mappings())}")
    document = read_document(file)
    if document.get("format") == 2:
        return validated(document, MessageMapping, given)
    return validated(document, FieldMapping, given)


def message_mapping(file: FilePath) -> MessageMapping:
    """Read a mapping of messages. Raises MappingError, which names file and line."""
    return validated(read_document(file), MessageMapping, str(file))
