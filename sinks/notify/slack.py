"""Notifications to Slack, by an incoming webhook: one line of text."""

import re
from typing import Final

from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.notify.post import Post

_MARK: Final = {"firing": "🔴", "resolved": "🟢"}
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Slack:
    """An incoming webhook. Slack knows no keys: after a crash a line may stand twice."""

    name: Final = "slack"

    def __init__(self, url: str) -> None:
        self._post = Post(url)

    def send(self, notification: Notification) -> None:
        """POST it. Raises NotDelivered, RefusedForGood."""
        # Slack's own three characters: a name in an event must not ring for everybody (<!channel>).
        text = re.sub("[&<>]", lambda found: _ESCAPES[found[0]], notification.text)
        mark = _MARK.get(notification.headline, "⚪")
        self._post({"text": f"{mark} {text}".strip()}, {"Idempotency-Key": notification.key})

    def close(self) -> None:
        """Nothing is kept open."""
