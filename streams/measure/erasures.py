"""Who asked to be forgotten, as the log says it: ids as hashes, and up to when.

Measuring goes on as before; the tables note it, and what they hold of the person is erased there
(`sinks.clickhouse.erasure`). A replay of the log into empty tables meets the same record, and ends without the person.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.touchpoint import TIME_MS_MAX, TIME_MS_MIN

FORGET: Final = b"forget"
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Erasure:
    """One id of a person. id_hash: `sinks.clickhouse.erasure.id_hash`; erased_at: ms since 1970."""

    log_offset: int
    id_hash: str
    erased_at: int


def document(id_hashes: Sequence[str], erased_at: int) -> bytes:
    """The value of the control record."""
    return msgspec.json.encode({"id_hashes": id_hashes, "erased_at": erased_at})


def erasures(content: bytes, log_offset: int) -> list[Erasure]:
    """Read a document that stands at an offset. Raises ValueError for anything else."""
    try:
        read = msgspec.json.decode(content, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not an erasure: {error}") from error
    if not TIME_MS_MIN <= read.erased_at <= TIME_MS_MAX or not all(map(_HASH.fullmatch, read.id_hashes)):
        raise ValueError("not an erasure: write SHA-256 hashes, and milliseconds since 1970")
    return [Erasure(log_offset, one, read.erased_at) for one in read.id_hashes]


class _Document(msgspec.Struct):
    id_hashes: list[str]
    erased_at: int
