"""How a group's names are written where people write them: rule files, addresses of the page.

`*` stands for all of a dimension together. A channel may really be called so: a name that begins with `*` is written
with one more, so that `**` is the name `*`. Everywhere else all together is the absence of a name (None, null).
"""

from typing import Final

_TOGETHER: Final = "*"
SERIES_MAX: Final = 1_000
"""Default limit of groups of a kind that have rolling rows of their own, besides the declared ones."""


def spelled(name: str | None) -> str:
    """A name as people write it; None: all together."""
    if name is None:
        return _TOGETHER
    return _TOGETHER + name if name.startswith(_TOGETHER) else name


def name_of(text: str) -> str | None:
    """The name that people wrote; None: all together."""
    if text == _TOGETHER:
        return None
    return text[1:] if text.startswith(_TOGETHER) else text
