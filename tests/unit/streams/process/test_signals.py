"""`Stop`: a signal may come at any moment, and whoever waits goes on."""

import signal
import subprocess
import sys
import threading

import pytest

from touchstream.streams.process.signals import Stop, ctrl_c_asked

SIGNALLED_WHILE_WAITING = """
import random, signal
from touchstream.streams.process.signals import Stop
stop = Stop.on_signals()
signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
for _ in range(5_000):
    stop.__init__()
    signal.setitimer(signal.ITIMER_REAL, 0.000_001 + 0.000_2 * random.random())
    while not stop.wait(0.000_02):
        pass
"""


def test_a_signal_at_any_moment_of_a_wait_ends_it() -> None:
    # In a process of its own: a handler that waits for what its own thread holds would hang this one for good.
    subprocess.run([sys.executable, "-c", SIGNALLED_WHILE_WAITING], check=True, timeout=60)


def test_a_wait_lasts_until_its_timeout_or_the_stop() -> None:
    stop = Stop()
    assert not stop.wait(0)
    assert not stop.wait(0.01)
    stop.set()
    assert stop.is_set()
    assert stop.wait()
    assert stop.wait(60)


def test_all_who_wait_go_on() -> None:
    stop = Stop()
    waiting = [threading.Thread(target=stop.wait) for _ in range(3)]
    for thread in waiting:
        thread.start()
    stop.set()
    for thread in waiting:
        thread.join(10)
    assert not any(thread.is_alive() for thread in waiting)


def test_ctrl_c_asks_once_interrupts_when_it_is_pressed_again_and_is_given_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ctrl_c_asked() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
