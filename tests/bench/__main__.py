"""python -m tests.bench: ours beside its peers, on this machine, in one run."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from tests.bench.arena import Topics, apache_kafka, arena, broker_name, local_broker
from tests.bench.contest import PeerFailedError, rounds
from tests.bench.events import generate
from tests.bench.filled import EVENTS as EVENTS_FILLED
from tests.bench.gateway import measure_gateway
from tests.bench.growth import print_growth
from tests.bench.growth_suite import PARTS, growths
from tests.bench.half_load import TooFewError, measure_half_load, print_half_load
from tests.bench.latency import PROBES, PROBES_QUICK, NotSeenError, measure, print_latencies
from tests.bench.peers import field
from tests.bench.queries import TIMES, measure_queries, print_queries
from tests.bench.report import document, print_table
from tests.bench.stages import print_stages, profile
from tests.bench.truth import WrongError
from tests.kafka.distribution import KafkaMissingError
from touchstream.streams.channels.in_flight import DeliveryFailed

EVENTS: Final = 1_000_000
EVENTS_QUICK: Final = 200_000
ROUNDS: Final = 3
ROUNDS_QUICK: Final = 2
SLOW_SHARE: Final = 0.06  # of the events, for peers that would need minutes for all of them
RESULT: Final = Path("build/bench.json")
_BROKERS: Final = {"local": local_broker, "apache": apache_kafka}


def main() -> None:
    """Exit code 1: a contestant failed, or its numbers are wrong."""
    options = _options()
    console = Console()
    if options.latency:
        _latency(console, PROBES_QUICK if options.quick else PROBES)
        return
    if options.half_load:
        _half_load(console, options.events)
        return
    if options.gateway:
        _gateway(console)
        return
    if options.queries:
        _queries(console, options.events)
        return
    if options.growth is not None:
        _growth(console, options)
        return
    if options.profile:
        events = generate(options.events, int(time.time() * 1000))
        print_stages(console, profile(events), len(events))
        return
    _contest(console, options)


def _contest(console: Console, options: argparse.Namespace) -> None:
    contestants = field()
    console.print(f"{options.events:,} events, {options.rounds} rounds; load average {os.getloadavg()[0]:.1f}")
    load_average = os.getloadavg()[0]
    events = generate(options.events, int(time.time() * 1000))
    topics = Topics.of(events, int(len(events) * SLOW_SHARE))
    try:
        with tempfile.TemporaryDirectory(prefix="touchstream-bench-") as directory:
            broker = _BROKERS[options.kafka](Path(directory))
            with arena(Path(directory), broker) as place:
                console.print(f"publishing to {broker_name(broker)}")
                place.publish(topics)
                done = list(rounds(place, topics, contestants, options.rounds, console.print))
    except (WrongError, PeerFailedError, KafkaMissingError) as error:
        sys.exit(str(error))
    report = document(done, broker_name(broker), load_average, contestants.missing)
    _write(report if options.kafka == "local" else {f"{options.kafka}_kafka": report})
    print_table(console, report)


def _latency(console: Console, probes: int) -> None:
    console.print(f"{probes} probes; load average {os.getloadavg()[0]:.1f}")
    try:
        with tempfile.TemporaryDirectory(prefix="touchstream-latency-") as directory:
            latencies = measure(Path(directory), probes)
    except NotSeenError as error:
        sys.exit(str(error))
    _write({"latency": latencies.document()})
    print_latencies(console, latencies)


def _half_load(console: Console, events: int) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="touchstream-half-load-") as directory:
            found = measure_half_load(Path(directory), generate(events, int(time.time() * 1000)))
    except (WrongError, TooFewError, DeliveryFailed, TimeoutError) as error:
        sys.exit(str(error))
    _write({"half_load": found.document()})
    print_half_load(console, found)


def _gateway(console: Console) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="touchstream-gateway-") as directory:
            taken = measure_gateway(Path(directory))
    except WrongError as error:
        sys.exit(str(error))
    _write({"gateway": taken.document()})
    console.print(f"{taken.events:,} events in {taken.seconds:.1f} s: {taken.events / taken.seconds:,.0f} a second")


def _queries(console: Console, events: int) -> None:
    with tempfile.TemporaryDirectory(prefix="touchstream-queries-") as directory:
        asked = measure_queries(Path(directory), events, TIMES, console.print)
    _write({"queries": asked.document()})
    print_queries(console, asked)


def _growth(console: Console, options: argparse.Namespace) -> None:
    try:
        for growth in growths(options.growth or PARTS, options.events, options.quick, console.print):
            # Each at once, for the whole takes minutes.
            _write({f"growth_{growth.name}": growth.document()})
            print_growth(console, growth)
    except WrongError as error:
        sys.exit(str(error))


def _write(report: dict[str, Any]) -> None:
    """What is measured apart stands in one file."""
    known = msgspec.json.decode(RESULT.read_bytes()) if RESULT.exists() else {}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(msgspec.json.format(msgspec.json.encode(known | report)) + b"\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{EVENTS_QUICK:,} events instead of {EVENTS:,}")
    parser.add_argument("--events", type=int, help="so many events")
    parser.add_argument("--rounds", type=int, help="how often each contestant runs; medians are compared")
    parser.add_argument("--kafka", choices=_BROKERS, default="local", help="the broker that they read from")
    parser.add_argument("--latency", action="store_true", help="published to visible instead, on a running stack")
    parser.add_argument("--half-load", action="store_true", help="published to queryable at half of full speed instead")
    parser.add_argument("--gateway", action="store_true", help="events a second that the gateway takes instead")
    parser.add_argument("--queries", action="store_true", help="what the page asks of a week, in milliseconds instead")
    parser.add_argument(
        "--growth", nargs="*", choices=PARTS, help=f"how cost grows instead: all of it, or of {', '.join(PARTS)}"
    )
    parser.add_argument("--profile", action="store_true", help="where the lane's time goes, in one process")
    options = parser.parse_args()
    options.events = options.events or _events(options)
    options.rounds = options.rounds or (ROUNDS_QUICK if options.quick else ROUNDS)
    return options


def _events(options: argparse.Namespace) -> int:
    """How many, where nothing is said."""
    if options.queries:
        return EVENTS_FILLED // 10 if options.quick else EVENTS_FILLED
    return EVENTS_QUICK if options.quick or options.growth is not None else EVENTS


if __name__ == "__main__":
    main()
