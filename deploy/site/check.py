"""Looks through a built site for links that lead nowhere and for anything that is loaded from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_LOADS: Final = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""What a browser fetches by itself, and the attribute that names it."""
_NO_FETCH: Final = frozenset({"canonical", "edit", "next", "prev", "alternate"})


@dataclass
class Page(HTMLParser):
    """Links, loaded files and anchors of a page."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        source = given.get(_LOADS.get(tag, ""))
        if source is not None and given.get("rel") not in _NO_FETCH:
            self.loaded.append(source)


def problems(site: Path) -> Iterator[str]:
    """A line for each thing that is wrong in a folder of pages."""
    pages = {path: Page() for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        page.feed(path.read_text(encoding="utf-8"))
    for path, page in pages.items():
        if path.name == "404.html":  # its links begin at the root of a server
            continue
        name = path.relative_to(site)
        for source in page.loaded:
            if urlsplit(source).scheme not in ("", "data") or source.startswith("//"):
                yield f"{name}: {source} would be loaded from elsewhere"
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{name}: {link} leads nowhere"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{name}: {link} names no heading"
