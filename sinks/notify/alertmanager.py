"""Notifications to Prometheus Alertmanager (API v2), which groups, silences and routes them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from touchstream.schemas.alerts import DIMENSIONS
from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.notify.post import Post

WATCHDOG: Final = "TouchstreamWatchdog"
"""The alert that always fires: its absence says that watch does not judge."""
_WATCHED_FOR: Final = timedelta(minutes=5)
_AT_ONCE: Final = 500
_FIRES_FOR: Final = timedelta(days=30)
"""End time sent with a firing alert: without one Alertmanager resolves what isn't sent again within its
`resolve_timeout`, also when `watch` is away, which resolves nothing."""


class Alertmanager:
    """An Alertmanager; url: such as http://host:9093."""

    name: Final = "alertmanager"

    def __init__(self, url: str, namespace: str = "") -> None:
        """Namespace: as it is stored; a label, which the alerts of the first one do without."""
        self._namespace = {"namespace": namespace} if namespace else {}
        self._post = Post(url.rstrip("/") + "/api/v2/alerts")

    def send(self, notification: Notification) -> None:
        """POST it. Raises NotDelivered, RefusedForGood."""
        self._post([_alert(notification, self._namespace)], {"Idempotency-Key": notification.key})

    def close(self) -> None:
        """Nothing is kept open."""

    def remind(self, firing: Sequence[Notification]) -> None:
        """POST all that fires, and a watchdog, which ends by itself when it is not sent again."""
        now = datetime.now(UTC)
        watchdog = {
            "labels": {"alertname": WATCHDOG, "severity": "none"} | self._namespace,
            "annotations": {"summary": "Always firing while touchstream watch judges and reaches this Alertmanager."},
            "endsAt": now + _WATCHED_FOR,
        }
        # The watchdog last: it must not live while alerts are refused.
        for start in range(0, len(firing), _AT_ONCE):
            self._post([_alert(one, self._namespace) for one in firing[start : start + _AT_ONCE]], {})
        self._post([watchdog], {})


def _alert(of: Notification, namespace: dict[str, str]) -> dict[str, Any]:
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
        "labels": {name: value for name, value in labels.items() if value} | namespace,
        "annotations": {"summary": of.summary, "description": of.text, "owner": of.owner},
    }
    if of.state == "firing":
        return alert | {"startsAt": of.since, "endsAt": of.since + _FIRES_FOR}
    return alert | {"endsAt": of.since}
