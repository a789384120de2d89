"""The value of a foreign record as a document that a mapping reads: JSON, Avro, text, or a CloudEvent."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import fastavro

from touchstream.schemas.avro_bytes import require_record
from touchstream.schemas.codec import (
    CONFLUENT,
    CONFLUENT_HEADER_BYTES,
    SINGLE_OBJECT,
    SINGLE_OBJECT_HEADER_BYTES,
    Undecodable,
    fingerprint,
    name_twice,
    parse_json,
)
from touchstream.schemas.compatibility import parsed
from touchstream.schemas.registry import SchemaRegistry
from touchstream.schemas.touchpoint import Reason, Refusal
from touchstream.streams.channels.formats import cloudevents

SCHEMA_BYTES_MAX: Final = 1024 * 1024
VALUE: Final = "value"
"""The name under which a text stands in its document."""
_CLOUDEVENT: Final = "ce_"


class MessageFormat(StrEnum):
    """How values are written. AUTO: Avro where a value begins as Avro with a header does, else JSON."""

    AUTO = "auto"
    JSON = "json"
    AVRO = "avro"
    TEXT = "text"


class SchemaError(ValueError):
    """A file of a schema can't be used; the message is one line."""


class ValueUnreadable(ValueError):  # noqa: N818 - it says what happened
    """A value is no document. refusal: what its dead letter says."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.refusal = Refusal(0, reason, detail)


@dataclass(frozen=True)
class AvroSchema:
    """A writer's schema."""

    walked: Any  # as the package avro has parsed it, which `require_record` wants
    read: Any  # as fastavro has

    def document(self, content: bytes) -> Any:
        """A record. Raises ValueUnreadable."""
        try:
            require_record(self.walked, content)
            return fastavro.schemaless_reader(io.BytesIO(content), self.read, None)
        except Exception as error:  # fastavro names no base class
            raise ValueUnreadable(Reason.UNDECODABLE, f"Avro: {error}") from None


def is_binary_cloudevent(headers: Mapping[str, str]) -> bool:
    """Whether the attributes of a CloudEvent stand in the headers. headers: names in small letters."""
    return f"{_CLOUDEVENT}{cloudevents.VERSION}" in headers


def schema_of(file: Path) -> str:
    """The text of a schema's file, which can be used. Raises SchemaError."""
    try:
        with file.open("rb") as opened:
            text = opened.read(SCHEMA_BYTES_MAX).decode("utf-8")
        _avro(text)
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SchemaError(f"{file}: can't be read: {said}") from None
    except ValueUnreadable as error:
        raise SchemaError(f"{file}: {error}") from None
    return text


class Decoder:
    """Reads values.

    registry: knows schemas by number. schema: the text of the one that values without a header were written with, and
    single objects with its fingerprint.
    """

    def __init__(
        self,
        message_format: MessageFormat = MessageFormat.AUTO,
        registry: SchemaRegistry | None = None,
        schema: str | None = None,
    ) -> None:
        if message_format is MessageFormat.AVRO and registry is None and schema is None:
            raise SchemaError("Avro needs --schema FILE.avsc, or a schema registry (TOUCHSTREAM_SCHEMA_REGISTRY_URL)")
        self._format, self._registry, self._schema = message_format, registry, schema
        self._fingerprint = fingerprint(schema) if schema is not None else None

    def documents(self, value: bytes | None, headers: Mapping[str, str]) -> list[Any]:
        """The documents of a record: none of a tombstone, several of a JSON array.

        headers: names in small letters. Raises ValueUnreadable; or RegistryUnavailable, and then nothing is known.
        """
        if is_binary_cloudevent(headers):
            return [cloudevents.of_headers(headers, _CLOUDEVENT, None if value is None else self._read(value))]
        if value is None:
            return []
        read = self._read(value)
        try:
            return [cloudevents.with_data(one) for one in (read if isinstance(read, list) else [read])]
        except Undecodable as error:
            raise ValueUnreadable(Reason.UNDECODABLE, str(error)) from None

    def _read(self, value: bytes) -> Any:
        if self._format is MessageFormat.TEXT:
            try:
                return {VALUE: value.decode("utf-8")}
            except UnicodeDecodeError as error:
                raise ValueUnreadable(Reason.UNDECODABLE, f"no UTF-8: {error}") from None
        if self._format is not MessageFormat.JSON and value.startswith((CONFLUENT, SINGLE_OBJECT)):
            return self._with_header(value)
        if self._format is MessageFormat.AVRO:
            if self._schema is None:
                raise ValueUnreadable(Reason.UNKNOWN_SCHEMA, "it names no schema; give its schema with --schema")
            return _avro(self._schema).document(value)
        return _json(value)

    def _with_header(self, value: bytes) -> Any:
        if value.startswith(SINGLE_OBJECT):
            header = value[len(SINGLE_OBJECT) : SINGLE_OBJECT_HEADER_BYTES]
            if self._schema is None or header != self._fingerprint:
                detail = f"no schema with the fingerprint {header.hex()} is given; give it with --schema"
                raise ValueUnreadable(Reason.UNKNOWN_SCHEMA, detail)
            return _avro(self._schema).document(value[SINGLE_OBJECT_HEADER_BYTES:])
        if self._registry is None:
            if self._format is MessageFormat.AVRO and self._schema is not None:
                return _avro(self._schema).document(value)  # its first field is empty or 0
            detail = "it names a schema by its number, and no schema registry is set (TOUCHSTREAM_SCHEMA_REGISTRY_URL)"
            raise ValueUnreadable(Reason.UNKNOWN_SCHEMA, detail)
        number = int.from_bytes(value[len(CONFLUENT) : CONFLUENT_HEADER_BYTES], "big", signed=True)
        text = None if number < 0 or len(value) < CONFLUENT_HEADER_BYTES else self._registry.schema(number)
        if text is None:
            raise ValueUnreadable(Reason.UNKNOWN_SCHEMA, f"the schema registry knows no schema number {number}")
        return _avro(text).document(value[CONFLUENT_HEADER_BYTES:])


def _json(value: bytes) -> Any:
    try:
        document = parse_json(value)
    except Undecodable as error:
        raise ValueUnreadable(Reason.UNDECODABLE, f"JSON: {error}") from None
    twice = name_twice(value)
    if twice is not None:
        raise ValueUnreadable(twice.reason, twice.detail)
    return document


@lru_cache(maxsize=256)
def _avro(text: str) -> AvroSchema:
    """Raises ValueUnreadable for what is no schema of Avro's."""
    try:
        return AvroSchema(parsed(text), fastavro.parse_schema(_document(text), named_schemas={}))
    except Exception as error:  # both packages have errors of many kinds
        raise ValueUnreadable(Reason.UNKNOWN_SCHEMA, f"its schema is no Avro schema: {error}") from None


def _document(text: str) -> Any:
    return parse_json(text.encode())
