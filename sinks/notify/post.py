"""A POST of JSON, bounded in time, with what its answer means for a notification."""

from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers

from touchstream.sinks.notify.notification import NotDelivered, RefusedForGood

_TIMEOUT: Final = Timeout(connect=5, read=10)
_NEVER: Final = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431})
"""Status codes that are not retried, because they blame the request. Others, also 401, 403 and 404, can be mended."""


class Post:
    """POSTs to one URL; user and password in it become basic authentication. Raises ValueError for no such URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write the address of a destination as http://host:port/path or https://…")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        server = host if parts.port is None else f"{host}:{parts.port}"
        self._url = parts._replace(netloc=server, fragment="").geturl()
        self._headers = {"Content-Type": "application/json", "User-Agent": "touchstream"}
        if parts.username:
            self._headers |= make_headers(basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")
        # Redirects are not followed: an alert goes to the configured address only. Callers wait, and retry.
        self._pool = PoolManager(num_pools=1, maxsize=1, retries=Retry(0, redirect=False), timeout=_TIMEOUT)

    def __call__(self, content: Any, headers: dict[str, str]) -> None:
        """Send. Raises NotDelivered, RefusedForGood; neither names the URL, which may hold a secret."""
        body = msgspec.json.encode(content)
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=self._headers | headers)
        except HTTPError as error:
            raise NotDelivered(f"no answer: {type(error).__name__}") from error
        if answer.status in _NEVER:
            raise RefusedForGood(f"answers {answer.status}")
        if not 200 <= answer.status < 300:
            raise NotDelivered(f"answers {answer.status}")

    def close(self) -> None:
        """End the connection."""
        self._pool.clear()
