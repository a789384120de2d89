"""What a gateway has room for: bodies in memory, and requests at work; no key takes the room of all others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from touchstream.streams.channels.gateway.problems import Problem, come_back
from touchstream.streams.process import metrics

REQUESTS_AT_ONCE_MAX: Final = 32
"""Most requests with events in memory; each holds up to about four times the largest body."""
REQUESTS_OF_A_KEY_MAX: Final = 8
"""Most of these requests with the same key; further ones wait."""
PLACE_SECONDS: Final = 5.0
"""Longest wait of a request for its place, in seconds."""
BODIES_MAX: Final = 32
"""Room for this many bodies of the largest size, being received or processed."""
BODY_SECONDS: Final = 30.0
"""Timeout for a body to arrive, in seconds."""
BODY_SECONDS_AT_LEAST: Final = 10.0
BODY_BYTES_PER_SECOND_MIN: Final = 64 * 1024
"""Least average rate of a body in bytes a second, once BODY_SECONDS_AT_LEAST have passed."""
RETRY_SECONDS: Final = 1


class Body:
    """A body that is being received: how much of it is held, and the time that it has."""

    def __init__(self, bodies: Bodies, owner: str) -> None:
        self._bodies, self.owner = bodies, owner
        self.held_bytes = 0
        self.pushed_out = False
        self._timeout: asyncio.Timeout | None = None
        self._began = 0.0

    @asynccontextmanager
    async def arriving(self) -> AsyncIterator[None]:
        """While it arrives. Raises Problem: 408 if it comes too slowly, 503 if others needed its room."""
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        try:
            async with asyncio.timeout_at(self._began + min(BODY_SECONDS, BODY_SECONDS_AT_LEAST)) as self._timeout:
                yield
        except TimeoutError:
            raise self._given_up() from None
        finally:
            self._timeout = None

    def grow(self, received_bytes: int, held_bytes: int) -> None:
        """Record bytes received, compressed or not, and bytes held now. Raises Problem: 503 if there is no room."""
        self.held_bytes = held_bytes
        if self._timeout is not None:
            allowed = BODY_SECONDS_AT_LEAST + received_bytes / BODY_BYTES_PER_SECOND_MIN
            self._timeout.reschedule(self._began + min(BODY_SECONDS, allowed))
        self._bodies.make_room(self)

    @property
    def is_arriving(self) -> bool:
        """Whether the rest of it is waited for."""
        return self._timeout is not None and not self.pushed_out

    def push_out(self) -> None:
        """Give up receiving it: its room is needed."""
        self.pushed_out = True
        assert self._timeout is not None  # noqa: S101
        self._timeout.reschedule(asyncio.get_running_loop().time())

    def _given_up(self) -> Problem:
        if self.pushed_out:
            return _no_room()
        detail = (
            f"it has to be there within {BODY_SECONDS:g} s, after {BODY_SECONDS_AT_LEAST:g} s at"
            f" {BODY_BYTES_PER_SECOND_MIN} bytes a second or more; send smaller requests"
        )
        return Problem(408, "The body comes too slowly", detail)


class Bodies:
    """The bodies that are held. Where there is no room, the owner that holds most loses the one that began first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held: dict[Body, None] = {}

    @contextmanager
    def body(self, owner: str) -> Iterator[Body]:
        """Room for one, until its request is done."""
        body = Body(self, owner)
        self._held[body] = None
        try:
            yield body
        finally:
            del self._held[body]

    def make_room(self, asking: Body) -> None:
        """Evict bodies beyond the bound. Raises Problem: 503 if that is the caller's."""
        excess = sum(one.held_bytes for one in self._held if not one.pushed_out) - self._bytes_max
        while excess > 0:
            of_owners: Counter[str] = Counter()
            for one in self._held:
                of_owners[one.owner] += one.held_bytes * one.is_arriving
            most = max(of_owners, key=of_owners.__getitem__)
            first = next((one for one in self._held if one.owner == most and one.is_arriving and one.held_bytes), None)
            if first is None or first is asking:
                raise _no_room()
            first.push_out()
            excess -= first.held_bytes


class Places:
    """The requests whose events are at work, a bounded number of each key's and of all."""

    def __init__(self, of_a_key_max: int = REQUESTS_OF_A_KEY_MAX) -> None:
        self._of_a_key_max = of_a_key_max
        self._all = asyncio.Semaphore(REQUESTS_AT_ONCE_MAX)
        self._of_keys: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[None]:
        """One of them. Raises Problem: 503 if there is none for too long."""
        own = self._of_keys.setdefault(owner, asyncio.Semaphore(self._of_a_key_max))
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                await own.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError:
            raise come_back(503, "Too many requests at once", "send the request again later", RETRY_SECONDS) from None
        try:
            with metrics.GATEWAY_AT_WORK.track_inprogress():
                yield
        finally:
            self._all.release()
            own.release()


def _no_room() -> Problem:
    detail = "more bodies are being received than fit in memory; send the request again later"
    return come_back(503, "Too many requests at once", detail, RETRY_SECONDS)
