"""The local ClickHouse on the wire, as any client of HTTP speaks with it."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        return self.headers.get("X-ClickHouse-Exception-Code")


def basic(credentials: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"}


def password_of(url: str) -> dict[str, str]:
    """The header with which a client authenticates."""
    return basic(f"{urlsplit(url).username}:{urlsplit(url).password}")


class Wire:
    """One connection that is kept."""

    def __init__(self, url: str) -> None:
        self.connection = HTTPConnection(urlsplit(url).netloc.rpartition("@")[2])
        self.password = urlsplit(url).password or ""
        self.headers = password_of(url)

    def ask(
        self,
        statement: str | None = None,
        /,
        body: bytes | Iterator[bytes] | None = None,
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> Answer:
        if statement is not None:
            parameters["query"] = statement
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        self.connection.request(method, target, body, {**self.headers, **(headers or {})})
        response = self.connection.getresponse()
        return Answer(response.status, dict(response.headers.items()), response.read())
