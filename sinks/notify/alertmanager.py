"""Notifications to Prometheus Alertmanager (API v2), which groups, silences and routes them."""

from datetime import timedelta
from typing import Any, Final

from touchstream.schemas.alerts import DIMENSIONS
from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.notify.post import Post

_FIRES_FOR: Final = timedelta(days=30)
"""End time sent with a firing alert: without one Alertmanager resolves what isn't sent again within its
`resolve_timeout`. `watch` sends once that an alert fires and once that it is resolved."""


class Alertmanager:
    """An Alertmanager; url: such as http://host:9093."""

    name: Final = "alertmanager"

    def __init__(self, url: str) -> None:
        self._post = Post(url.rstrip("/") + "/api/v2/alerts")

    def send(self, notification: Notification) -> None:
        """POST it. Raises NotDelivered, RefusedForGood."""
        self._post([_alert(notification)], {"Idempotency-Key": notification.key})

    def close(self) -> None:
        """End the connection."""
        self._post.close()


def _alert(of: Notification) -> dict[str, Any]:
    """Labels are what tells one alert from another: firing and resolved have the same."""
    labels = {
        "alertname": of.rule,
        "severity": of.severity,
        "journey": of.journey,
        "stage": of.stage,
        "channel": of.channel,
        "segment": of.segment,
        "topic": of.topic,
        "by": ",".join(name for name in DIMENSIONS if getattr(of, name) is not None),
    }
    alert: dict[str, Any] = {
        # An empty label is no label to Alertmanager: `by` tells all together from a name that is empty.
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"summary": of.summary, "description": of.text, "owner": of.owner},
    }
    if of.state == "firing":
        return alert | {"startsAt": of.since, "endsAt": of.since + _FIRES_FOR}
    return alert | {"endsAt": of.since}
