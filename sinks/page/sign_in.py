"""Who looks at the page: people whom a proxy has signed in and names in a header, or anybody where there is no proxy.

The header is believed from the proxy's own address only; a request from anywhere else is refused, whatever it bears.
"""

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from touchstream.schemas.alert_actions import one_line

EVERYBODY: Final = "*"
"""As a name in a list: whoever is signed in."""
GROUP: Final = "group:"
"""Before the name of a group in a list of names."""
_OPEN: Final = frozenset({"/healthz", "/metrics"})
"""Asked for by machines."""
_STATIC: Final = "/static/"
_STATE: Final = "visitor"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Visitor:
    """Who sent a request. name: empty without sign-in. operator: may act on alerts; people: may see persons."""

    name: str = ""
    operator: bool = False
    people: bool = False


class SignInError(Exception):
    """A request without one good name; status and words of the answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class SignIn:
    """How visitors are known: by the header in which a proxy at one of these networks names them.

    operators, people: names, groups as `group:NAME`, or `*` for all who are signed in.
    """

    user_header: str
    proxies: tuple[str, ...]
    groups_header: str = ""
    operators: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    @cached_property
    def _networks(self) -> tuple[_Network, ...]:
        return tuple(ipaddress.ip_network(one, strict=False) for one in self.proxies)

    def visitor(self, asked: HTTPConnection) -> Visitor:
        """Who sent a request. Raises SignInError."""
        if not self._is_proxy(asked):
            raise SignInError(403, "this page is asked for through its proxy, which signs people in")
        names = asked.headers.getlist(self.user_header)
        if not names or not names[0].strip():
            raise SignInError(401, f"the proxy gives no name: {self.user_header} is empty or missing; sign in there")
        if len(names) > 1:
            raise SignInError(400, f"{self.user_header} stands there more than once")
        try:
            name = one_line(names[0].encode("latin-1").decode("utf-8"))
        except ValueError as error:
            raise SignInError(400, f"{self.user_header} is no name") from error
        known = {EVERYBODY, *(GROUP + group for group in self._groups(asked))}
        if not name.startswith(GROUP):  # a name is no group, whatever it looks like
            known.add(name)
        return Visitor(name, not known.isdisjoint(self.operators), not known.isdisjoint(self.people))

    def _is_proxy(self, asked: HTTPConnection) -> bool:
        if asked.client is None:
            return False
        try:
            address = ipaddress.ip_address(asked.client.host)
        except ValueError:
            return False
        known = getattr(address, "ipv4_mapped", None) or address
        return any(known in network for network in self._networks)

    def _groups(self, asked: HTTPConnection) -> set[str]:
        """Separated by commas, in one header or several."""
        given = asked.headers.getlist(self.groups_header) if self.groups_header else ()
        texts = (text.encode("latin-1").decode("utf-8", errors="replace") for text in given)
        return {group for text in texts for one in text.split(",") if (group := one.strip())}


def for_visitors(app: ASGIApp, sign_in: SignIn | None, anybody: Visitor) -> ASGIApp:
    """An application whose requests have a visitor; anybody: who that is without sign-in."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(scope["path"]):
            visitor = anybody
            if sign_in is not None:
                try:
                    visitor = sign_in.visitor(HTTPConnection(scope))
                except SignInError as error:
                    return await PlainTextResponse(f"{error}\n", error.status)(scope, receive, send)
            scope.setdefault("state", {})[_STATE] = visitor
        return await app(scope, receive, send)

    return wrapped


def is_open(path: str) -> bool:
    """Whether a path is answered to whoever asks: to machines, or with what is the same for everybody."""
    return path in _OPEN or path.startswith(_STATIC)


def visitor_of(asked: HTTPConnection) -> Visitor:
    """Who sent a request that `for_visitors` let in; without it, a visitor who may do nothing but look."""
    visitor = asked.scope.get("state", {}).get(_STATE)
    return visitor if isinstance(visitor, Visitor) else Visitor()
