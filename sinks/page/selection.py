"""What a viewer has chosen: in the address of the page, so that it can be kept and shared. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from touchstream.schemas.groups import name_of, spelled
from touchstream.schemas.touchpoint import NAME_BYTES_MAX
from touchstream.schemas.windows import BY_NAME, Window

DEFAULT_WINDOW: Final = "5m"


class SelectionError(ValueError):
    """An address asks for what there isn't; the message says what there is."""


def require_names(query: Mapping[str, str], *names: str) -> None:
    """Refuse an address in which one of these names is longer than events can have it. Raises SelectionError."""
    for name in names:
        if len(query.get(name, "").encode(errors="replace")) > NAME_BYTES_MAX:
            raise SelectionError(f"{name} is too long: a name has at most {NAME_BYTES_MAX} bytes")


@dataclass(frozen=True)
class Selection:
    """A view of the journey. channel, segment: a name, or None for all; an empty segment is that of events without one.

    journey None: the first one declared. opened: the stage whose channels are shown, or None.
    """

    window: str = DEFAULT_WINDOW
    journey: str | None = None
    channel: str | None = None
    segment: str | None = None
    opened: str | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Selection":
        """From the parameters of an address. Raises SelectionError."""
        window = query.get("window", DEFAULT_WINDOW)
        if window not in BY_NAME:
            raise SelectionError(f"there is no such window: choose one of {', '.join(BY_NAME)}")
        require_names(query, "journey", "channel", "segment", "open")
        return cls(
            window=window,
            journey=query.get("journey"),
            channel=name_of(query.get("channel", spelled(None))),
            segment=name_of(query.get("segment", spelled(None))),
            opened=query.get("open"),
        )

    @property
    def rolling(self) -> Window:
        """The window itself."""
        return BY_NAME[self.window]

    @property
    def query(self) -> str:
        """The parameters of its address."""
        given = {"journey": self.journey, "open": self.opened}
        chosen = {"channel": self.channel, "segment": self.segment}
        given |= {name: spelled(value) for name, value in chosen.items() if value is not None}
        return urlencode({"window": self.window} | {name: value for name, value in given.items() if value is not None})

    @property
    def stage_query(self) -> str:
        """The parameters of a stage's page with the same choices, to which the metric is added."""
        given = {"journey": self.journey}
        given |= {
            name: spelled(one)
            for name, one in (("channel", self.channel), ("segment", self.segment))
            if one is not None
        }
        query = urlencode({name: value for name, value in given.items() if value is not None})
        return f"{query}&" if query else ""

    def opening(self, stage: str | None) -> "Selection":
        """The same view with a stage opened, or none."""
        return replace(self, opened=stage)
