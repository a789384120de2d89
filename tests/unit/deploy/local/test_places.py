"""The data directory's lock and the choice of ports."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from touchstream.deploy.local.data_directory import DataDirectory, DataDirectoryInUseError
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.private_files import write_private

HOLD = "import sys, pathlib; from touchstream.deploy.local.data_directory import DataDirectory as D; "


def test_a_data_directory_is_made_with_its_parts(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "new" / "data") as data:
        for made in (data.path, data.clickhouse, data.logs):
            assert made.stat().st_mode & 0o777 == 0o700


def test_folders_that_an_earlier_data_directory_left_open_are_closed_but_not_the_directory_of_others(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "logs").mkdir(mode=0o755)
    with DataDirectory(tmp_path) as data:
        assert (data.path.stat().st_mode & 0o777, data.logs.stat().st_mode & 0o777) == (0o755, 0o700)


@pytest.mark.parametrize("name", ["lock", "logs", "clickhouse"])
def test_a_link_in_a_data_directory_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / name).symlink_to(tmp_path / "elsewhere" if name != "lock" else tmp_path / "other")
    with pytest.raises(OSError, match=name), DataDirectory(directory):
        pass
    assert not (tmp_path / "other").exists()


def test_a_private_file_takes_the_place_of_a_link_and_leaves_what_it_leads_to(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "ready.json"
    other.write_text("before")
    path.symlink_to(other)
    write_private(path, "{}")
    assert (path.read_text(), path.is_symlink(), path.stat().st_mode & 0o777) == ("{}", False, 0o600)
    assert other.read_text() == "before"


def test_a_second_stack_on_the_same_directory_is_told_who_has_it(tmp_path: Path) -> None:
    script = HOLD + "d = D(pathlib.Path(sys.argv[1])).__enter__(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DataDirectoryInUseError, match=rf"process {holder.pid}\).*--data"), DataDirectory(tmp_path):
            pass
        holder.kill()
        holder.wait()
    with DataDirectory(tmp_path):
        pass  # a killed holder leaves no lock behind


def test_a_directory_can_be_had_again_after_its_stack_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with DataDirectory(tmp_path):
            pass


def test_the_preferred_port_is_taken_if_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port


def test_another_port_is_chosen_if_something_listens_on_the_preferred_one() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        taken = listener.getsockname()[1]
        chosen = free_port(taken)
        assert chosen not in (0, taken)


def test_a_port_that_another_process_was_given_is_not_given_again_before_its_server_listens() -> None:
    port = free_port()
    claims = "from touchstream.deploy.local.ports import free_port\n"
    claims += f"print(free_port({port}), flush=True); import sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", claims], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == port
        assert free_port(port) != port
        other.communicate("")
    assert free_port(port) == port
