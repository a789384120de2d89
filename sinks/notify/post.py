"""A POST of JSON, bounded in time, with what its answer means for a notification."""

import asyncio
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from touchstream.sinks.notify.notification import NotDelivered, RefusedForGood

DEADLINE_SECONDS: Final = 15.0
"""For the whole answer: one that comes byte by byte must not hold up the others."""
_NEVER: Final = frozenset({413, 422})
"""Status codes that are not retried: they blame the content, which will be the same. All others can be mended."""


class Post:
    """POSTs to one URL; user and password in it become basic authentication. Raises ValueError for no such URL."""

    def __init__(self, url: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write the address of a destination as http://host:port/path or https://…")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        server = host if parts.port is None else f"{host}:{parts.port}"
        self._url = URL(parts._replace(netloc=server, fragment="").geturl(), encoded=True)
        self._headers = {"Content-Type": "application/json", "User-Agent": "touchstream"}
        self._user = None
        if parts.username:
            self._user = aiohttp.BasicAuth(unquote(parts.username), unquote(parts.password or ""), encoding="utf-8")
        self._timeout = aiohttp.ClientTimeout(total=deadline_seconds, connect=5.0)

    def __call__(self, content: Any, headers: dict[str, str]) -> None:
        """Send. Raises NotDelivered, RefusedForGood; neither names the URL, which may hold a secret."""
        self.body(msgspec.json.encode(content), headers)

    def body(self, body: bytes, headers: dict[str, str]) -> None:
        """Send what is JSON already. Raises NotDelivered, RefusedForGood."""
        try:
            status = asyncio.run(self._send(body, self._headers | headers))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a timeout is an OSError
            raise NotDelivered(f"no answer: {type(error).__name__}") from error
        if status in _NEVER:
            raise RefusedForGood(f"answers {status}")
        if not 200 <= status < 300:
            raise NotDelivered(f"answers {status}")

    async def _send(self, body: bytes, headers: dict[str, str]) -> int:
        """The status. A connection of its own: notifications are few. Nothing of the answer's content is read."""
        async with aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            # Redirects are not followed: an alert goes to the configured address only.
            posted = session.post(self._url, data=body, headers=headers, auth=self._user, allow_redirects=False)
            async with posted as answer:
                return answer.status
