"""The page as a process, and what a browser shows of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from playwright.sync_api import Page

from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Child, Process, running

UNSEEN = ".unseen, .skip, svg, option, [hidden], details:not([open]) > :not(summary), legend, input"
TOO_WIDE = """(unseen) => {
  const screen = document.documentElement.clientWidth;
  return [...document.body.querySelectorAll("*")]
    .filter((one) => !one.closest(unseen))
    .filter((one) => {
      const box = one.getBoundingClientRect();
      const clipped = one.clientWidth && one.scrollWidth > one.clientWidth + 1;
      return box.width && (box.left < -0.5 || box.right > screen + 0.5 || clipped);
    })
    .map((one) => `${one.tagName} ${one.className} ${one.textContent.trim().slice(0, 60)}`);
}"""
OVERLAPPING = """(unseen) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest(unseen)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const card = parent.closest(".stage, .whole, .channel, .alerts li, .rows")?.getBoundingClientRect();
    for (const box of range.getClientRects()) texts.push({ words: node.textContent.trim().slice(0, 40), box, card });
  }
  const found = [];
  texts.forEach(({ words, box, card }, place) => {
    if (card && (box.top < card.top - 1 || box.bottom > card.bottom + 1)) found.push(`${words} leaves its card`);
    for (const other of texts.slice(place + 1)) {
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (wide > 1 && high > 3) found.push(`${words} over ${other.words}`);
    }
  });
  return found;
}"""
"""Line boxes are a little higher than their letters: lines of one text may share up to 3 px."""

NO_KAFKA = "kafka://127.0.0.1:1"
"""Not the one of another stack on this machine."""


@dataclass(frozen=True)
class RunningPage:
    """A page that answers."""

    url: str
    process: Process

    def address(self, **selection: str) -> str:
        """With a selection: window, channel, segment, journey, open."""
        return f"{self.url}/?{urlencode(selection)}"

    def log(self) -> str:
        return self.process.log_path.read_text()


@contextmanager
def running_page(directory: Path, clickhouse_url: str, *options: str) -> Iterator[RunningPage]:
    """`touchstream page` on a free port, answering, whether it has found ClickHouse or not."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    child = Child(
        "page",
        (sys.executable, "-m", "touchstream.streams.cli", "page", *options),
        ready=lambda: _answers(url),
        env={
            "TOUCHSTREAM_CLICKHOUSE_URL": clickhouse_url,
            "TOUCHSTREAM_PAGE_PORT": str(port),
            "TOUCHSTREAM_KAFKA_URL": NO_KAFKA,
        },
    )
    with running(child, directory) as process:
        yield RunningPage(url, process)


def state(page: Page) -> str | None:
    """What the page says of its numbers: live, waiting, stale, workers-away, clickhouse-away, lost."""
    return page.locator("body").get_attribute("data-state")


def expect_state(page: Page, wanted: str, seconds: float = 30) -> None:
    """Wait until the page says so."""
    page.wait_for_function("state => document.body.dataset.state === state", arg=wanted, timeout=1000 * seconds)


def stages(page: Page) -> list[str]:
    """The stages, from left to right."""
    found: list[str] = page.locator(".stage h3 bdi").all_text_contents()
    return found


def figures(page: Page) -> dict[str, dict[str, Any]]:
    """Of each stage its figures, all read at one moment: metric to exact value, text, n and interval as shown."""
    found: dict[str, dict[str, Any]] = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".stage")].map((stage) => [
          stage.dataset.stage,
          Object.fromEntries([...stage.querySelectorAll(".figure")].map((figure) => [figure.dataset.metric, {
            value: figure.querySelector("data.value") ? Number(figure.querySelector("data.value").value) : null,
            text: figure.querySelector(".value").textContent,
            n: figure.querySelector(".n")?.textContent ?? null,
            interval: figure.querySelector(".interval")?.textContent ?? null,
            note: figure.querySelector(".note")?.textContent ?? null,
          }])),
        ]))"""
    )
    return found


def too_wide(page: Page) -> list[str]:
    """Elements that reach over the screen's edge, or whose content is wider than they are."""
    found: list[str] = page.evaluate(TOO_WIDE, UNSEEN)
    return found


def overlapping(page: Page) -> list[str]:
    """Texts that are drawn over each other, or out of the card that they stand in."""
    found: list[str] = page.evaluate(OVERLAPPING, UNSEEN)
    return found


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1).status_code == 200
    except httpx.TransportError:
        return False
