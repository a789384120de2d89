"""Notifications to any HTTP endpoint: the notification as JSON, its key as `Idempotency-Key`."""

from typing import Final

from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.notify.post import Post


class Webhook:
    """Taken when it answers 2xx. It may get a notification twice, with the same key."""

    name: Final = "webhook"

    def __init__(self, url: str) -> None:
        self._post = Post(url)

    def send(self, notification: Notification) -> None:
        """POST it. Raises NotDelivered, RefusedForGood."""
        self._post(notification, {"Idempotency-Key": notification.key})

    def close(self) -> None:
        """End the connection."""
        self._post.close()
