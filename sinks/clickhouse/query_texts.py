"""The shared queries: files of `queries/`, put together by name.

`{panes}` in a text stands for another text: the file of that name, or what the caller gives for it. `{name:Type}` is a
parameter, which ClickHouse fills in itself.
"""

import re
from functools import cache
from importlib import resources
from typing import Final

_COMMENT: Final = re.compile(r"^\s*--.*\n", re.MULTILINE)
_PART: Final = re.compile(r"\{(\w+)\}")


@cache
def query_text(name: str, **parts: str) -> str:
    """The text of `queries/<name>.sql` with its parts; `parts` names other files, as `panes="interval_panes"`."""
    file = resources.files(__package__).joinpath("queries", f"{name}.sql")
    text = _COMMENT.sub("", file.read_text("utf-8")).strip()
    return _PART.sub(lambda part: query_text(parts.get(part[1], part[1]), **parts), text)
