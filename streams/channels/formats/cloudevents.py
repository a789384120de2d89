"""CloudEvents 1.0 in their three modes become one document: as structured mode has it, with its data read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from touchstream.schemas.codec import Undecodable, parse_json

VERSION: Final = "specversion"
"""The attribute that every CloudEvent has."""
BASE64: Final = "data_base64"


def of_headers(headers: Mapping[str, str], prefix: str, data: Any) -> dict[str, Any]:
    """A CloudEvent in binary mode: its attributes stand in headers behind a prefix, `ce-` in HTTP and `ce_` in Kafka.

    headers: names in small letters.
    """
    attributes = {name.removeprefix(prefix): text for name, text in headers.items() if name.startswith(prefix)}
    return attributes | ({} if data is None else {"data": data})


def with_data(document: Any) -> Any:
    """A document in which the data of a CloudEvent are read, where they stand in it in base 64. Raises Undecodable."""
    if not isinstance(document, Mapping) or VERSION not in document or not isinstance(document.get(BASE64), str):
        return document
    rest = {name: value for name, value in document.items() if name != BASE64}
    try:
        content = base64.b64decode(document[BASE64], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Undecodable(f"{BASE64}: {error}") from None
    return rest | {"data": parse_json(content)}
