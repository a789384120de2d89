"""`--map MAPPING.yaml`: how the columns of a foreign file become the fields of a touchpoint event."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from schemas.touchpoint import Touchpoint

MAPPING_BYTES_MAX = 1024 * 1024
TIME_STYLES = ("iso", "epoch_ms", "epoch_s")
ATTRIBUTE_PREFIX = "attributes."
WHOLE_FIELDS = frozenset({"duration_ms", "nps", "csat", "ces", "revenue_minor"})
NUMBER_FIELDS = WHOLE_FIELDS | {"sentiment"}
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
    if style not in TIME_STYLES:
        datetime.strptime(sample.strftime(style), style)  # noqa: DTZ007  raises ValueError: '%Q' is a bad directive
        if "%" not in style:
            raise ValueError(f"must be {', '.join(TIME_STYLES)} or a format like %d/%m/%Y %H:%M")
    return style


def _spelled(value: Any) -> Any:
    """A YAML scalar as files spell it: `1: success` and `true: success` mean the texts 1 and true."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


FieldName = Annotated[str, AfterValidator(_field)]
Text = Annotated[str, BeforeValidator(_spelled)]
Value = TypeVar("Value")
ByField = dict[FieldName, Value]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Times(_Strict):
    """How times are written: `iso`, `epoch_ms`, `epoch_s` or a format of strptime; `zone` where they don't say it."""

    format: Annotated[str, AfterValidator(_time_format)] = "iso"
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @property
    def tzinfo(self) -> ZoneInfo:
        """The zone of times that name none. Of an hour that occurs twice, the first is meant."""
        return ZoneInfo(self.zone)


class FieldMapping(_Strict):
    """What `--map` reads. A field is given by a column or a constant, not both; columns that aren't named are left out.

    A column's value goes through `values`, then `prefixes` (texts) or `factors` (numbers; the result must be whole
    for whole-number fields).
    """

    columns: ByField[str] = Field(min_length=1)
    constants: ByField[Text | None] = {}
    values: ByField[dict[Text, Text | None]] = {}
    prefixes: ByField[str] = {}
    factors: ByField[Annotated[Decimal, Field(gt=0, lt=10**9)]] = {}
    time: Times = Times()
    decimal: Literal[".", ","] = "."
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] | None = None

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


def load_mapping(path: Path) -> FieldMapping:
    """Read a mapping. Raises MappingError, which names file and line."""
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
        raise MappingError(f"{path}:1: must be a mapping with the key columns")
    try:
        return FieldMapping.model_validate(document)
    except ValidationError as error:
        problems = [f"{path}:{_line(document, problem['loc'])}: {_problem(problem)}" for problem in error.errors()]
        raise MappingError("\n".join(problems)) from None


def _line(document: Any, location: tuple[int | str, ...]) -> int:
    """The line of the innermost key of a location that the document has."""
    line, node = 1, document
    for key in location:
        spelled = {str(_spelled(known)): known for known in node} if isinstance(node, Mapping) else {}
        if str(key) not in spelled:
            break
        known = spelled[str(key)]
        line = node.lc.key(known)[0] + 1
        node = node[known]
    return line


def _problem(problem: Any) -> str:
    keys = [str(key) for key in problem["loc"] if key != "[key]"]
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"no such key{nearest(keys[-1], (*FieldMapping.model_fields, *Times.model_fields))}"
    return f"{'.'.join(keys)}: {message}" if keys else message
