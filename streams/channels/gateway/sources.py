"""The file of sources: systems whose own webhooks the gateway takes, how each signs, and how its messages are mapped.

Read once, at the start. Whatever can't be used is an error: no source is ever taken with less than it asks for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from touchstream.schemas.touchpoint import NAME_BYTES_MAX
from touchstream.streams.channels.formats.mapping import (
    MappingError,
    Strict,
    nearest,
    read_document,
    validated,
)
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_mapping import MessageMapping, mapping_of, shipped_mappings
from touchstream.streams.channels.gateway.signatures import SignatureForm, Verifier
from touchstream.streams.process.settings import SettingsError

SOURCES_MAX: Final = 200
SECRETS_MAX: Final = 5
"""Secrets of one source: the current one, the next, and some that are being withdrawn."""
PROBLEMS_SHOWN: Final = 3
SECRET_FILE_BYTES_MAX: Final = 64 * 1024
_FORMS: Final = Path(__file__).with_name("signatures.yaml")


class SourcesError(SettingsError):
    """The file of sources can't be used; the message is one line that says what to do."""


class SecretPlace(Strict):
    """Where a secret is: a variable of the environment, or a file. Never in the file of sources itself."""

    environment: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,199}$")] | None = None
    file: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.environment is None) == (self.file is None):
            raise ValueError("give environment or file, where the secret is")
        return self


def _place(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("a secret doesn't stand here: say where it is, {environment: NAME} or {file: PATH}")  # noqa: TRY004 - pydantic wants a ValueError
    return value


def _form(value: Any) -> Any:
    """A form by the name of a well-known system, or as it is said."""
    if not isinstance(value, str):
        return value
    form = signature_forms().get(value)
    if form is None:
        raise ValueError(f"no system of this name is known{nearest(value, signature_forms())}; say header, signed, …")
    return form


class SourceEntry(Strict):
    """A source. mapping: a shipped one's name, or a file, from the file of sources' folder.

    signature: how it signs; without one, its requests need an API key. source: the space of its event ids, where that
    is not the mapping's: two shops may both number their orders from 1.
    """

    mapping: Annotated[str, Field(min_length=1, max_length=4_096)]
    signature: Annotated[SignatureForm, BeforeValidator(_form)] | None = None
    secrets: Annotated[tuple[Annotated[SecretPlace, BeforeValidator(_place)], ...], Field(max_length=SECRETS_MAX)] = ()
    source: Annotated[str, Field(min_length=1, max_length=NAME_BYTES_MAX)] | None = None

    @model_validator(mode="after")
    def _has_secrets_for_its_signature(self) -> Self:
        if (self.signature is not None) != bool(self.secrets):
            raise ValueError("signature and secrets belong together: give both, or neither to ask for an API key")
        return self


SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]


class SourcesFile(Strict):
    """The whole file."""

    sources: dict[SourceName, SourceEntry] = Field(min_length=1, max_length=SOURCES_MAX)


class _Forms(Strict):
    forms: dict[str, SignatureForm]


@dataclass(frozen=True)
class WebhookSource:
    """A source that can be taken. verifier: None where an API key is asked for instead."""

    name: str
    converter: MessageConverter
    verifier: Verifier | None

    @property
    def owner(self) -> str:
        """Whose its signed requests are, in rates, dead letters and `sent_by`: no API key can have this name."""
        return f"in/{self.name}"


@cache
def signature_forms() -> dict[str, SignatureForm]:
    """How well-known systems sign."""
    return validated({"forms": read_document(_FORMS)}, _Forms, str(_FORMS)).forms


def read_sources(path: Path, environment: Mapping[str, str] | None = None) -> list[WebhookSource]:
    """The sources of a file, with their secrets. Raises SourcesError, in which no secret is quoted."""
    try:
        entries = validated(read_document(path), SourcesFile, str(path)).sources
    except MappingError as error:
        raise SourcesError(_one_line(error)) from None
    variables = os.environ if environment is None else environment
    return [_source(name, entry, path, variables) for name, entry in entries.items()]


def segment_converter(mapping: str) -> MessageConverter:
    """What makes events of messages on Segment's paths, by a mapping's name or file. Raises SourcesError."""
    return MessageConverter(_message_mapping(mapping, "TOUCHSTREAM_GATEWAY_SEGMENT_MAPPING"))


def _source(name: str, entry: SourceEntry, path: Path, variables: Mapping[str, str]) -> WebhookSource:
    where = f"{path}: sources.{name}"
    given = entry.mapping if entry.mapping in shipped_mappings() else str(path.parent / entry.mapping)
    mapping = _message_mapping(given, f"{where}.mapping")
    if entry.source is not None:
        mapping = mapping.model_copy(update={"source": entry.source})
    verifier = None
    if entry.signature is not None:
        secrets = [_secret(place, path.parent, variables, where) for place in entry.secrets]
        try:
            verifier = Verifier(entry.signature, secrets)
        except ValueError as error:
            raise SourcesError(f"{where}.secrets: {error}") from None
    return WebhookSource(name, MessageConverter(mapping), verifier)


def _one_line(error: MappingError) -> str:
    return "; ".join(str(error).splitlines()[:PROBLEMS_SHOWN])


def _message_mapping(given: str, where: str) -> MessageMapping:
    try:
        mapping = mapping_of(given)
    except MappingError as error:
        raise SourcesError(f"{where}: {_one_line(error)}") from None
    if not isinstance(mapping, MessageMapping):
        raise SourcesError(f"{where}: {given} maps columns of files; a source needs format: 2")
    return mapping


def _secret(place: SecretPlace, folder: Path, variables: Mapping[str, str], where: str) -> str:
    if place.environment is not None:
        found = variables.get(place.environment, "")
        if not found.strip():
            raise SourcesError(f"{where}.secrets: the environment has no {place.environment}")
        return found
    file = folder / (place.file or "")
    try:
        with file.open("rb") as opened:
            text = opened.read(SECRET_FILE_BYTES_MAX + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SourcesError(f"{where}.secrets: {file} can't be read: {said}") from None
    if not text.strip() or len(text) > SECRET_FILE_BYTES_MAX:
        raise SourcesError(f"{where}.secrets: {file} must hold one secret, 1 to {SECRET_FILE_BYTES_MAX} bytes")
    return text
