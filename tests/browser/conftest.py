"""A browser for all tests, and pages that may not complain."""

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.browser.chromium import NONE_FOUND, WIDE, chromium, chromium_path

OpenPage = Callable[..., Page]

# A machine that does other things, too, shows the same a little later.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with the module: it runs an event loop in this process, beside which other modules could run none."""
    if chromium_path() is None:
        pytest.skip(NONE_FOUND)
    with chromium() as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens an address in a window of its own. The test fails where a page had errors: scripts, or what its own
    content security policy forbids. What only says that a server is away, or full, is no error of the page."""
    pages: list[Page] = []
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(away in message.text for away in ("net::", "status of 503")):
            errors.append(message.text)

    def opened(url: str, size: tuple[int, int] = WIDE, scheme: Literal["light", "dark"] = "light") -> Page:
        page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        pages.append(page)
        page.on("console", heard)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield opened
    for page in pages:
        page.close()
    assert errors == []
