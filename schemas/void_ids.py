"""Ids that are no ids: what programs and spreadsheets write where they have none.

Counted as an id, `undefined` becomes one customer with everybody's touches, and takes over each device that names it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

_NIL_UUID: Final = "00000000-0000-0000-0000-000000000000"  # also the advertising id of who allows none

NOTHING: Final = (
    # programs: JavaScript, Python, Ruby, Go, SQL, and their empty objects in a text
    "undefined", "null", "(null)", "<null>", "none", "nil", "<nil>", "nan", "[object object]", "[object undefined]",
    "[object null]", "[]", "{}", "infinity", "-infinity", "na", "<na>", "nat", "''", '""',
    # spreadsheets and exports
    "n/a", "#n/a", "#name?", "#null!", "#num!", "#ref!", "#value!", "#div/0!", "(none)", "(not set)", "\\n", "n.a.",
    "#nv", "(blank)", "(empty)",
    _NIL_UUID, _NIL_UUID.replace("-", ""),
)  # fmt: skip
"""Values that mean no id, for any kind of id."""

ANYBODY: Final = (
    # the numbers and words that stand for whoever isn't known, as the product analytics tools refuse them too
    "0", "0.0", "-1", "true", "false", "unknown", "anonymous", "guest", "not_authenticated", "id", "distinct_id",
    "distinctid", "customer_id", "user_id", "email",
)  # fmt: skip
"""Values that identify no particular person where a person's id is due. An event may well be number 0."""

VOID_WORDS: Final = (*NOTHING, *ANYBODY)
"""The default of the setting `VOID_IDS`."""

_BLANK = r"[\s\x00-\x20\x7f\u00ad\u200b-\u200f\u2060\ufeff]*"
_SPREADSHEET_NUMBER = r"-?[0-9](?:[.,][0-9]{1,14})?e\+[0-9]+"
"""1.23E+12: what Excel, which knows 15 digits, leaves of a long number. All numbers near it become one customer."""
_SPREADSHEET_ERROR = r"#[^\s#!?]{2,30}[!?]"
"""#REF!, #SPILL!, #BEZUG!: an error of a formula, in the language of the spreadsheet."""
_STROKES = r"[-.?_\u2010-\u2015\u2212\u2026]+"
"""A dash or dots: nothing, as people and logs write it."""


@dataclass(frozen=True)
class VoidIds:
    """Tells ids from what is none: words in any case, blanks, control characters, numbers as Excel cuts them short."""

    persons: str
    """Matches what is no id of a person."""
    events: str
    """Matches what is no id of an event."""

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, words: tuple[str, ...] = VOID_WORDS) -> Self:
        """For a list of words."""
        listed = [word.strip().lower() for word in words if word.strip()]
        return cls(_pattern(listed), _pattern(word for word in listed if word not in ANYBODY))

    def is_person(self, text: str) -> bool:
        """Whether a text can be a person's id."""
        return re.search(self.persons, text) is None

    def is_event(self, text: str) -> bool:
        """Whether a text can be an event's id."""
        return re.search(self.events, text) is None


def _pattern(words: Iterable[str]) -> str:
    """A regular expression that Python's `re` and Rust's `regex` read alike."""
    forms = "|".join((*map(re.escape, words), _SPREADSHEET_NUMBER, _SPREADSHEET_ERROR, _STROKES))
    return f"(?i)^{_BLANK}(?:{forms})?{_BLANK}$"


DEFAULT_VOID_IDS: Final = VoidIds.of()
