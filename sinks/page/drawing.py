"""Boards as HTML, by the templates in `templates/`. Names come from events: each is escaped wherever it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from touchstream.schemas.groups import spelled
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.windows import WINDOWS
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.sinks.page.board import Board
from touchstream.sinks.page.customer_words import facts, sections, warnings
from touchstream.sinks.page.figures import NOTHING, number, shown
from touchstream.sinks.page.health import Health
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.trend import HEIGHT, WIDTH

_NAME_CHARS: Final = 80


@dataclass(frozen=True)
class Sought:
    """The request of the customer page and its result. root: the address of the page's root, from there."""

    wanted: str
    anonymous: bool
    view: CustomerView | None
    trouble: str | None
    root: str


class Drawing:
    """Draws the whole page, its board, and its health."""

    def __init__(self, catalogue: Catalogue, notice: str | None = None, customers: bool = False) -> None:
        """notice: a line at the top of the page, such as that the customers are simulated; customers: are shown."""
        self._templates = Environment(
            loader=PackageLoader("touchstream.sinks.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"named": _named, "attribute": _attribute, "spelled": spelled, "amount": _amount}
        on_page = shown(catalogue)
        metrics = [(catalogue.title(name), catalogue.metrics[name]) for name in (*on_page.rolling, *on_page.visits)]
        self._templates.globals |= {
            "windows": WINDOWS,
            "metrics": metrics,
            "notice": notice,
            "customers": customers,
            "number": number,
            "trend_box": f"0 0 {WIDTH} {HEIGHT}",
        }

    def page(self, selection: Selection, board: str, health: Health) -> str:
        """The document; `board` is drawn already."""
        return self._draw("page.html", {"selection": selection, "board": Markup(board), "health": health})  # noqa: S704

    def board(self, board: Board) -> str:
        """All that changes with new numbers."""
        return self._draw("board.html", {"board": board})

    def health(self, health: Health) -> str:
        """All that changes every second."""
        return self._draw("health.html", {"health": health})

    def customer(self, sought: Sought) -> str:
        """The document of one person, or of the form to look for one."""
        view = sought.view
        about = {"facts": facts(view), "warnings": warnings(view), "sections": sections(view)} if view else {}
        return self._draw("customer.html", {"sought": sought, "view": view} | about)

    def _draw(self, template: str, values: Mapping[str, Any]) -> str:
        return self._templates.get_template(template).render(values)


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
