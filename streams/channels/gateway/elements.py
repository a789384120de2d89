"""An array that is no JSON as a whole, parted into its elements, so that a broken one takes no good ones along."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\[\]{},]', re.DOTALL)
"""A string, however broken inside; or a character that gives an array its form; or a quote that is never closed."""
_CLOSES: Final = {b"]"[0]: b"["[0], b"}"[0]: b"{"[0]}
_BLANK: Final = b" \t\r\n"


def parted(body: bytes, elements_max: int) -> list[bytes] | None:
    """The raw texts of an array's elements, each JSON or not; one more than `elements_max` at most.

    None where its form is in doubt: a bracket or quote without its other half, something after its end, or no element
    that could be an event.
    """
    elements: list[bytes] = []
    open_brackets = bytearray()
    start = end = 0
    for token in _TOKEN.finditer(body):
        mark = body[token.start()]
        if token.end() - token.start() > 1:  # a string
            continue
        if mark == b'"'[0]:
            return None
        if mark in b"[{":
            open_brackets.append(mark)
            if len(open_brackets) == 1:
                start = token.end()
            continue
        if mark in _CLOSES and (not open_brackets or open_brackets.pop() != _CLOSES[mark]):
            return None
        if (mark == b","[0] and len(open_brackets) == 1) or not open_brackets:
            elements.append(body[start : token.start()].strip(_BLANK))
            start = end = token.end()
            if len(elements) > elements_max:
                return elements
            if not open_brackets:
                break
    is_whole = not open_brackets and not body[end:].strip(_BLANK)
    return elements if is_whole and any(element.startswith(b"{") for element in elements) else None
