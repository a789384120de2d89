"""Schemas by number, from a registry that speaks Confluent's REST (Confluent, Karapace, Redpanda, Apicurio)."""

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import urllib3

TIMEOUT_SECONDS = 5.0
"""Timeout of connecting and of each read, in seconds. Lanes wait, and retry."""

UNKNOWN_FOR_SECONDS = 60.0
"""How long a number that the registry doesn't know isn't asked for again.

A stream of broken messages must not become a stream of requests.
"""

CACHED_MAX = 10_000
"""Remembered answers of each kind; more numbers than that are garbage, and then all are forgotten."""

ANSWER_BYTES_MAX = 4 * 1024 * 1024

_V = TypeVar("_V")
_NOT_FOUND = {404, 40401, 40402, 40403}  # a proxy's own 404 says nothing about schemas, and has no such code


class RegistryUnavailable(Exception):  # noqa: N818 - the word of the domain
    """The registry could not say: ask again later. Never a reason to refuse an event."""


class SchemaRefused(ValueError):  # noqa: N818
    """The registry doesn't take a schema: not compatible with the subject's others, or not valid."""


class SchemaRegistry(Protocol):
    """Where a Confluent header's number is looked up."""

    def schema(self, number: int) -> str | None:
        """The schema's JSON text; None if the registry knows no such number. Raises RegistryUnavailable."""


class HttpSchemaRegistry:
    """The registry at `url` (`http://user:password@host:8081`).

    Blocks while it asks. Answers are cached: a number's schema never changes.
    """

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the schema registry's URL must look like http://host:8081")
        self._base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if parts.username:
            headers |= urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
        # No retries (nor redirects) here: callers retry in place, with a back-off that a stop interrupts.
        self._http = urllib3.PoolManager(headers=headers, timeout=timeout_seconds, retries=False)
        self._known: dict[int, str] = {}
        self._unknown_until: dict[int, float] = {}

    def schema(self, number: int) -> str | None:
        """The schema's JSON text; None if the registry knows no such number. Raises RegistryUnavailable."""
        if number in self._known:
            return self._known[number]
        if self._unknown_until.get(number, 0.0) > time.monotonic():
            return None
        status, answer = self._ask("GET", f"/schemas/ids/{number}")
        if status == 404 and answer.get("error_code") in _NOT_FOUND:
            _bounded(self._unknown_until)[number] = time.monotonic() + UNKNOWN_FOR_SECONDS
            return None
        text = answer.get("schema")
        if status != 200 or not isinstance(text, str):
            raise self._unavailable(f"GET /schemas/ids/{number}", status, answer)
        _bounded(self._known)[number] = text
        return text

    def register(self, subject: str, text: str) -> int:
        """Registers a schema under a subject and returns its number; idempotent.

        Raises RegistryUnavailable, SchemaRefused.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        status, answer = self._ask("POST", path, {"schema": text})
        if status in {409, 422}:
            raise SchemaRefused(f"{self._base} refuses the schema for {subject}: {answer.get('message', status)}")
        number = answer.get("id")
        if status != 200 or not isinstance(number, int):
            raise self._unavailable(f"POST {path}", status, answer)
        return number

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        try:
            response = self._http.request(method, self._base + path, json=body, preload_content=False)
            content = response.read(ANSWER_BYTES_MAX)
            response.close()
        except urllib3.exceptions.HTTPError as error:
            raise RegistryUnavailable(f"schema registry {self._base} doesn't answer: {error}") from error
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None  # a proxy's page, or half an answer: the status decides
        return response.status, answer if isinstance(answer, dict) else {}

    def _unavailable(self, request: str, status: int, answer: Mapping[str, Any]) -> RegistryUnavailable:
        said = answer.get("message") or "no schema registry's answer"
        return RegistryUnavailable(f"schema registry {self._base}: {request} gave {status} ({str(said)[:200]})")


def _bounded(cache: dict[int, _V]) -> dict[int, _V]:
    if len(cache) >= CACHED_MAX:
        cache.clear()
    return cache
