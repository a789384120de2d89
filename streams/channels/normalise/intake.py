"""A foreign record becomes records of the topic of events: its events, and what is kept of what was refused. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from touchstream.schemas.scales import Scales
from touchstream.schemas.touchpoint import FUTURE_LIMIT_MS, Refusal, Touchpoint
from touchstream.schemas.void_ids import VoidIds
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.formats.amounts import ValueRefused
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_intake import MessageIntake
from touchstream.streams.channels.judged import Record, Terms, refused_record
from touchstream.streams.channels.normalise.decoding import Decoder, ValueUnreadable, is_binary_cloudevent

TOMBSTONE: Final = "it has no value (a tombstone)"
SENT_BY_PREFIX: Final = "topic/"
"""Before the name of the foreign topic in `sent_by`: no API key can have such a name."""


@dataclass(frozen=True)
class ForeignRecord:
    """A record of the foreign topic. log_id: which log of that name it is; timestamp_ms: −1 where it has none."""

    log_id: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass
class Normalised:
    """What became of a foreign record. records: in their order. outcomes: events by `accepted` or reason of refusal."""

    records: list[Record] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


class RecordIntake:
    """Makes events of the records of one topic. void_ids: what is no id. scales: of declared instruments."""

    def __init__(
        self,
        topic: str,
        converter: MessageConverter,
        decoder: Decoder,
        encoder: Encoder,
        void_ids: VoidIds,
        scales: Scales | None = None,
    ) -> None:
        self._topic, self._converter, self._decoder = topic, converter, decoder
        self._encoder, self._void_ids, self._scales = encoder, void_ids, scales

    def normalised(self, record: ForeignRecord, now_ms: int) -> Normalised:
        """Its events. now_ms: what "the future" is ahead of. Raises RegistryUnavailable: ask again later."""
        headers = {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        received_at = record.timestamp_ms if 0 < record.timestamp_ms <= now_ms + FUTURE_LIMIT_MS else now_ms
        sent_by = f"{SENT_BY_PREFIX}{self._topic}"
        terms = Terms(sent_by=sent_by, void_ids=self._void_ids, received_at=received_at, scales=self._scales)
        request = self._request(record, headers, received_at)
        id_of = partial(_id_of, f"{record.log_id}/{record.partition}/{record.offset}", Counter())
        intake = MessageIntake(self._converter, self._encoder, now_ms, terms, request, id_of)
        self._add(intake, record.value, headers)
        found = Normalised(skipped=intake.found.skipped)
        judged = intake.found.judged
        origin = f"{self._topic}/{record.partition}/{record.offset}"
        found.records += judged.records
        found.outcomes["accepted"] = len(judged.records)
        for refused, text in zip(judged.refused, judged.refused_texts, strict=True):
            found.records.append(refused_record(refused, text, terms.sent_by, origin))
            found.outcomes[refused.reason.value] += 1
        return found

    def _add(self, intake: MessageIntake, value: bytes | None, headers: dict[str, str]) -> None:
        raw = value or b""
        try:
            documents = self._decoder.documents(value, headers)
        except ValueUnreadable as error:
            intake.refuse(error.refusal, raw)
            return
        if not documents:
            intake.found.skipped[TOMBSTONE] += 1
        index = 0
        for document in documents:
            try:
                messages = self._converter.messages(document)
            except ValueRefused as error:
                intake.refuse(Refusal(index, error.reason, error.detail), raw)
                continue
            alone = len(documents) == len(messages) == 1 and not is_binary_cloudevent(headers)
            for message in messages:
                intake.add(message, index, raw if alone else _text(message, raw))
                index += 1

    def _request(self, record: ForeignRecord, headers: dict[str, str], received_at: int) -> dict[str, Any]:
        return {
            "received_at": received_at,
            "topic": self._topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": None if record.key is None else record.key.decode("utf-8", "replace"),
            "headers": headers,
        }


def _id_of(origin: str, earlier: Counter[str], _event: Touchpoint, rule: str) -> str:
    """Which event of which record it is: reading the record again makes the same id."""
    number = earlier[rule]
    earlier[rule] += 1
    return f"{origin}/{rule}/{number}" if number else f"{origin}/{rule}"


def _text(message: Any, raw: bytes) -> bytes:
    try:
        return msgspec.json.encode(message)
    except (TypeError, OverflowError, UnicodeEncodeError):
        return raw
