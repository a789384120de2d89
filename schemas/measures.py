"""What panes keep of events: the measures, as the first part of `metrics.yaml` declares them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from touchstream.schemas.definitions import Definition
from touchstream.schemas.touchpoint import DURATION_MS_MAX, MICRO, NUMBERS, SCALES, column_of

MEASURES_MAX: Final = 100
ANSWERS_MAX: Final = 100
"""Answers of a scale that a histogram counts one by one; a longer one wants a sketch."""

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Condition = bool | Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,62}$")]


class Measure(Definition):
    """One column of `stage_panes`. Everything that a pane keeps adds up: over events, panes and groups.

    count: events, with a `field` those that have a value in it. sum: of the field's values, of fractions in millionths.
    histogram: events by answer, over the field's whole scale. sketch: a DDSketch, bucket to events.
    sum_by_currency: an amount's sum in each currency. answers: events by instrument and score, `ID MILLIONTHS`.
    """

    name: FieldName
    kind: Literal["count", "sum", "histogram", "sketch", "sum_by_currency", "answers"]
    field: FieldName | None = None
    """The event's field; only a count can do without."""
    where: Mapping[Literal["counted", "conflicting", "late", "action", "outcome"], Condition] = {}
    """Which events: those with these values. Unless they say otherwise, they are counted ones, no duplicates."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Measure":
        if self.field is None and self.kind != "count":
            raise ValueError(f"a {self.kind} needs the event's field; name it")
        if self.field is not None and self.field not in NUMBERS:
            raise ValueError(f"events have no number {self.field}; there are {', '.join(NUMBERS)}")
        if self.kind == "histogram" and not (NUMBERS[self._field] == "int" and len(self.answers) <= ANSWERS_MAX):
            raise ValueError(f"{self.field} has no short scale of whole answers; take a sketch")
        if self.kind in ("sketch", "sum_by_currency") and NUMBERS[self._field] != "long":
            raise ValueError(f"a {self.kind} is made of whole numbers; {self.field} has none")
        if self.kind == "sketch" and not (SCALES[self._field][0] >= 0 and SCALES[self._field][1] <= DURATION_MS_MAX):
            raise ValueError(f"a sketch has room for values of 0 to {DURATION_MS_MAX}; {self.field} can have others")
        if self.kind == "answers" and self.field != "score":
            raise ValueError(f"answers are scores; {self.field} is none")
        if self.kind in ("histogram", "sketch", "answers") and self.where:
            raise ValueError(f"a {self.kind} is made of all counted events; leave out where")
        return self

    @property
    def _field(self) -> str:
        return self.field or ""

    @property
    def column(self) -> str:
        """The column of measured events that holds the field, as integers; empty without a field."""
        return column_of(self.field) if self.field else ""

    @property
    def answers(self) -> range:
        """The answers that a histogram counts, in its order."""
        low, high = SCALES[self._field]
        return range(low, high + 1)

    @property
    def unit(self) -> int:
        """By how much a sum is larger than the sum of the values: fractions are summed in millionths."""
        return MICRO if self.field and NUMBERS[self.field] == "double" else 1

    @property
    def of_duplicates(self) -> bool:
        """Whether it counts events that leave no raw event behind."""
        return self.where.get("counted") is False or "conflicting" in self.where


@dataclass(frozen=True)
class AnswerCounts:
    """The answers to one instrument, as a histogram: part of the measure of kind `answers`. micro: each, ascending."""

    instrument: str
    micro: Sequence[int]

    @property
    def name(self) -> str:
        """What statistics call it."""
        return f"{self.instrument}_counts"

    @property
    def quantum(self) -> int:
        """The largest number of millionths of which every answer is a multiple: the unit in which they add up."""
        return gcd(*self.micro) or 1

    @property
    def answers(self) -> tuple[int, ...]:
        """The answers in that unit, ascending."""
        return tuple(one // self.quantum for one in self.micro)

    @property
    def keys(self) -> tuple[str, ...]:
        """Under which names panes count them."""
        return tuple(f"{self.instrument} {one}" for one in self.micro)

    @property
    def column(self) -> str:
        """An event's answer in that unit, as SQL."""
        return f"intDiv(score_micro, {self.quantum})"

    @property
    def condition(self) -> str:
        """Whether an event answers it, as SQL."""
        return f"instrument = '{self.instrument}'"


class Computed(Definition):
    """How a metric is made of measures: one of these forms, or a formula that is written in SQL.

    count: the measure's sum over panes. by_currency: the same, for each currency. sum and n: their quotient.
    sketch and percent: the quantile, within 1 %. formula: the measures that `metrics_of_sums.sql` makes it of.
    """

    count: FieldName | None = None
    by_currency: FieldName | None = None
    sum: FieldName | None = None
    n: FieldName | None = None
    sketch: FieldName | None = None
    percent: Annotated[int, Field(gt=0, lt=100)] | None = None
    formula: tuple[FieldName, ...] = ()

    @model_validator(mode="after")
    def _is_one_form(self) -> "Computed":
        given = {name for name in Computed.model_fields if getattr(self, name)}
        if given not in ({"count"}, {"by_currency"}, {"sum", "n"}, {"sketch", "percent"}, {"formula"}):
            raise ValueError("give count, or by_currency, or sum and n, or sketch and percent, or formula")
        return self

    @property
    def measures(self) -> Mapping[str, str]:
        """The measures that it rests on, each with the kind that it has to be of ('' for any)."""
        one = {self.count: "count", self.by_currency: "sum_by_currency", self.sum: "sum", self.n: "count"}
        named = {name: kind for name, kind in one.items() if name is not None}
        return named | ({self.sketch: "sketch"} if self.sketch else {}) | dict.fromkeys(self.formula, "")


class Statistic(Definition):
    """What a metric with an interval is made of, answer by answer, so that each person's answers can be put together.

    share and of: events of some counts among those of others. histogram and top: the share of answers from `top` on;
    with `bottom` too, less the share of those up to it. histogram alone: the mean answer. sum and n: a mean.
    sketch and percent: a quantile. low: good answers are those up to `top`.
    """

    share: tuple[FieldName, ...] = ()
    of: tuple[FieldName, ...] = ()
    histogram: FieldName | None = None
    top: int | None = None
    bottom: int | None = None
    low: bool = False
    sum: FieldName | None = None
    n: FieldName | None = None
    sketch: FieldName | None = None
    percent: Annotated[int, Field(gt=0, lt=100)] | None = None

    @model_validator(mode="after")
    def _is_one_form(self) -> "Statistic":
        given = {name for name in Statistic.model_fields if name != "low" and getattr(self, name) not in (None, ())}
        forms = (
            {"share", "of"}, {"histogram"}, {"histogram", "top"}, {"histogram", "top", "bottom"}, {"sum", "n"},
            {"sketch", "percent"},
        )  # fmt: skip
        if given not in forms:
            raise ValueError(
                "give share and of, or histogram (with top, or top and bottom), or sum and n, or sketch and percent"
            )
        return self

    @property
    def kind(self) -> Literal["share", "net_share", "mean", "quantile"]:
        """Which formula its interval has."""
        if self.sketch:
            return "quantile"
        if self.sum or (self.histogram and self.top is None):
            return "mean"
        return "net_share" if self.bottom is not None else "share"

    @property
    def measures(self) -> Mapping[str, str]:
        """The measures that it rests on, each with the kind that it has to be of ('' for any)."""
        one = {self.histogram: "histogram", self.sum: "", self.n: "count", self.sketch: "sketch"}
        return dict.fromkeys((*self.share, *self.of), "count") | {name: kind for name, kind in one.items() if name}
