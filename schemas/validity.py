"""Is what an event says possible? One list of rules, for batches in columns and for single events.

What lies outside its scale is refused, never clipped; in doubt an event is refused rather than counted wrongly. A
rule's form for columns is made of the module `polars` when `schemas.validity_of_columns` asks for it: a channel, which
publishes single events, loads no dataframes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Final

import msgspec

from touchstream.schemas.currencies import EXPONENTS
from touchstream.schemas.scales import ALWAYS, BUILT_IN_IDS, SLACK_MICRO, Scale, Scales
from touchstream.schemas.times import MISTAKEN_MS_MAX, MISTAKEN_MS_MIN, is_plausible, readings
from touchstream.schemas.touchpoint import (
    FUTURE_LIMIT_MS,
    MICRO,
    NAME_BYTES_MAX,
    OUTCOMES,
    SCALES,
    TIME_MS_MAX,
    TIME_MS_MIN,
    Reason,
    Refusal,
    Touchpoint,
    said_of_types,
    shown,
)
from touchstream.schemas.void_ids import DEFAULT_VOID_IDS, VoidIds

if TYPE_CHECKING:
    import polars

OPTIONAL_TEXTS: Final = (
    *("customer_id", "anonymous_id", "stage", "journey", "segment", "outcome", "currency", "source", "sent_by"),
    "instrument",
    "amends",
)
"""An empty one says nothing: it counts as absent, and is null in what is measured."""

_REQUIRED = ("event_id", "channel", "touchpoint", "action")
_NAMES = (*_REQUIRED, *(name for name in OPTIONAL_TEXTS if name not in ("outcome", "currency")))
WORDS: Final = ("action", "outcome", "instrument")
"""Read in any case: `Purchase ` is a purchase."""
AROUND: Final = " \t\r\n\u00a0"
_CURRENCY = f"^(?:{'|'.join(EXPONENTS)})$"
RECORD_AT: Final = "record_at_ms"
"""Column of the record's timestamp, beside those of the event."""


@dataclass(frozen=True)
class ValidityRule:
    """A condition under which an event is refused, for columns and for one event. A missing value breaks none.

    demand: what to mend, given the value. in_columns: given the module `polars`, whether rows break it.
    """

    field: str
    reason: Reason
    demand: Callable[[Any], str]
    in_columns: Callable[[Any], polars.Expr]
    broken_by: Callable[[Touchpoint, int], bool]


def _on(
    field: str,
    reason: Reason,
    demand: str,
    in_column: Callable[[polars.Expr], polars.Expr],
    broken_by: Callable[[Any], bool],
) -> ValidityRule:
    """A rule on one field's value, if there is one."""

    def of_event(event: Touchpoint, _: int) -> bool:
        value = getattr(event, field)
        return value is not None and broken_by(value)

    return ValidityRule(field, reason, lambda _: demand, lambda pl: in_column(pl.col(field)), of_event)


def _at_least(field: str, low: int, reason: Reason, demand: str) -> ValidityRule:
    return _on(field, reason, demand, lambda column: column < low, lambda v: v < low)


def _at_most(field: str, high: int, reason: Reason, demand: str) -> ValidityRule:
    """NaN breaks it too: hence "not at most" rather than "above"."""
    return _on(field, reason, demand, lambda column: ~(column <= high), lambda v: not v <= high)


def _rules(void_ids: VoidIds, answers: Iterator[ValidityRule]) -> Iterator[ValidityRule]:
    for field in _REQUIRED:
        yield _on(field, Reason.MISSING_FIELD, "name it", lambda column: column == "", lambda v: v == "")
    yield from _id_rules(void_ids)
    for field in _NAMES:
        yield _on(
            field,
            Reason.OUT_OF_SCALE,
            f"a name or id has at most {NAME_BYTES_MAX} bytes",
            lambda column: column.str.len_bytes() > NAME_BYTES_MAX,
            lambda v: len(v.encode()) > NAME_BYTES_MAX,
        )
    yield _on(
        "outcome",
        Reason.WRONG_TYPE,
        f"send one of {', '.join(OUTCOMES)}",
        lambda column: reduce(and_, (column != word for word in OUTCOMES)),  # ten times as fast as is_in
        lambda v: v not in OUTCOMES,
    )
    yield from _money_rules()
    for field in SCALES:
        if field != "score":
            yield from _scale_rules(field)
    yield from answers
    yield from _time_rules()


def _scale_rules(field: str) -> Iterator[ValidityRule]:
    low, high = SCALES[field]
    demand = f"the scale is {low} to {high}"
    yield _at_least(field, low, Reason.OUT_OF_SCALE, demand)
    yield _at_most(field, high, Reason.OUT_OF_SCALE, demand)


def _answer_rules(scales: Scales | None) -> Iterator[ValidityRule]:
    """What an instrument and a score have to be. scales: None where it is not known what is declared."""
    yield ValidityRule(
        "score",
        Reason.MISSING_FIELD,
        lambda _: "an instrument without an answer says nothing; send its score, or leave out the instrument",
        lambda pl: pl.col("instrument").is_not_null() & pl.col("score").is_null(),
        lambda event, _: event.instrument is not None and event.score is None,
    )
    yield ValidityRule(
        "instrument",
        Reason.MISSING_FIELD,
        lambda _: "a score means nothing without it; name what was asked",
        lambda pl: pl.col("instrument").is_null() & pl.col("score").is_not_null(),
        lambda event, _: event.instrument is None and event.score is not None,
    )
    yield from _scale_rules("score")
    if scales is not None:
        yield ValidityRule(
            "instrument",
            Reason.WRONG_TYPE,
            scales.advice,
            lambda pl: ~pl.col("instrument").is_in(scales.ids),
            lambda event, _: event.instrument is not None and event.instrument not in scales.ids,
        )
    for scale in scales or ALWAYS:
        yield _on_scale(scale)
    for field in BUILT_IN_IDS:
        yield _one_answer(field)


def _on_scale(scale: Scale) -> ValidityRule:
    def in_columns(pl: Any) -> polars.Expr:
        micro = pl.col("score") * MICRO
        nearest = micro.round()
        is_answer = (
            nearest.is_between(scale.lowest, scale.highest)
            & ((nearest - scale.lowest) % scale.step == 0)
            & ((micro - nearest).abs() <= SLACK_MICRO)
        )
        broken: polars.Expr = (pl.col("instrument") == scale.id) & ~is_answer
        return broken

    def broken_by(event: Touchpoint, _: int) -> bool:
        return event.instrument == scale.id and event.score is not None and not scale.has(event.score)

    demand = f"the scale of {scale.id} is {scale}"
    return ValidityRule("score", Reason.OUT_OF_SCALE, lambda _: demand, in_columns, broken_by)


def _one_answer(field: str) -> ValidityRule:
    """An answer that stands in an event twice, once in its field, is the same one."""
    return ValidityRule(
        "score",
        Reason.WRONG_TYPE,
        lambda _: f"the event's {field} says something else; send the answer once",
        lambda pl: (pl.col("instrument") == field) & (pl.col("score").round() != pl.col(field)),
        lambda event, _: event.instrument == field and getattr(event, field) not in (None, round(event.score or 0)),
    )


def _id_rules(void_ids: VoidIds) -> Iterator[ValidityRule]:
    demand = "that is no id, but what programs write for none; send the id that was meant, or leave the field out"
    yield ValidityRule(
        "customer_id",
        Reason.NO_CUSTOMER,
        lambda _: "send it or an anonymous_id",
        lambda pl: pl.col("customer_id").is_null() & pl.col("anonymous_id").is_null(),
        lambda event, _: event.customer_id is None and event.anonymous_id is None,
    )
    for field in ("customer_id", "anonymous_id"):
        yield _on(
            field,
            Reason.NO_CUSTOMER,
            demand,
            lambda column: column.str.contains(void_ids.persons),
            lambda v: not void_ids.is_person(v),
        )
    demand = "that is no id, and all events that carry it would count as one; send the one that was meant"
    yield _on(
        "event_id",
        Reason.MISSING_FIELD,
        demand,
        lambda column: column.str.contains(void_ids.events),
        lambda v: not void_ids.is_event(v),
    )
    yield _on(
        "amends",
        Reason.MISSING_FIELD,
        "that is no id of an event; send that of the answer's first version, or leave the field out",
        lambda column: column.str.contains(void_ids.events),
        lambda v: not void_ids.is_event(v),
    )


def _money_rules() -> Iterator[ValidityRule]:
    yield _on(
        "currency",
        Reason.WRONG_TYPE,
        "send the ISO 4217 code of a currency, such as EUR",
        lambda column: ~column.str.contains(_CURRENCY),
        lambda v: v not in EXPONENTS,
    )
    yield ValidityRule(
        "currency",
        Reason.MISSING_FIELD,
        lambda _: "revenue_minor means nothing without it; send its ISO 4217 code, such as EUR",
        lambda pl: pl.col("currency").is_null() & pl.col("revenue_minor").is_not_null(),
        lambda event, _: event.currency is None and event.revenue_minor is not None,
    )


def _time_rules() -> Iterator[ValidityRule]:
    bounds = {
        "received_at": (Reason.OUT_OF_SCALE, Reason.OUT_OF_SCALE),
        "occurred_at": (Reason.TOO_OLD, Reason.FROM_THE_FUTURE),
    }
    for field, (too_early, too_late) in bounds.items():
        yield _of_time(field, too_early, lambda column: column < TIME_MS_MIN, lambda v: v < TIME_MS_MIN)
        yield _of_time(field, too_late, lambda column: column > TIME_MS_MAX, lambda v: v > TIME_MS_MAX)
    yield _of_time(
        "occurred_at",
        Reason.OUT_OF_SCALE,
        lambda column: column.is_between(MISTAKEN_MS_MIN, MISTAKEN_MS_MAX),
        lambda v: not is_plausible(v),
    )
    yield ValidityRule(
        "occurred_at",
        Reason.FROM_THE_FUTURE,
        lambda _: f"that is more than {FUTURE_LIMIT_MS // 60_000} minutes ahead of its record's timestamp",
        lambda pl: pl.col("occurred_at") - FUTURE_LIMIT_MS > pl.col(RECORD_AT),
        lambda event, record_at_ms: event.occurred_at - FUTURE_LIMIT_MS > record_at_ms,
    )


def _of_time(
    field: str, reason: Reason, in_column: Callable[[polars.Expr], polars.Expr], broken_by: Callable[[Any], bool]
) -> ValidityRule:
    rule = _on(field, reason, "", in_column, broken_by)
    demand = "send milliseconds since 1970, of a year from 1900 to 2299"
    return replace(rule, demand=lambda value: f"that is {readings(value)}; {demand}")


@lru_cache(maxsize=16)
def rules(void_ids: VoidIds, scales: Scales | None = None, *, answered: bool = True) -> tuple[ValidityRule, ...]:
    """The rules in their order: the first that is broken gives the reason.

    void_ids: what is no id. scales: of the instruments that are declared; None where that is not known, and then all
    are taken but those that always exist. answered: False where no event has an instrument or a score.
    """
    return tuple(_rules(void_ids, _answer_rules(scales) if answered else iter(())))


def canonical(event: Touchpoint) -> Touchpoint:
    """A valid event as rows hold it: an empty optional text is null, words are in lower case.

    The answer to an instrument that has a field of its own stands there.
    """
    read, field = _read(event), event.instrument and _as_read(event.instrument)
    scale = ALWAYS.find(field) if field and read.score is not None else None
    if field is None or scale is None or not scale.has(read.score or 0):
        return read
    return msgspec.structs.replace(read, **{field: round(read.score or 0)}, instrument=None, score=None)


def _read(event: Touchpoint) -> Touchpoint:
    words = {name: _as_read(value) for name in WORDS if (value := getattr(event, name)) is not None}
    texts = {name: words.get(name, getattr(event, name)) for name in OPTIONAL_TEXTS}
    changes = words | {name: None for name, value in texts.items() if value == ""}
    changes = {name: value for name, value in changes.items() if value != getattr(event, name)}
    return msgspec.structs.replace(event, **changes) if changes else event


def _as_read(word: str) -> str:
    return word.strip(AROUND).lower()


def check(
    event: Touchpoint, record_at_ms: int, void_ids: VoidIds = DEFAULT_VOID_IDS, scales: Scales | None = None
) -> Refusal | None:
    """The same for one event, types included: why it can't be used, or None."""
    try:
        msgspec.convert(msgspec.structs.asdict(event), Touchpoint)
        msgspec.json.encode(event)
    except msgspec.ValidationError as error:
        return Refusal(0, Reason.WRONG_TYPE, said_of_types(error, msgspec.structs.asdict(event)))
    except UnicodeEncodeError:
        return Refusal(0, Reason.WRONG_TYPE, "a text holds a lone surrogate, which UTF-8 can't; mend its encoding")
    read = _read(event)
    rule = next((rule for rule in rules(void_ids, scales) if rule.broken_by(read, record_at_ms)), None)
    return refusal(rule, 0, getattr(event, rule.field)) if rule else None


def refusal(rule: ValidityRule, position: int, value: object) -> Refusal:
    """What is said of a row or event, at its position in a batch, that breaks a rule by this value."""
    said = "missing" if value is None else shown(value)
    return Refusal(position, rule.reason, f"{rule.field} is {said}; {rule.demand(value)}")
