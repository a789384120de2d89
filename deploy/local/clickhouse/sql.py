"""What must be known of an SQL text before the engine has it: where an INSERT's data begins, and the output format."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Comments, literals and quoted names are skipped as a whole, so that no word in them counts.
_TOKEN = re.compile(
    rb"""
    (?P<skipped> \s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/
               | '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*` )
  | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
  | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_DEPTH = {b"(": 1, b"[": 1, b"{": 1, b")": -1, b"]": -1, b"}": -1}
_NAME_FOLLOWS = (b"INTO", b"TABLE", b"FUNCTION", b".")


@dataclass(frozen=True)
class Insert:
    """An `INSERT INTO … [SETTINGS …] FORMAT name` whose data begins at `data_start`.

    `target` is what stands before SETTINGS or FORMAT, `settings` the clause from SETTINGS on, if there is one.
    """

    target: bytes
    settings: bytes
    format: str
    data_start: int

    @property
    def statement(self) -> bytes:
        """All of it but the data."""
        return b"".join((self.target, self.settings, b"FORMAT ", self.format.encode()))


def split_insert(text: bytes) -> Insert | None:
    """The INSERT … FORMAT at the start of `text`, which may be cut anywhere in the data that follows.

    None for every other statement, INSERT … VALUES and INSERT … SELECT included: they are whole texts.
    """
    words = _words(text)
    if next(words, (b"",))[0] != b"INSERT":
        return None
    target_end = None
    for word, before, start, _ in words:
        if before in _NAME_FOLLOWS:
            continue  # a table may be named `format` or `values`
        if word == b"SETTINGS":
            target_end = start
        elif word == b"FORMAT":
            _, _, name_start, name_end = next(words, (b"", b"", 0, 0))
            if name_end == 0:
                return None
            end = start if target_end is None else target_end
            name = text[name_start:name_end].decode()
            return Insert(text[:end], text[end:start], name, _data_start(text, name_end))
        elif word in (b"VALUES", b"SELECT", b"WITH", b"WATCH"):
            return None
    return None


def output_format(text: bytes) -> str | None:
    """The name after the last FORMAT of a statement, None without one."""
    found = None
    if b"format" in text.lower():
        for word, before, start, end in _words(text):
            if before == b"FORMAT":
                found = text[start:end].decode()
            elif word == b"SELECT":
                found = None  # that was a name, as in `SELECT format x FROM …`
    return found


def _data_start(text: bytes, name_end: int) -> int:
    """As ClickHouse's ParserInsertQuery: after the format's name, blanks and one line end are no data yet."""
    gap = re.compile(rb"[ \t\f]*\r?\n?").match(text, name_end)
    return gap.end() if gap else name_end


def _words(text: bytes) -> Iterator[tuple[bytes, bytes, int, int]]:
    """Upper-case words outside brackets, each with the word or sign before it, its start and its end."""
    depth, before = 0, b""
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word":
            word = token[0].upper()
            if depth == 0:
                yield word, before, token.start(), token.end()
            before = word
        elif token.lastgroup == "sign":
            before = token[0]
            depth += _DEPTH.get(before, 0)
        elif not token[0].isspace() and token[0][:1] in (b"'", b'"', b"`"):
            before = token[0][:1]
