"""`touchstream worker` with one of its functions replaced, to be run as a process: `python -m … NAME`.

Each entry of FAULTS hangs or breaks at another place; HELD is printed once it has come there.
"""

import asyncio
import operator
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

HELD: Final = "-- held --"
_FOR_EVER: Final = 10**6


def _say() -> None:
    print(HELD, file=sys.stderr, flush=True)


async def _hang(*_: Any, **__: Any) -> None:
    _say()
    await asyncio.sleep(_FOR_EVER)


async def _deaf(*_: Any, **__: Any) -> None:
    """Hangs, and can't be cancelled."""
    _say()
    while True:
        try:
            await asyncio.sleep(_FOR_EVER)
        except asyncio.CancelledError:
            continue


def _block(*_: Any, **__: Any) -> None:
    _say()
    time.sleep(_FOR_EVER)


async def _block_loop(*_: Any, **__: Any) -> None:
    _block()


def _raising(error: type[BaseException]) -> Callable[..., Any]:
    async def raises(*_: Any, **__: Any) -> None:
        _say()
        raise error("broken on purpose")

    return raises


def _thread_dies(*_: Any, **__: Any) -> None:
    _say()
    raise SystemExit


def _deadlock(*_: Any, **__: Any) -> None:
    _say()
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


FAULTS: Final[dict[str, tuple[str, str, Callable[..., Any]]]] = {
    # It fails: (module, name, replacement).
    "a flush raises": ("touchstream.streams.worker.lanes", "Lanes.flush", _raising(RuntimeError)),
    "a flush raises SystemExit": ("touchstream.streams.worker.lanes", "Lanes.flush", _raising(SystemExit)),
    "a flush runs out of memory": ("touchstream.streams.worker.lanes", "Lanes.flush", _raising(MemoryError)),
    "the observer raises": ("touchstream.streams.worker.observer", "Observer.look", _raising(RuntimeError)),
    "the agent's work raises": ("touchstream.streams.worker.lanes", "Lanes.take", _raising(RuntimeError)),
    # It goes on, or seems to, until it is told to stop.
    "a flush hangs": ("touchstream.streams.worker.lanes", "Lanes.flush", _hang),
    "a flush is deaf": ("touchstream.streams.worker.lanes", "Lanes.flush", _deaf),
    "the measuring thread hangs": ("touchstream.streams.worker.store", "WorkerTables.take", _block),
    "the measuring thread dies": ("touchstream.streams.worker.store", "WorkerTables.take", _thread_dies),
    "the inserting thread hangs": ("touchstream.streams.worker.store", "WorkerTables.write", _block),
    "the inserting thread dies": ("touchstream.streams.worker.store", "WorkerTables.write", _thread_dies),
    "a loading thread hangs": ("touchstream.streams.worker.store", "WorkerTables.load", _block),
    "a loading thread waits for a lock": ("touchstream.streams.worker.store", "WorkerTables.load", _deadlock),
    "the event loop is blocked": ("touchstream.streams.worker.observer", "Observer.look", _block_loop),
    "lanes are stopped for ever": ("touchstream.streams.worker.lanes", "Lanes.stop", _hang),
    "lanes are stopped and deaf": ("touchstream.streams.worker.lanes", "Lanes.stop", _deaf),
    "stopping lanes raises": ("touchstream.streams.worker.lanes", "Lanes.stop", _raising(RuntimeError)),
    "lanes are revoked for ever": ("touchstream.streams.worker.lanes", "Lanes.revoked", _hang),
    "a commit hangs": ("touchstream.streams.worker.transport", "BatchConsumer.commit_lanes", _hang),
    "the consumer stops for ever": ("touchstream.streams.worker.transport", "BatchConsumer.stop", _hang),
    "the producer stops for ever": ("faust.transport.drivers.aiokafka", "Producer.stop", _deaf),
    "the producer can't be stopped": ("faust.transport.drivers.aiokafka", "Producer.stop", _raising(RuntimeError)),
    "leading hangs": ("touchstream.streams.app", "_lead", _deaf),
}
ENDS_BY_ITSELF: Final = tuple(FAULTS)[:3]
"""The others are told to stop, by SIGTERM."""
NOT_BEFORE_STOPPING: Final = tuple(name for name, (_, place, _) in FAULTS.items() if "stop" in place)
"""Comes there once it is told to stop."""


def replaced(fault: str) -> tuple[Any, str]:
    """The module or class, and the name in it. Raises AttributeError where there is no such name."""
    module, place, _ = FAULTS[fault]
    *owner, name = place.split(".")
    holder = operator.attrgetter(*owner)(import_module(module)) if owner else import_module(module)
    getattr(holder, name)
    return holder, name


def main(fault: str) -> None:
    """Replace, and run the worker."""
    _, _, replacement = FAULTS[fault]
    setattr(*replaced(fault), replacement)
    from touchstream.streams.cli.worker import worker

    worker()


if __name__ == "__main__":
    main(sys.argv[1])
