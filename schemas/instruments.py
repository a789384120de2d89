"""What customers are asked, as `instruments.yaml` declares it: scales, and the metrics that answers become.

Panes keep how often each answer was given, so that what is made of them can be declared anew at any time; scales decide
which events are refused, and are part of a lane's definitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from touchstream.schemas.definitions import Definition, DefinitionError, Finding, Source, model_of, read_source
from touchstream.schemas.measures import AnswerCounts
from touchstream.schemas.scales import BUILT_IN_IDS, Scale, Scales
from touchstream.schemas.touchpoint import MICRO, SCORE_MAX

INSTRUMENTS_MAX: Final = 64
"""Declared ones: each is a metric or more of every group, and an answer or more of every pane."""
ANSWERS_MAX: Final = 101
"""Answers of a scale, such as 0 to 100: each is counted apart."""
_STEPS_MAX: Final = 1_000_000
"""Highest answer in the unit of all of them, so that squares add up within 64 bits."""
DEFAULT_FILE: Final = Path(__file__).with_name("instruments.yaml")

InstrumentId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Category = Literal["quality", "satisfaction", "effort", "loyalty", "advocacy"]
Made = Literal["mean", "top_box", "net"]
Score = Annotated[float, Field(ge=-SCORE_MAX, le=SCORE_MAX, allow_inf_nan=False)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200)]


@dataclass(frozen=True)
class _Kind:
    """What an instrument of a kind has where it says nothing else; None: it has to say so."""

    lowest: float | None
    highest: float | None
    top_box: float | None
    becomes: tuple[Made, ...]
    category: Category = "satisfaction"


_KINDS: Final[Mapping[str, _Kind]] = {
    "nps": _Kind(0, 10, 9, ("net",), "advocacy"),
    "csat": _Kind(1, 5, 4, ("top_box", "mean")),
    "ces": _Kind(1, 7, 5, ("mean", "top_box"), "effort"),
    "stars": _Kind(1, 5, 4, ("mean", "top_box")),
    "thumbs": _Kind(0, 1, 1, ("top_box",)),
    "good_bad": _Kind(0, 1, 1, ("top_box",)),
    "smiley": _Kind(1, 3, 3, ("top_box", "mean")),
    "scale": _Kind(None, None, None, ("mean",)),
}
_SUFFIXES: Final[Mapping[Made, str]] = {"mean": "_mean", "top_box": "_top", "net": "_net"}


class Instrument(Definition):
    """One question and its scale. The first of `becomes` is the metric `id`; others have a suffix behind it."""

    id: InstrumentId
    kind: Literal["nps", "csat", "ces", "stars", "thumbs", "good_bad", "smiley", "scale"]
    lowest: Score | None = None
    highest: Score | None = None
    step: Annotated[float, Field(gt=0, le=SCORE_MAX, allow_inf_nan=False)] = 1.0
    """The distance from one answer to the next."""
    direction: Literal["higher", "lower"] = "higher"
    """Which way is better."""
    top_box: Score | None = None
    """The worst answer that counts as good."""
    becomes: Annotated[tuple[Made, ...], Field(max_length=3)] = ()
    """mean: on its own scale. top_box: good answers of all, in per cent. net: good ones less those that are bad."""
    category: Category | None = None
    label: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    owner: Words | None = None
    target: float | None = None
    """What its first metric is held to."""
    n_min: Annotated[int, Field(ge=0)] = 30
    page: bool = True
    """Whether the page shows its first metric among the figures of each stage."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.lowest is None or self.highest is None) and _KINDS[self.kind].lowest is None:
            raise ValueError("a scale needs its lowest and its highest answer")
        scale = self.scale
        if scale.lowest >= scale.highest:
            raise ValueError("the lowest answer is not below the highest")
        if not scale.step or (scale.highest - scale.lowest) % scale.step:
            raise ValueError("the highest answer is no whole number of steps above the lowest, in millionths")
        if len(scale.answers) > ANSWERS_MAX:
            raise ValueError(f"it has {len(scale.answers)} answers, and may have {ANSWERS_MAX}; take a wider step")
        self._check_metrics(scale)
        return self

    def _check_metrics(self, scale: Scale) -> None:
        if max(map(abs, self.counts.answers)) > _STEPS_MAX:
            raise ValueError("its answers have too many decimals in common; take a coarser step")
        if len(set(self.metrics)) < len(self.metrics):
            raise ValueError("becomes says something twice")
        if "net" in self.metrics and (self.kind != "nps" or self.direction == "lower" or self.scale != _NPS(self.id)):
            raise ValueError("net is for instruments of kind nps, whose scale is 0 to 10")
        if "top_box" in self.metrics and (self.good is None or len(self.good) in (0, len(scale.answers))):
            raise ValueError("top_box has to be an answer that parts good ones from others")

    @property
    def scale(self) -> Scale:
        """Its answers."""
        kind = _KINDS[self.kind]
        low = kind.lowest if self.lowest is None else self.lowest
        high = kind.highest if self.highest is None else self.highest
        return Scale(self.id, _micro(low or 0), _micro(high or 0), _micro(self.step))

    @property
    def counts(self) -> AnswerCounts:
        """How often each answer was given, as panes keep it."""
        return AnswerCounts(self.id, self.scale.answers)

    @property
    def metrics(self) -> tuple[Made, ...]:
        """What it becomes, the first under its own name."""
        return self.becomes or _KINDS[self.kind].becomes

    def metric(self, made: Made) -> str:
        """The name of a metric that it becomes."""
        return self.id if made == self.metrics[0] else self.id + _SUFFIXES[made]

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it becomes, its response rate, and its histogram."""
        return (*map(self.metric, self.metrics), f"{self.id}_response_rate", self.counts.name)

    @property
    def good(self) -> tuple[int, ...] | None:
        """The answers that count as good, in millionths, ascending; None where it has no top box."""
        box, kind = self.top_box, _KINDS[self.kind]
        as_usual = self.lowest in (None, kind.lowest) and self.highest in (None, kind.highest)
        if box is None and as_usual and self.direction == "higher":
            box = kind.top_box
        if box is None or _micro(box) not in self.scale.answers:
            return None
        sign = 1 if self.direction == "higher" else -1
        return tuple(one for one in self.scale.answers if sign * one >= sign * _micro(box))

    @property
    def measured_category(self) -> Category:
        """What its metrics are about."""
        return self.category or _KINDS[self.kind].category


def _micro(number: float) -> int:
    return round(number * MICRO)


def _NPS(name: str) -> Scale:  # noqa: N802 - a scale's name
    return Scale(name, 0, 10 * MICRO)


class InstrumentsFile(Definition):
    """All of `instruments.yaml`. `format` is the version of the file's form, not of its content."""

    format: Literal[1]
    instruments: Annotated[tuple[Instrument, ...], Field(max_length=INSTRUMENTS_MAX + len(BUILT_IN_IDS))] = ()


class Instruments:
    """The instruments that a file declares, in its order, beside those that always exist."""

    def __init__(self, text: str, name: str = "instruments.yaml") -> None:
        """Raises DefinitionError, with the line of each error; `name` is the file's name in it."""
        self._source = read_source(text, name)
        found = model_of(InstrumentsFile, self._source).instruments
        if errors := list(_clashes(self._source, found)):
            raise DefinitionError(*errors)
        self.declared = tuple(one for one in found if one.id not in BUILT_IN_IDS)

    @classmethod
    def load(cls, path: Path = DEFAULT_FILE) -> Self:
        """Reads a file. Raises DefinitionError, OSError."""
        try:
            return cls(path.read_text(encoding="utf-8"), path.name)
        except UnicodeDecodeError as error:
            raise DefinitionError(Source(path.name, None, {}).error((), f"is not in UTF-8: {error}")) from error

    @classmethod
    def of(cls, *declared: Instrument) -> Self:
        """These, whatever file they are from."""
        return cls.of_document(one.model_dump(mode="json", exclude_defaults=True) for one in declared)

    @cached_property
    def scales(self) -> Scales:
        """Which answers there are."""
        return Scales.of(one.scale for one in self.declared)

    @property
    def document(self) -> list[dict[str, Any]]:
        """What is declared, as the definitions of lanes hold it."""
        return [one.model_dump(mode="json", exclude_defaults=True) for one in self.declared]

    @classmethod
    def of_document(cls, declared: Iterable[Mapping[str, Any]]) -> Self:
        """Read `document`. Raises DefinitionError."""
        text = json.dumps({"format": 1, "instruments": list(declared)})  # JSON is YAML
        return cls(text, "definitions")

    def check(self) -> list[Finding]:
        """What is left open: instruments without an owner or a target."""
        places = {item["id"]: at for at, item in enumerate(self._source.content.get("instruments", ()))}
        gaps = []
        for one in self.declared:
            for key in ("owner", "target"):
                if getattr(one, key) is None:
                    message = (
                        f"{one.id} has no {key}; name one"
                        if key == "owner"
                        else f"{one.id} has no target; say what is good"
                    )
                    gaps.append(self._source.gap(("instruments", places[one.id]), message))
        return gaps

    def error(self, instrument: Instrument, message: str) -> Finding:
        """An error at an instrument."""
        ids = [item["id"] for item in self._source.content["instruments"]]
        return self._source.error(("instruments", ids.index(instrument.id)), message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instruments) and self.declared == other.declared

    def __hash__(self) -> int:
        return hash(self.declared)


def _clashes(source: Source, found: tuple[Instrument, ...]) -> Iterator[Finding]:
    """Names that stand twice, and other scales under the names that always exist."""
    names: set[str] = set()
    for number, one in enumerate(found):
        at = ("instruments", number)
        if one.id in BUILT_IN_IDS:
            if one != Instrument(id=one.id, kind=one.id):  # type: ignore[arg-type]
                yield source.error(at, f"{one.id} always exists, as it is; give this instrument another id")
            taken = {one.id}
        else:
            taken = set(one.names)
        if twice := names & taken:
            yield source.error(at, f"{min(twice)} stands here again; rename one")
        names |= taken


NONE: Final = Instruments("format: 1\n")
"""Those that always exist, and no others."""
_process = [NONE]


def in_force() -> Instruments:
    """The instruments that this process knows of: what it shows and asks for beside the shipped catalogue."""
    return _process[0]


def put_in_force(instruments: Instruments) -> None:
    """From now on this process knows of these. As definitions switch, so does what is asked; for any thread."""
    if instruments != _process[0]:
        _process[0] = instruments
