from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.bench.events import generate
from tests.bench.peers import Peer, field
from tests.bench.peers.kept import PeerMissingError, kept, run
from tests.bench.peers.panes import Panes
from tests.bench.peers.quix_streams.columns import ColumnPanes

END_MS = 1_790_000_000_000


def test_a_peer_that_lacks_something_is_left_out_and_it_is_said_what() -> None:
    def command() -> tuple[str, ...]:
        raise PeerMissingError("there is no `java` on the PATH")

    found = field([Peer("first", lambda: ("true",)), Peer("second", command)])
    assert [peer.name for peer, _ in found.entered] == ["first"]
    assert found.missing == {"second": "there is no `java` on the PATH"}


def test_the_parts_of_a_peer_are_made_once_and_anew_from_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []

    def make(directory: Path) -> None:
        (directory / "program").write_text(str(len(made)))
        made.append(directory)

    first, again, other = kept("peer", [b"1"], make), kept("peer", [b"1"], make), kept("peer", [b"2"], make)
    assert first == again != other
    assert [(one / "program").read_text() for one in (first, other)] == ["0", "1"]


def test_of_a_making_that_failed_nothing_is_kept_and_its_error_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def failing(command: tuple[str, ...], directory: Path) -> None:
        (directory / "half").touch()
        run("making it", command)

    for command, said in (
        (("sh", "-c", "echo begun; echo '[ERROR] no such thing'; exit 1"), "making it: [ERROR] no such thing"),
        (("sh", "-c", "exit 1"), "making it: nothing"),
        (("no-such-program",), "making it: there is no `no-such-program` on the PATH"),
    ):
        with pytest.raises(PeerMissingError) as error:
            kept("peer", [b"1"], partial(failing, command))
        assert str(error.value) == said
    assert [file.suffix for file in (tmp_path / "touchstream").iterdir()] == [".lock"]


def test_batches_in_columns_make_the_panes_that_single_events_make() -> None:
    values = generate(3_000, END_MS).record_values()
    columns, single = ColumnPanes(), Panes()
    rows: dict[tuple[Any, ...], list[Any]] = {}
    for start in range(0, len(values), 1_000):
        rows |= {tuple(row[:5]): row[5:-1] for row in columns.add(values[start : start + 1_000])}
    for value in values:
        single.add(value)
    assert rows == {tuple(row[:5]): row[5:-1] for row in single.changed_rows()}
    assert columns.events == single.events == len(values)
