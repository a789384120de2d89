"""Paths into foreign messages."""

from typing import Any

import pytest

from touchstream.streams.channels.formats.paths import PathError, path

MESSAGE = {
    "user": {"id": "u1", "a.b": 7, "none": None},
    "Order ID": 5,
    "items": [{"sku": "x", "price": 2}, {"sku": "y", "price": 3}, {"sku": "z"}],
    "params": [
        {"key": "page", "value": {"string_value": None, "int_value": 4}},
        {"key": "session", "value": {"string_value": "s", "int_value": None}},
    ],
    "answers": [{"field": {"ref": "why"}, "n": 1}, {"field": {"ref": "nps"}, "n": 9}, {"field.ref": "csat", "n": 4}, 5],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("user.id", "u1"),
        ('user."a.b"', 7),
        ("Order ID", 5),
        ("items[1].sku", "y"),
        ("items[-1].sku", "z"),
        ("items[9].sku", None),
        ("items[sku=y].price", 3),
        ("items[sku=none].price", None),
        ("items[*].price", [2, 3]),
        ("items[*]", MESSAGE["items"]),
        ("user.none[*]", []),
        ("params[key=page].value.*", 4),
        ("params[key=session].value.*", "s"),
        ("answers[field.ref=nps].n", 9),
        ("answers[field.ref=csat].n", 4),
        ("answers[field.ref=ces].n", None),
        ("answers[field.ref.x=nps].n", None),
        ("answers[field.missing=None].n", None),
        ("user.id.deeper", None),
        ("user[0]", None),
        ("nothing.at.all", None),
    ],
)
def test_a_path_leads_to_what_stands_there_or_to_nothing(text: str, value: Any) -> None:
    assert path(text).value(MESSAGE) == value


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a]b", "a[*].b[*]", "a b[1.5]", "x" * 501])
def test_a_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        path(text)
