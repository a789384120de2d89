"""Boards as HTML, by the templates in `templates/`. Names come from events: each is escaped wherever it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from touchstream.schemas.groups import spelled
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.times import instant
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.sinks.page.board import Board
from touchstream.sinks.page.customer_words import facts, sections, warnings
from touchstream.sinks.page.figures import NOTHING, number, shown
from touchstream.sinks.page.health import PageHealth
from touchstream.sinks.page.sign_in import Visitor
from touchstream.sinks.page.stage import chart
from touchstream.sinks.page.stage.selection import COMPARES, LASTS, PARTS
from touchstream.sinks.page.stage.view import metrics_of_course
from touchstream.sinks.page.trend import HEIGHT, WIDTH

_NAME_CHARS: Final = 80


@dataclass(frozen=True)
class Frame:
    """Where a page is, and for whom. root: the address of the page's root, from there; stream: of its events, from the
    root."""

    root: str
    stream: str
    visitor: Visitor


@dataclass(frozen=True)
class Sought:
    """The request of the customer page and its result. root: the address of the page's root, from there."""

    wanted: str
    anonymous: bool
    view: CustomerView | None
    trouble: str | None
    root: str
    visitor: Visitor


class Drawing:
    """Draws documents, their boards, and their health."""

    def __init__(self, catalogue: Catalogue, notice: str | None = None) -> None:
        """notice: a line at the top of the page, such as that the customers are simulated."""
        self._templates = Environment(
            loader=PackageLoader("touchstream.sinks.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"named": _named, "attribute": _attribute, "spelled": spelled, "amount": _amount}
        self._templates.filters |= {"quoted": _quoted, "time_of_day": _time_of_day}
        on_page = shown(catalogue)
        metrics = [(catalogue.title(name), catalogue.metrics[name]) for name in (*on_page.rolling, *on_page.visits)]
        self._templates.globals |= {
            "windows": WINDOWS,
            "metrics": metrics,
            "notice": notice,
            "number": number,
            "trend_box": f"0 0 {WIDTH} {HEIGHT}",
            "chart_box": (chart.WIDTH, chart.HEIGHT),
            "of_course": frozenset(metrics_of_course(catalogue)),
            "lasts": LASTS,
            "compares": COMPARES,
            "part_names": PARTS,
            "ways": [
                ("", "Overview"),
                ("alerts", "Alerts"),
                ("annotations", "Noted"),
                ("catalogue", "Catalogue"),
                ("health", "Health"),
            ],
        }

    def document(
        self,
        template: str,
        frame: Frame,
        selection: Any,
        board: str,
        health: PageHealth,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        """A live page's document; `board` is drawn already; more: values for this template alone."""
        shown = {"frame": frame, "selection": selection, "board": Markup(board), "health": health}  # noqa: S704
        return self._draw(template, shown | dict(more))

    def board(self, board: Board) -> str:
        """All that changes with new numbers on the overview."""
        return self._draw("board.html", {"board": board})

    def part(self, template: str, view: object) -> str:
        """All that changes with new numbers on another page."""
        return self._draw(template, {"view": view})

    def health(self, health: PageHealth) -> str:
        """All that changes every second."""
        return self._draw("health.html", {"health": health})

    def still(self, template: str, frame: Frame, values: Mapping[str, Any]) -> str:
        """The document of a page that doesn't move."""
        return self._draw(template, {"frame": frame} | dict(values))

    def customer(self, sought: Sought) -> str:
        """The document of one person, or of the form to look for one."""
        view = sought.view
        about = {"facts": facts(view), "warnings": warnings(view), "sections": sections(view)} if view else {}
        frame = Frame(sought.root, "", sought.visitor)
        return self.still("customer.html", frame, {"sought": sought, "view": view} | about)

    def _draw(self, template: str, values: Mapping[str, Any]) -> str:
        return self._templates.get_template(template).render(values)


def _quoted(name: str) -> str:
    """A name as a part of a path: any character may stand in it, a slash too."""
    return quote(name, safe="")


def _time_of_day(at_ms: int, format_: str = "%H:%M:%S") -> Markup:
    """An instant (milliseconds since 1970) in UTC; the page's script adds the viewer's own time."""
    at = instant(at_ms)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), at.strftime(format_))


def _named(name: str) -> Markup:
    """A name as it came, in a direction of its own; one that is too long for a screen is whole in its title."""
    if not name.strip():
        return Markup('<bdi class="blank">“{}”</bdi>').format(name)
    if len(name) <= _NAME_CHARS:
        return Markup("<bdi>{}</bdi>").format(name)
    return Markup('<bdi title="{}">{}…</bdi>').format(_attribute(name), name[:_NAME_CHARS])


def _amount(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _attribute(value: str) -> Markup:
    """An attribute's value that is read back as it was: a bare line break wouldn't be."""
    return Markup(str(escape(value)).replace("\r", "&#13;").replace("\n", "&#10;"))  # noqa: S704 - escaped before
