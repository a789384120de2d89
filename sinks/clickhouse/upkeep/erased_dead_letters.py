"""Whether a dead letter holds an id, in whatever way it is written. Pure.

A letter holds the bytes of one event that could not be used, and may be anything: JSON with escapes, with an id as a
number or under a key that stands twice; Avro; a line of CSV; text in another encoding. Where it can't be told whose
event it is, a letter too many is emptied rather than one too few.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import unquote

from touchstream.schemas.touchpoint import NUMBERS

_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_SLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-16-be", "cp1252")
_MEASURED: Final = frozenset(("occurred_at", "received_at", *NUMBERS))
"""Fields whose numbers are no ids."""
Pairs = list[tuple[str, Any]]


class Ids:
    """The ids of a person, as they may stand in a dead letter."""

    def __init__(self, ids: Sequence[str]) -> None:
        """ids: at least one."""
        forms = {unicodedata.normalize(form, one) for one in ids for form in ("NFC", "NFD")} | set(ids)
        self._forms = frozenset(forms)
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(forms)))})(?!\w)")

    @property
    def patterns(self) -> list[bytes]:
        """Bytes of which a dead letter with an id has at least one, unless it is written with escapes."""
        return sorted({encoded for form in self._forms for encoded in _encoded(form)})

    def are_in(self, *pieces: bytes) -> bool:
        """Whether any of a dead letter's pieces (key, value, names and values of headers, detail) holds an id."""
        return any(self._is_in(piece) for piece in pieces)

    def _is_in(self, piece: bytes) -> bool:
        return any(self._stands_in(text) for text in _texts(piece)) or self._is_avro(piece)

    def _stands_in(self, text: str) -> bool:
        try:
            read = json.loads(text, object_pairs_hook=list)
        except (ValueError, RecursionError):
            return self._words.search(text) is not None
        try:
            return any(self._is_leaf(key, leaf) for key, leaf in _leaves(read))
        except RecursionError:
            return self._words.search(text) is not None

    def _is_leaf(self, key: str, leaf: Any) -> bool:
        if isinstance(leaf, str):
            return any(self._words.search(one) for one in _read(leaf))
        if isinstance(leaf, bool) or leaf is None or key in _MEASURED:
            return False
        whole = isinstance(leaf, float) and leaf.is_integer()
        return str(int(leaf) if whole else leaf) in self._forms

    def _is_avro(self, piece: bytes) -> bool:
        return any(_avro_length(len(data)) + data in piece for data in map(str.encode, self._forms))


def _leaves(read: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Each text and number of a JSON document with the key that it stands under; keys are texts as well.

    An object is a list of pairs, a key that stands twice stands in it twice.
    """
    if isinstance(read, list):
        for one in read:
            if isinstance(one, tuple):
                yield "", one[0]
                yield from _leaves(one[1], one[0])
            else:
                yield from _leaves(one, key)
    else:
        yield key, read


def _texts(piece: bytes) -> Iterator[str]:
    """What the bytes may say, in the encodings that files and clients have."""
    for encoding in _ENCODINGS:
        if encoding == "utf-8" or b"\0" in piece or (encoding == "cp1252" and not piece.isascii()):
            yield from _read(piece.decode(encoding, errors="replace"))


def _read(text: str) -> Iterable[str]:
    """A text as it stands, and without what stands for its letters."""
    yield text
    if "\\" in text:
        yield _SLASHED.sub(r"\1", _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))
    if "%" in text:
        yield unquote(text)


def _encoded(form: str) -> Iterator[bytes]:
    for encoding in _ENCODINGS:
        try:
            yield form.encode(encoding)
        except UnicodeEncodeError:
            continue


def _avro_length(length: int) -> bytes:
    """A length as Avro writes it: zigzag, seven bits to a byte."""
    rest, out = length << 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])
