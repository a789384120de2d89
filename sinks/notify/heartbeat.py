"""A sign of life for a service that raises the alarm when none comes: a POST each minute while `watch` judges."""

from collections.abc import Sequence
from typing import Final

from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.notify.post import Post


class Heartbeat:
    """The address of a check such as healthchecks.io; it is told of no alerts."""

    name: Final = "heartbeat"

    def __init__(self, url: str) -> None:
        self._post = Post(url)

    def send(self, notification: Notification) -> None:
        """Nothing: no change names this destination."""

    def remind(self, firing: Sequence[Notification]) -> None:
        """POST how many alerts fire. Raises NotDelivered, RefusedForGood."""
        self._post({"service": "touchstream watch", "firing": len(firing)}, {})

    def close(self) -> None:
        """Nothing is kept open."""
