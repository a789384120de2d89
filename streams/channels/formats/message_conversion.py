"""Foreign messages become the fields of touchpoint events, as a `MessageMapping` says. Pure.

Each event is judged by itself: one that can't be converted is declined with a reason, and takes no other along.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from touchstream.schemas.touchpoint import Reason, shown
from touchstream.streams.channels.formats.amounts import Amounts, ValueRefused
from touchstream.streams.channels.formats.conversion import Convert, converter, prefixed, text_of, time_of
from touchstream.streams.channels.formats.mapping import ATTRIBUTE_PREFIX, Times
from touchstream.streams.channels.formats.message_mapping import (
    ELEMENTS_MAX,
    ITEM,
    REQUEST,
    Condition,
    EventRule,
    FieldValue,
    MessageMapping,
    When,
)
from touchstream.streams.channels.formats.paths import Path, path

HASH_HEX_DIGITS: Final = 32
_SKEW_MS_MAX: Final = 366 * 86_400_000
"""A device clock that is further off says nothing of when its events happened."""


@dataclass(frozen=True)
class Converted:
    """An event of a message: field to JSON value. rule: which made it."""

    rule: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Declined:
    """An event that a rule wanted to make of a message, and couldn't."""

    rule: str
    reason: Reason
    detail: str


@dataclass(frozen=True)
class NoEvent:
    """A message that is no event, and why."""

    why: str


Outcome = Converted | Declined | NoEvent


class MessageConverter:
    """Makes events of messages by a mapping. One for a file, a source or a topic."""

    def __init__(self, mapping: MessageMapping) -> None:
        self._mapping = mapping
        self._skips = [(_Conditions(one.when), one.why) for one in mapping.skip]
        self._rules = [_RuleConverter(rule, mapping) for rule in mapping.events]

    @property
    def source(self) -> str | None:
        """The space of ids that the mapping declares."""
        return self._mapping.source

    @property
    def notes(self) -> list[str]:
        """What was read otherwise than the mapping has it."""
        return list(dict.fromkeys(note for rule in self._rules for note in rule.amounts.notes.values()))

    def messages(self, document: Any) -> list[Any]:
        """The messages of a document, each with what it inherits. Raises ValueRefused for more than ELEMENTS_MAX."""
        if self._mapping.messages is None:
            return [document]
        where = self._mapping.messages
        if path(where.each).root not in (document if isinstance(document, Mapping) else ()):
            return [document]  # a single message, at a door that takes both
        found = path(where.each).value(document)
        if len(found) > ELEMENTS_MAX:
            detail = f"{len(found)} messages in one document; send at most {ELEMENTS_MAX}"
            raise ValueRefused(Reason.TOO_LARGE, detail)
        inherited = {name: document[name] for name in where.inherit if name in document}
        return [{**inherited, **one} if isinstance(one, Mapping) else one for one in found]

    def outcomes(self, message: Any, request: Mapping[str, Any] | None = None) -> list[Outcome]:
        """What becomes of one message; never empty. request: as `each_outcome` takes it."""
        return list(self.each_outcome(message, request))

    def each_outcome(self, message: Any, request: Mapping[str, Any] | None = None) -> Iterator[Outcome]:
        """The same, one by one: a message may become ten thousand events, and they take their time.

        request: what the door knows besides, by name: `received_at` (ms since 1970), `type`.
        """
        if not isinstance(message, Mapping):
            yield Declined("", Reason.WRONG_TYPE, f"a message is an object, not {shown(message)}")
            return
        roots = {REQUEST: request or {}}
        for conditions, why in self._skips:
            if conditions.hold(message, roots):
                yield NoEvent(why)
                return
        nothing = True
        for rule in self._rules:
            for outcome in rule.outcomes(message, roots):
                nothing = False
                yield outcome
        if nothing:
            yield NoEvent("no rule is for it")


class _RuleConverter:
    def __init__(self, rule: EventRule, mapping: MessageMapping) -> None:
        self._name = rule.name
        self._conditions = _Conditions(rule.when)
        self._each = path(rule.each) if rule.each else None
        self.amounts = Amounts.of(mapping.amounts, mapping.decimal)
        self._fields = [(field, _FieldConverter(field, value, mapping)) for field, value in rule.fields.items()]
        self._source = mapping.source

    def outcomes(self, message: Any, roots: Mapping[str, Any]) -> Iterator[Outcome]:
        if not self._conditions.hold(message, roots):
            return
        if self._each is None:
            yield self._outcome(message, roots)
            return
        elements = self._each.value(message)
        if len(elements) > ELEMENTS_MAX:
            detail = f"{len(elements)} elements in {self._each.text}; a message has at most {ELEMENTS_MAX}"
            yield Declined(self._name, Reason.TOO_LARGE, detail)
            return
        for element in elements:
            yield self._outcome(message, {**roots, ITEM: element})

    def _outcome(self, message: Any, roots: Mapping[str, Any]) -> Outcome:
        event: dict[str, Any] = {}
        try:
            for field, convert in self._fields:
                value = convert.value(message, roots)
                if value is None or value == "":
                    continue
                if field.startswith(ATTRIBUTE_PREFIX):
                    event.setdefault("attributes", {})[field.removeprefix(ATTRIBUTE_PREFIX)] = value
                else:
                    event[field] = value
            if "revenue_minor" in event:
                amount = self.amounts.minor_units(event.pop("revenue_minor"), event.get("currency"))
                event |= {} if amount is None else {"revenue_minor": amount}
        except ValueRefused as error:
            return Declined(self._name, error.reason, error.detail)
        if self._source is not None:
            event.setdefault("source", self._source)
        return Converted(self._name, event)


class _FieldConverter:
    """One field of a rule."""

    def __init__(self, field: str, value: FieldValue, mapping: MessageMapping) -> None:
        self._field, self._value = field, value
        self._paths = [path(text) for text in value.path or value.join or value.hash or value.between or ()]
        self._times = _times(value, mapping.time)
        self._skew = (path(value.skew.sent), [path(one) for one in value.skew.received]) if value.skew else None
        self._pattern = _compiled(value.matches)
        factor = Decimal(str(value.factor)) if value.factor is not None else Decimal(1)
        self._convert: Convert = converter(field, self._times, factor, mapping.decimal)
        self._to_time = partial(time_of, field=field, times=self._times)

    def value(self, message: Any, roots: Mapping[str, Any]) -> Any:
        """The field's value, None where there is none. Raises ValueRefused."""
        found = self._found(message, roots)
        if found is None or found == "":
            found = self._value.default
        if found is None:
            return None
        found = self._adapted(found)
        if found is None or found == "":
            return None
        converted = self._convert(found) if self._value.between is None else found
        if self._skew is not None and isinstance(converted, int):
            return converted + self._off_ms(message, roots)
        return converted

    def _found(self, message: Any, roots: Mapping[str, Any]) -> Any:
        value = self._value
        if value.constant is not None:
            return value.constant
        values = [_at(one, message, roots) for one in self._paths]
        if value.path is not None:
            return next((one for one in values if one is not None and one != ""), None)
        if value.between is not None:
            began, ended = (None if one is None else self._to_time(one) for one in values)
            known = isinstance(began, int) and isinstance(ended, int)
            return ended - began if known else None  # type: ignore[operator] # both are, then
        if value.join is not None:
            texts = [text_of(one) for one in values]
            return value.with_.join(texts) if all(isinstance(one, str) and one for one in texts) else None
        if all(one is None for one in values):
            return None
        said = msgspec.json.encode([None if one is None else text_of(one) for one in values], order="deterministic")
        return hashlib.sha256(said).hexdigest()[:HASH_HEX_DIGITS]

    def _adapted(self, found: Any) -> Any:
        value = self._value
        if value.values is not None:
            text = text_of(found)
            known = isinstance(text, str) and text in value.values
            found = value.values[text] if known else value.otherwise if value.otherwise is not None else found
        if found is not None and self._pattern is not None:
            text = text_of(found)
            match = self._pattern.search(text) if isinstance(text, str) else None
            found = (match[1] if match.re.groups else match[0]) if match else None
        if found is not None and value.lower:
            text = text_of(found)
            found = text.lower() if isinstance(text, str) else text
        if found is not None and value.prefix is not None:
            found = prefixed(value.prefix, found)
        return found

    def _off_ms(self, message: Any, roots: Mapping[str, Any]) -> int:
        """By how much the device's clock is behind: what it read when it sent, and when that was received."""
        if self._skew is None:
            return 0
        sent = _at(self._skew[0], message, roots)
        received = next((found for one in self._skew[1] if (found := _at(one, message, roots)) is not None), None)
        if sent is None or received is None:
            return 0
        times = [self._to_time(sent), time_of(received, field=self._field, times=Times())]
        off_ms = times[1] - times[0] if all(isinstance(one, int) for one in times) else 0
        return off_ms if abs(off_ms) <= _SKEW_MS_MAX else 0


class _Conditions:
    def __init__(self, when: When) -> None:
        self._all = [(path(text), condition, _compiled(condition.matches)) for text, condition in when.items()]

    def hold(self, message: Any, roots: Mapping[str, Any]) -> bool:
        return all(_holds(one, pattern, _at(where, message, roots)) for where, one, pattern in self._all)


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return None if pattern is None else re.compile(pattern)


def _holds(condition: Condition, pattern: re.Pattern[str] | None, value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    texts = [text for one in values if isinstance(text := text_of(one), str) and text]
    if condition.exists is not None and condition.exists != (value not in (None, "", [])):
        return False
    if condition.is_ is not None and not any(text in condition.is_ for text in texts):
        return False
    if condition.is_not is not None and any(text in condition.is_not for text in texts):
        return False
    return pattern is None or any(pattern.search(text) for text in texts)


def _at(where: Path, message: Any, roots: Mapping[str, Any]) -> Any:
    return where.value(roots if where.root in roots else message)


def _times(value: FieldValue, default: Times) -> Times:
    """How the value's times are written: what the field says, else what the file says."""
    if value.unit is None and value.format is None and value.zone is None:
        return default
    zone = value.zone or default.zone
    if value.unit is not None:
        return Times(unit=value.unit, zone=zone)
    if value.format is not None:
        return Times(format=value.format, zone=zone)
    return default.model_copy(update={"zone": zone})
