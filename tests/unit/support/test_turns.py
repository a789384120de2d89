"""Whoever runs alone runs while nobody else does, and is not overtaken while it waits."""

import fcntl
import threading
from pathlib import Path

import pytest

from tests.support.stack import eventually
from tests.support.turns import turn


def taken(file: Path, how: int) -> bool:
    """Whether a lock of this kind would have to wait."""
    with file.open("w") as opened:
        try:
            fcntl.flock(opened, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_others_may_come_but_nobody_may_be_alone_then(tmp_path: Path) -> None:
    with turn(tmp_path, alone=False), turn(tmp_path, alone=False):
        assert taken(tmp_path / "room", fcntl.LOCK_EX)


def test_nobody_may_come_while_one_is_alone(tmp_path: Path) -> None:
    with turn(tmp_path, alone=True):
        assert taken(tmp_path / "room", fcntl.LOCK_SH)
    with turn(tmp_path, alone=False):
        pass


@pytest.mark.parametrize("alone", [True, False])
def test_who_waits_for_its_turn_is_the_next(tmp_path: Path, alone: bool) -> None:
    came = threading.Event()

    def waits() -> None:
        with turn(tmp_path, alone=alone):
            came.set()

    thread = threading.Thread(target=waits)
    with turn(tmp_path, alone=not alone):
        thread.start()
        eventually(lambda: taken(tmp_path / "gate", fcntl.LOCK_EX))
        assert not came.is_set()
    thread.join()
    assert came.is_set()
