"""ready.json: in whole or not at all, for its owner alone, and gone when the stack is."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.support.full_disk import filled, small_disk
from touchstream.streams.cli.local import ready_file
from touchstream.streams.cli.local.ready_file import ReadyFile


def test_the_ready_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ReadyFile(tmp_path / "ready.json").keep({"kafka": "kafka://127.0.0.1:9092"})
    finally:
        os.umask(before)
    path = tmp_path / "ready.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"kafka": "kafka://127.0.0.1:9092"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_ready_file_that_a_killed_stack_left_is_gone_before_a_new_one_is_ready(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text("{}")
    ready = ReadyFile(path)
    assert not path.exists()
    ready.keep({"kafka": "there"})
    ready.remove()
    ready.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_ready_file_without_a_directory_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such directory for the ready file"):
        ReadyFile(tmp_path / "missing" / "ready.json")


def test_on_a_full_disk_the_ready_file_stays_as_it_was_and_is_written_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready_file, "_RETRY_SECONDS", 0.0)
    with small_disk(tmp_path / "disk", "64k") as disk:
        path = disk / "ready.json"
        ready = ReadyFile(path)
        ready.keep({"worker_pids": [1]})
        with filled(disk):
            ready.keep({"worker_pids": [2]})
            assert json.loads(path.read_text()) == {"worker_pids": [1]}
        ready.keep({"worker_pids": [2]})
        assert json.loads(path.read_text()) == {"worker_pids": [2]}
        assert list(disk.iterdir()) == [path]
