"""The docs are readable: short lines, plain words, links that lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
GENERATED = {"settings.md", "command-line.md"}
"""Their words are those of the code."""
LINE_MAX = 200
VAGUE = re.compile(r"\b(somebody|nobody|told to|again and again)\b", re.IGNORECASE)
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def long_lines(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), start=1) if len(line) > LINE_MAX]


def anchors(text: str) -> set[str]:
    """Those of the headings, as GitHub makes them; a heading that is there twice has a number behind the second."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)
    slugs = [
        re.sub(r"[^\w\- ]", "", re.sub(r"\]\(.*?\)", "", heading).lower()).replace(" ", "-") for heading in headings
    ]
    return {slug if slug not in slugs[:at] else f"{slug}-{slugs[:at].count(slug)}" for at, slug in enumerate(slugs)}


def broken(page: Path, text: str) -> Iterator[str]:
    """Relative links of a page that lead nowhere."""
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
        if re.match("[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists():
            yield f"{link}: there is no such file"
        elif anchor and anchor not in anchors(target.read_text("utf-8")):
            yield f"{link}: there is no such heading"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "settings.md"], ids=named)
def test_no_line_of_the_docs_is_longer_than_200_characters(page: Path) -> None:
    assert long_lines(page.read_text("utf-8")) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in GENERATED], ids=named)
def test_the_docs_name_who_does_something(page: Path) -> None:
    assert VAGUE.findall(page.read_text("utf-8")) == []


@pytest.mark.parametrize("page", LINKED, ids=named)
def test_every_relative_link_of_the_docs_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert list(broken(page, page.read_text("utf-8"))) == []


def test_the_pages_of_the_docs_are_found() -> None:
    assert {"architecture.md", "glossary.md", "events.md", "README.md"} <= {page.name for page in PAGES}


def test_a_line_that_is_too_long_is_found() -> None:
    assert long_lines("a" * 200 + "\n" + "a" * 201) == [2]


def test_a_link_to_a_missing_file_or_heading_is_found() -> None:
    page = ROOT / "docs" / "glossary.md"
    text = "[a](gone.md) [b](events.md#gone) [c](events.md#times) [d](#e)\n\n# E\n\n[f](https://example.com/gone)\n"
    assert [link.partition(":")[0] for link in broken(page, text)] == ["gone.md", "events.md#gone", "#e"]


def test_anchors_are_made_as_github_makes_them() -> None:
    text = "# The `watch`, and why\n## Same\n## Same\n```sh\n# no heading\n```\n"
    assert anchors(text) == {"the-watch-and-why", "same", "same-1"}
