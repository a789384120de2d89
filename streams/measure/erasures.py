"""Erasures of persons as control records hold them: ids as hashes, and up to when.

Measuring goes on as before; the tables note it, and what they hold of the person is erased there
(`clickhouse.upkeep.erasure`). A replay of the log into empty tables meets the same record, and ends without the person.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from touchstream.schemas.touchpoint import FUTURE_LIMIT_MS, TIME_MS_MIN

HASHES_MAX: Final = 10_000
"""Most hashes in one record, 670 kB; a person with more ids takes several records."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Erasure:
    """One id of a person. id_hash: `sinks.clickhouse.upkeep.erasure.id_hash`; erased_at: ms since 1970."""

    log_offset: int
    id_hash: str
    erased_at: int


def document(id_hashes: Sequence[str], erased_at: int) -> bytes:
    """The value of the control record."""
    return msgspec.json.encode({"id_hashes": id_hashes, "erased_at": erased_at})


def erasures(content: bytes, log_offset: int, record_at: int) -> list[Erasure]:
    """Read a document that stands at an offset, in a record of that time (ms). Raises ValueError for anything else.

    Nothing that is recorded later is erased: a time ahead of the record's is that of a clock that is a little fast, and
    counts as the record's; one further ahead than an event may be is refused.
    """
    try:
        read = msgspec.json.decode(content, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an erasure: {error}") from error
    if not 0 < len(read.id_hashes) <= HASHES_MAX or not all(map(_HASH.fullmatch, read.id_hashes)):
        raise ValueError(f"not an erasure: write SHA-256 hashes of ids, 1 to {HASHES_MAX}")
    if not TIME_MS_MIN <= read.erased_at <= record_at + FUTURE_LIMIT_MS:
        raise ValueError(f"not an erasure: erased_at {read.erased_at} is not up to its record's time, {record_at}")
    return [Erasure(log_offset, one, min(read.erased_at, record_at)) for one in dict.fromkeys(read.id_hashes)]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    id_hashes: list[str]
    erased_at: int
