"""`--map MAPPING.yaml`: how the columns of a foreign file become the fields of a touchpoint event."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from touchstream.schemas.numbers import DecimalSign
from touchstream.schemas.times import Unit
from touchstream.schemas.touchpoint import NAME_BYTES_MAX, NUMBERS, WHOLE_NUMBERS, Touchpoint

MAPPING_BYTES_MAX = 1024 * 1024
_UNIT_OF_STYLE: dict[str, Unit] = {"epoch_ms": "milliseconds", "epoch_s": "seconds"}
TIME_STYLES = ("iso", *_UNIT_OF_STYLE)
ATTRIBUTE_PREFIX = "attributes."
WHOLE_FIELDS = frozenset(WHOLE_NUMBERS)
NUMBER_FIELDS = frozenset(NUMBERS)
TIME_FIELDS = frozenset({"occurred_at", "received_at"})
FIELDS = tuple(field.name for field in msgspec.structs.fields(Touchpoint))
TEXT_FIELDS = frozenset(FIELDS) - NUMBER_FIELDS - TIME_FIELDS - {"attributes"}


class MappingError(ValueError):
    """A mapping can't be used; each line of the message is `file:line: what is wrong`."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` where a known name is close, else nothing."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _field(name: str) -> str:
    if name in FIELDS and name != "attributes":
        return name
    if name.startswith(ATTRIBUTE_PREFIX) and len(name) > len(ATTRIBUTE_PREFIX):
        return name
    raise ValueError(f"no such field{nearest(name, FIELDS)}; an attribute is written attributes.NAME")


def _zone(name: str) -> str:
    if name != "UTC" and name not in available_timezones():
        raise ValueError(f"no such time zone{nearest(name, available_timezones())}")
    return name


def _time_format(style: str) -> str:
    sample = datetime(2009, 12, 1, 7, 45, tzinfo=UTC)
    if style in TIME_STYLES:
        return style
    datetime.strptime(sample.strftime(style), style)  # noqa: DTZ007  raises ValueError: '%Q' is a bad directive
    parts = set(re.findall(r"%(.)", style.replace("%%", "")))
    if not parts:
        raise ValueError(f"must be {', '.join(TIME_STYLES)} or a format like %d/%m/%Y %H:%M")
    if not parts & set("YyGcx"):
        raise ValueError("has no year (%Y): all times would be of 1900")
    if "p" in parts and "I" not in parts:
        raise ValueError("has %p, which says nothing without %I: with %H, 2 PM would be read as 2 in the morning")
    return style


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # no LookupError: it is one of texts, as rot13 and zip are not
    except LookupError:
        raise ValueError(
            "no such encoding of texts; windows-1252, iso-8859-15, utf-16 and shift_jis are some"
        ) from None
    return found.name


def _spelled(value: Any) -> Any:
    """A YAML scalar as files spell it: `1: success` and `true: success` mean the texts 1 and true."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


TimeFormat = Annotated[str, AfterValidator(_time_format)]
Zone = Annotated[str, AfterValidator(_zone)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Delimiter = Annotated[str, Field(pattern=r'^[^"\r\n]$')]
FieldName = Annotated[str, AfterValidator(_field)]
Text = Annotated[str, BeforeValidator(_spelled)]
Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)
ByField = dict[FieldName, Value]


class Strict(BaseModel):
    """A part of a mapping file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Times(Strict):
    """How times are written: numbers of a `unit`, or texts in a `format`; `zone` where they don't say it.

    format: `iso`, a format of strptime, or `epoch_ms` and `epoch_s`, which are the units milliseconds and seconds.
    """

    format: TimeFormat = "iso"
    unit: Unit | None = None
    zone: Zone = "UTC"

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.unit is not None and "format" in self.model_fields_set:
            raise ValueError("times are numbers of a unit, or texts in a format; keep one")
        return self

    @property
    def unit_of_numbers(self) -> Unit | None:
        """The unit that was declared."""
        return self.unit or _UNIT_OF_STYLE.get(self.format)

    @property
    def tzinfo(self) -> tzinfo:
        """The zone of times that name none. Of an hour that occurs twice, the first is meant."""
        return UTC if self.zone == "UTC" else ZoneInfo(self.zone)


class FieldMapping(Strict):
    """What `--map` reads. A field is given by a column or a constant, not both; columns that aren't named are left out.

    A column's value goes through `values`, then `prefixes` (texts) or `factors` (numbers; the result must be whole
    for whole-number fields). `amounts: major`: revenue_minor's column has euros or yen, and each row's currency says
    how many minor units one is. `source`: whose ids these are, the space that event ids are unique in.
    """

    columns: ByField[str] = Field(min_length=1)
    constants: ByField[Text | None] = {}
    values: ByField[dict[Text, Text | None]] = {}
    prefixes: ByField[str] = {}
    factors: ByField[Annotated[Decimal, Field(gt=0, lt=10**9)]] = {}
    amounts: Literal["major", "minor"] = "minor"
    time: Times = Times()
    decimal: DecimalSign | None = None
    encoding: Encoding | None = None
    source: Annotated[Text, Field(min_length=1, max_length=NAME_BYTES_MAX)] | None = None
    delimiter: Delimiter | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for field in self.constants:
            if field in self.columns:
                raise ValueError(f"{field} is given by a column and by a constant; keep one")
        for part, fields in (("values", self.values), ("prefixes", self.prefixes), ("factors", self.factors)):
            for field in fields:
                if field not in self.columns:
                    raise ValueError(f"{part}: {field} has no column")
        for field in self.prefixes:
            if field in NUMBER_FIELDS | TIME_FIELDS:
                raise ValueError(f"prefixes: {field} is no text")
        for field in self.factors:
            if field not in NUMBER_FIELDS:
                raise ValueError(f"factors: {field} is no number")
        return self

    @model_validator(mode="after")
    def _says_amounts_once(self) -> Self:
        if self.amounts == "major" and "revenue_minor" in self.factors:
            raise ValueError("amounts: major says all; factors: revenue_minor says it again, or something else")
        return self


def load_mapping(path: Path) -> FieldMapping:
    """Read a mapping of columns. Raises MappingError, which names file and line."""
    return validated(read_document(path), FieldMapping, str(path))


def read_document(path: Path) -> Any:
    """The YAML document of a mapping file, with the lines of its keys. Raises MappingError."""
    try:
        with path.open("rb") as file:
            text = file.read(MAPPING_BYTES_MAX + 1)
    except OSError as error:
        raise MappingError(f"{path}: can't be read: {error.strerror}") from None
    if len(text) > MAPPING_BYTES_MAX:
        raise MappingError(f"{path}: is over {MAPPING_BYTES_MAX} bytes")
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MappingError(f"{path}:{line}: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise MappingError(f"{path}:1: {error}") from None
    if not isinstance(document, Mapping):
        raise MappingError(f"{path}:1: must be a mapping with the key columns, or with format: 2")
    return document


def validated(document: Any, model: type[Model], name: str) -> Model:
    """A document as what it declares. Raises MappingError: each line is `name:line: what is wrong`."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = [
            f"{name}:{_line(document, problem['loc'])}: {_problem(problem, model)}" for problem in error.errors()
        ]
        raise MappingError("\n".join(dict.fromkeys(problems))) from None


def _line(document: Any, location: tuple[int | str, ...]) -> int:
    """The line of the innermost key of a location that the document has."""
    line, node = 1, document
    for key in location:
        if isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            line, node = node.lc.item(key)[0] + 1, node[key]
            continue
        spelled = {str(_spelled(known)): known for known in node} if isinstance(node, Mapping) else {}
        if str(key) not in spelled:
            break
        known = spelled[str(key)]
        line = node.lc.key(known)[0] + 1
        node = node[known]
    return line


def _problem(problem: Any, model: type[BaseModel]) -> str:
    keys = [str(key) for key in problem["loc"] if key != "[key]"]
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"no such key{nearest(keys[-1], _keys_of(model))}"
    return f"{'.'.join(keys)}: {message}" if keys else message


def _keys_of(model: type[BaseModel]) -> set[str]:
    """The keys of a model and of all models that its fields hold."""
    found, waiting = set[str](), [model]
    seen = {model}
    while waiting:
        for name, field in waiting.pop().model_fields.items():
            found.add(field.alias or name)
            for inner in _models_in(field.annotation):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append(inner)
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
