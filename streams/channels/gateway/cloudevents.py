"""CloudEvents over HTTP, in structured, batched and binary mode."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from starlette.requests import Request

from touchstream.streams.channels.formats.cloudevents import VERSION, of_headers, with_data
from touchstream.streams.channels.formats.message_conversion import MessageConverter
from touchstream.streams.channels.formats.message_mapping import SHIPPED, message_mapping

_PREFIX: Final = "ce-"
_TYPES: Final = ("application/cloudevents+json", "application/cloudevents-batch+json")


def is_cloudevent(request: Request) -> bool:
    """Whether a request says that it holds CloudEvents."""
    return is_binary(request) or request.headers.get("content-type", "").partition(";")[0].strip().lower() in _TYPES


def is_binary(request: Request) -> bool:
    """Whether the attributes of one stand in the headers, and its data are the body."""
    return f"{_PREFIX}{VERSION}" in request.headers


def unfolded(request: Request) -> Callable[[Any], Any]:
    """What makes a body, or a part of one, a document that a mapping of CloudEvents reads."""
    if not is_binary(request):
        return with_data
    attributes = {name: unquote(text) for name, text in request.headers.items() if name.startswith(_PREFIX)}
    return lambda data: of_headers(attributes, _PREFIX, data)


@cache
def converter() -> MessageConverter:
    """What makes events of those that are sent to the path of events."""
    return MessageConverter(message_mapping(SHIPPED / "cloudevents.yaml"))
