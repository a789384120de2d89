"""Notifications to any HTTP endpoint: as JSON, the key as `Idempotency-Key`, signed where there are keys.

Signatures are those of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 of id, timestamp and body.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from touchstream.sinks.notify.notification import Notification
from touchstream.sinks.notify.post import Post


class Webhook:
    """Taken when it answers 2xx. It may get a notification twice, with the same key.

    keys: those that it is signed with. clock: seconds since 1970.
    """

    name: Final = "webhook"

    def __init__(self, url: str, keys: Sequence[bytes] = (), clock: Callable[[], float] = time.time) -> None:
        self._post, self._keys, self._clock = Post(url), tuple(keys), clock

    def send(self, notification: Notification) -> None:
        """POST it. Raises NotDelivered, RefusedForGood."""
        body = msgspec.json.encode(notification)
        headers = {"Idempotency-Key": notification.key}
        self._post.body(body, headers | self._signature(notification.key, body))

    def close(self) -> None:
        """Nothing is kept open."""

    def _signature(self, key: str, body: bytes) -> dict[str, str]:
        if not self._keys:
            return {}
        at = str(int(self._clock()))
        signed = b".".join([key.encode(), at.encode(), body])
        found = [base64.b64encode(hmac.digest(one, signed, hashlib.sha256)).decode() for one in self._keys]
        return {
            "webhook-id": key,
            "webhook-timestamp": at,
            "webhook-signature": " ".join(f"v1,{one}" for one in found),
        }
