"""All that is measured of how cost grows, one after the other."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.bench import growth_clickhouse, growth_lanes, growth_memory, growth_names
from tests.bench.growth import Growth

PARTS: Final = ("lanes", "memory", "flush", "roll", "names")


def growths(parts: Sequence[str], events: int, quick: bool, say: Callable[[str], None]) -> Iterator[Growth]:
    """What each of PARTS says. events: for the lanes; quick: without the largest size of each part."""

    def sizes(known: Sequence[int]) -> Sequence[int]:
        return known[:-1] if quick else known

    if "lanes" in parts:
        with _directory() as directory:
            yield growth_lanes.throughput(Path(directory), events, sizes(growth_lanes.LANES), say)
    if "memory" in parts:
        say("memory, in processes of its own")
        yield growth_memory.memory_of_ids(sizes(growth_memory.SIZES))
        yield growth_memory.memory_of_customers(sizes(growth_memory.SIZES))
    if {"flush", "roll", "names"} & {*parts}:
        with _directory() as directory, growth_clickhouse.clickhouse_in(Path(directory)) as clickhouse:
            if "flush" in parts:
                say("flushes")
                yield growth_clickhouse.flushes(clickhouse, sizes(growth_clickhouse.PANES))
            if "roll" in parts:
                say("steps of roll")
                yield growth_clickhouse.rolls(clickhouse, sizes(growth_clickhouse.GROUPS))
                yield growth_clickhouse.rolls_by_events(clickhouse, sizes(growth_clickhouse.RAW_EVENTS))
            if "names" in parts:
                say("steps of roll by names that come once")
                yield growth_names.rolls_by_names(clickhouse, sizes(growth_names.NAMES))


def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="touchstream-growth-")
