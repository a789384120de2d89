"""What a library says over and over is written now and then; what we say ourselves, always."""

import logging
import os
import subprocess
import sys

import pytest

from touchstream.streams.process.logs import REPEAT_SECONDS, Repeats

AWAY = "Unable connect to node with id %s: %s"


class Clock:
    """Stands still until it is moved."""

    now = 1.0

    def __call__(self) -> float:
        return self.now


def record(name: str, node: int = 1) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, AWAY, (node, "refused"), None)


def test_a_library_says_the_same_thing_once_in_a_while_and_how_often_it_would_have() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    assert [repeats.filter(record("aiokafka.conn")) for _ in range(5)] == [True, False, False, False, False]
    clock.now += REPEAT_SECONDS
    again = record("aiokafka.conn")
    assert repeats.filter(again)
    assert again.getMessage() == "Unable connect to node with id 1: refused (and 4 times since it was last written)"
    clock.now += REPEAT_SECONDS
    once_more = record("aiokafka.conn")
    assert repeats.filter(once_more)
    assert once_more.getMessage() == "Unable connect to node with id 1: refused"


def test_another_message_and_another_logger_are_written() -> None:
    repeats = Repeats(Clock())
    assert repeats.filter(record("aiokafka"))
    assert repeats.filter(record("aiokafka", node=2))
    assert repeats.filter(record("kafka"))


def test_our_own_messages_are_always_written() -> None:
    repeats = Repeats(Clock())
    assert all(repeats.filter(record("touchstream.streams.worker.flush")) for _ in range(5))


def test_the_memory_of_repeated_messages_is_bounded() -> None:
    repeats = Repeats(Clock())
    for node in range(5000):
        assert repeats.filter(record("kafka", node))
    assert not repeats.filter(record("kafka", 4999))


@pytest.mark.parametrize("style", ["console", "json"])
def test_tracebacks_hold_no_locals(style: str) -> None:
    """Those of our own loggers, of libraries, of the loggers of Faust's services and of what nobody catches."""
    script = f"""
import logging, structlog
from touchstream.streams.process.logs import configure_logs
configure_logs({style!r})

def breaks():
    password = "".join(["sec", "ret-", "4711"])
    event = {{"customer_id": password, "value": password.encode()}}
    raise RuntimeError("broken on purpose")

for name in ("touchstream.streams.app", "faust.worker", "mode.services", "uvicorn.error", "asyncio"):
    try:
        breaks()
    except RuntimeError as error:
        structlog.get_logger(name).error("fails", exc_info=error)
        logging.getLogger(name).exception("fails")
breaks()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("broken on purpose") >= 10
    assert "secret-4711" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("command", ["worker", "watch", "gateway", "page", "publish -"])
def test_no_command_that_breaks_tells_its_locals(command: str) -> None:
    script = f"""
import sys

def breaks(*_, **__):
    password = "".join(["sec", "ret-", "4711"])
    raise RuntimeError("broken on purpose")

from touchstream.streams import app
from touchstream.streams.cli import gateway, page, publish, watch, worker
app.build = lambda *_: None
worker._worker_process = gateway.serve = page.serve = breaks
watch.watch_until = publish.publish_files = breaks
from touchstream.streams.cli.main import main
sys.argv = ["touchstream", *{command!r}.split()]
main()
"""
    ports = {f"TOUCHSTREAM_{name}_PORT": "0" for name in ("METRICS", "WATCH", "PAGE", "GATEWAY")}
    environment = os.environ | ports
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 1
    assert "broken on purpose" in ended.stderr
    assert "secret-4711" not in ended.stderr + ended.stdout
