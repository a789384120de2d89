"""Definition files: only plain values are read, and every error says where it is and what to do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.definitions import (
    DEFINITION_BYTES_MAX,
    Definition,
    DefinitionError,
    Severity,
    content_version,
    model_of,
    read_source,
)


class Inner(Definition):
    name: str
    size: int = 0


class Outer(Definition):
    title: str
    parts: tuple[Inner, ...] = ()


def errors(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as raised:
        model_of(Outer, read_source(text, "file.yaml"))
    assert {finding.severity for finding in raised.value.findings} == {Severity.ERROR}
    assert str(raised.value) == "\n".join(str(finding) for finding in raised.value.findings)
    return str(raised.value).splitlines()


def test_a_file_is_read_as_plain_values_each_with_its_line() -> None:
    source = read_source("a: 1\n# comment\nb:\n  - no\n  - {c: 2.5, d: null}\n", "file.yaml")
    assert source.content == {"a": 1, "b": ("no", {"c": 2.5, "d": None})}
    assert source.where(()) == source.where(("a",)) == "file.yaml:1"
    assert source.where(("b",)) == "file.yaml:3"
    assert source.where(("b", 1, "d")) == "file.yaml:5"
    assert source.where(("b", 1, "missing")) == "file.yaml:5"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", 1),
        ("a: 1\n\tb: 2", 2),
        ("a: 1\nb: 2\na: 3", 3),
        ("a: &x [1]\nb: *x", 1),
        ("a: *nowhere", 1),
        ("a: 1\nb: !!python/object/apply:os.system [echo]", 2),
        ("a: !own {b: 1}", 1),
        ("a: 1\n---\nb: 2", 2),
        ("? [1, 2]\n: 3", 1),
        ("a: \x07", 1),
        ("a: 1\nb: " + "9" * 5_000, 2),
        ("[" * 5_000, 1),
        ("a: " + "x" * DEFINITION_BYTES_MAX, 1),
        ("lol: &a [x, x]\nlol2: &b [*a, *a]\nlol3: [*b, *b]", 1),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_text_that_is_not_plain_yaml_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(DefinitionError) as raised:
        read_source(text, "file.yaml")
    (finding,) = raised.value.findings
    assert finding.where == f"file.yaml:{line}"
    assert finding.message


def test_every_error_of_a_file_is_named_at_once_in_the_order_of_its_lines() -> None:
    found = errors("titel: x\nparts:\n  - name: 5\n  - size: big\n    name: b\n  - x\n")
    assert [line.partition(" ")[0] for line in found] == [f"file.yaml:{n}:" for n in (1, 1, 3, 4, 6)]
    assert "title is missing; add it" in found[0] + found[1]
    assert "titel is no known key; correct its spelling or remove it" in found[0] + found[1]
    assert "parts.0.name is 5; write a text" in found[2]
    assert "parts.1.size is 'big'" in found[3]


@pytest.mark.parametrize("text", ["", "- a", "text", "5", "~"])
def test_a_file_that_is_no_mapping_is_told_its_first_keys(text: str) -> None:
    assert errors(text) == ["file.yaml:1: is no mapping; begin with the keys title, parts"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a: 1\nb: [1, 2]", "# comment\nb:\n  - 1\n  - 2\na: 1 # one"),
        ("a: x", "a: 'x'"),
        ("a: {b: 1, c: 2}", "a:\n  c: 2\n  b: 1"),
    ],
)
def test_layout_comments_and_the_order_of_keys_do_not_change_the_version(one: str, other: str) -> None:
    assert content_version(one) == content_version(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a: 1", "a: 2"), ("a: 1", "a: '1'"), ("a: [1, 2]", "a: [2, 1]"), ("a: 1", "a: 1\nb: 1")]
)
def test_another_content_is_another_version(one: str, other: str) -> None:
    assert content_version(one) != content_version(other)


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("abc:- \n[]{}&*!#'\"|>%@`?,~\\", max_size=60))
def test_no_text_does_more_than_be_read_or_refused(text: str) -> None:
    try:
        source = read_source(text, "file.yaml")
    except DefinitionError as error:
        assert error.findings
    else:
        assert is_plain(source.content)


def is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    return all(map(is_plain, value)) if isinstance(value, tuple) else type(value) in {str, int, float, bool, type(None)}
