"""What differs between two sets of tables, in lines for a reader."""

from collections.abc import Mapping
from typing import Any

from tests.oracle.recompute import Tables

LINES_MAX = 20


def difference(expected: Tables, actual: Tables) -> list[str]:
    """One line for each row that is missing, too many or different, with the columns that are; bounded."""
    lines = _rows("touchpoints", expected.touchpoints, actual.touchpoints)
    lines += _rows("stage_panes", expected.panes, actual.panes)
    lines += _rows("dead_letters", expected.dead_letters, actual.dead_letters)
    lines += _rows("erasures", expected.erasures, actual.erasures)
    lines += _rows("control_records", expected.controls, actual.controls)
    lines += _rows("lanes", {"row": expected.lane}, {"row": actual.lane})
    more = len(lines) - LINES_MAX
    return lines if more <= 0 else [*lines[:LINES_MAX], f"and {more} more"]


def _rows(table: str, expected: Mapping[Any, Any], actual: Mapping[Any, Any]) -> list[str]:
    lines = []
    for key in [*expected, *(key for key in actual if key not in expected)]:
        if key not in actual:
            lines.append(f"{table} {key}: missing; expected {_short(expected[key])}")
        elif key not in expected:
            lines.append(f"{table} {key}: not expected; found {_short(actual[key])}")
        elif expected[key] != actual[key]:
            lines.append(f"{table} {key}: {_columns(expected[key], actual[key])}")
    return lines


def _columns(expected: Any, actual: Any) -> str:
    """The columns that differ: `name expected → found`."""
    if not (isinstance(expected, dict) and isinstance(actual, dict)):
        return f"expected {_short(expected)}, found {_short(actual)}"
    names = [name for name in {**expected, **actual} if expected.get(name, "absent") != actual.get(name, "absent")]
    return "; ".join(
        f"{name} expected {_short(expected.get(name, 'absent'))}, found {_short(actual.get(name, 'absent'))}"
        for name in names
    )


def _short(value: Any) -> str:
    """A row without what it doesn't say: zeros, empty texts and maps."""
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if one not in (0, "", None, {}) or one is False}
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:297]}..."
