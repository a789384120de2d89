"""The numbers of a page for programs: as JSON, and as CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from touchstream.schemas.times import instant
from touchstream.sinks.page.selection import SelectionError

FORMATS: Final = ("json", "csv")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula: a name of an event could be one."""

_UNTOLD: Final = frozenset(
    {"at_ms", "place", "group_key", "dimensions", "other", "other_names", "design_effects", "touchpoint", "tick_ms"}
)

Rows = Sequence[Mapping[str, Any]]


def answer_of(rows: Rows, wanted: str, name: str) -> Response:
    """The rows in a format. name: of the file. Raises SelectionError for another format."""
    if wanted == "json":
        return JSONResponse({"rows": [dict(row) for row in rows]})
    if wanted == "csv":
        headers = {"Content-Disposition": f'attachment; filename="touchstream-{name}.csv"'}
        return Response(csv_of(rows), media_type="text/csv; charset=utf-8", headers=headers)
    raise SelectionError(f"format takes one of {', '.join(FORMATS)}")


def csv_of(rows: Rows) -> str:
    """The rows as CSV (RFC 4180) with a header; null is empty, an array or a map is JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    written = csv.writer(text)
    written.writerow(names)
    written.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    return value


def told(row: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a rolling row or of a course: without what only serves queries."""
    return {name: value for name, value in row.items() if name not in _UNTOLD}


def instant_text(at_ms: int) -> str:
    """ISO 8601 in UTC; milliseconds since 1970."""
    return instant(at_ms).isoformat().replace("+00:00", "Z")
