"""GET requests to processes on this machine, which may hang, die meanwhile, or be something else altogether."""

import http.client
from urllib.parse import urlsplit

ANSWER_SECONDS = 1.0


def get(url: str) -> tuple[int, str] | None:
    """Status and body that `url` answers; None where nothing on the port speaks HTTP, or not within a second.

    Proxies of the environment are not used.
    """
    parts = urlsplit(url)
    try:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", parts.path or "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):  # ValueError: bytes that are no UTF-8, sizes that are none
        return None


def body(url: str) -> str | None:
    """The body that `url` answers with a status of success, else None."""
    answer = get(url)
    return answer[1] if answer is not None and answer[0] < http.client.MULTIPLE_CHOICES else None


def is_well(url: str) -> bool | None:
    """The health of a process at /healthz: False if it asks to be replaced (503), None without an answer."""
    answer = get(url)
    return None if answer is None else answer[0] != http.client.SERVICE_UNAVAILABLE
