"""Children of the local stack: ready when it says so, back when they die, gone when it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.full_disk import filled, small_disk
from touchstream.deploy.local import die_with_parent, process
from touchstream.deploy.local.loopback import is_well
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.process import RESTART_SECONDS, STARTS_MAX, Child, ChildError
from touchstream.deploy.local.supervisor import Supervisor

STAY = "import time, pathlib, sys; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


def until(condition: Callable[[], object], supervisor: Supervisor | None = None) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline, "it didn't come to pass within three minutes"
        if supervisor is not None:
            supervisor.tick()
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")  # nobody may be there to reap an orphan


def child(
    name: str, script: str, *arguments: str | Path, ready: Callable[[], bool] = lambda: True, **more: float
) -> Child:
    return Child(name, (sys.executable, "-c", script, *map(str, arguments)), ready, **more)  # type: ignore[arg-type]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "logs") as supervisor:
        yield supervisor


def test_start_returns_when_all_of_them_are_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    signs = [tmp_path / "a", tmp_path / "b"]
    for sign in signs:
        supervisor.add(child(sign.name, STAY, sign, ready=sign.exists))
    supervisor.start("a", "b")
    assert all(sign.exists() for sign in signs)


def test_a_killed_child_runs_again_and_is_looked_after_when_it_is_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    sign, again = tmp_path / "sign", []
    worker = Child(
        "worker-1",
        (sys.executable, "-c", STAY, str(sign)),
        ready=sign.exists,
        restarted=lambda: again.append(sign.exists()),
    )
    supervisor.add(worker).start("worker-1")
    pids: list[int] = []
    for _ in range(2):
        pid = supervisor.pid("worker-1")
        assert pid is not None
        assert pid not in pids
        sign.unlink()
        os.kill(pid, signal.SIGKILL)
        until(lambda: len(again) > len(pids), supervisor)
        pids.append(pid)
    assert again == [True, True]


def test_a_child_that_dies_again_and_again_is_started_ever_more_slowly(supervisor: Supervisor) -> None:
    with capture_logs() as logs:
        supervisor.add(child("flapping", "import sys; sys.exit(3)"))
        supervisor.start("flapping")
        until(lambda: sum("ending" in entry for entry in logs) >= 4, supervisor)
    deaths = [entry for entry in logs if "ending" in entry]
    assert [entry["restart_in_seconds"] for entry in deaths] == list(RESTART_SECONDS[:4])
    assert {entry["ending"] for entry in deaths} == {"exited with status 3"}


def test_the_setup_after_a_restart_is_tried_until_it_works_while_another_child_is_started_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    signs, done = {name: tmp_path / name for name in ("broker", "tables")}, []

    def prepare() -> None:
        if not signs["tables"].exists():
            raise ConnectionRefusedError("no tables")
        done.append("prepared")

    supervisor.add(
        Child("broker", (sys.executable, "-c", STAY, str(signs["broker"])), signs["broker"].exists, restarted=prepare)
    )
    slow = "import time; time.sleep(0.5); " + STAY
    supervisor.add(child("tables", slow, signs["tables"], ready=signs["tables"].exists))
    supervisor.start("broker", "tables")
    with capture_logs() as logs:
        for name, sign in signs.items():
            sign.unlink()
            os.kill(supervisor.pid(name) or 0, signal.SIGKILL)
        until(lambda: done, supervisor)
    assert done == ["prepared"]
    failed = [entry for entry in logs if entry.get("error") == "no tables"]
    assert [entry["child"] for entry in failed] == ["broker"]  # said once


def test_a_child_that_dies_at_its_start_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    tried, sign = tmp_path / "tried", tmp_path / "sign"
    second_time = (
        "import pathlib, sys, time\ntried = pathlib.Path(sys.argv[2])\n"
        "if not tried.exists():\n    tried.touch(); sys.exit(1)\n"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    supervisor.add(child("worker", second_time, sign, tried, ready=sign.exists)).start("worker")
    assert supervisor.is_ready("worker")


def test_a_child_that_dies_while_others_start_is_started_again_meanwhile(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    supervisor.add(child("tables", STAY, sign, ready=sign.exists)).start("tables")
    sign.unlink()
    os.kill(supervisor.pid("tables") or 0, signal.SIGKILL)
    supervisor.add(child("worker", STAY, tmp_path / "worker", ready=sign.exists)).start("worker")
    until(lambda: supervisor.is_ready("tables"), supervisor)


SERVE = """
import signal, sys, time, pathlib
from http.server import BaseHTTPRequestHandler, HTTPServer
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if pathlib.Path(sys.argv[2]).exists() and sys.argv[3] == "silent": time.sleep(600)
        self.send_response(503 if pathlib.Path(sys.argv[2]).exists() else 200)
        self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.mark.parametrize("ill", ["says so", "silent"])
def test_a_child_that_hangs_is_ended_and_started_again(
    ill: str, supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(process, "SILENT_LOOKS_MAX", 2)
    port, sick = free_port(), tmp_path / "sick"
    url = f"http://{LOOPBACK}:{port}/healthz"
    argv = (sys.executable, "-c", SERVE, str(port), str(sick), ill)
    supervisor.add(
        Child("worker", argv, ready=lambda: is_well(url) is True, well=lambda: is_well(url), grace_seconds=0.1)
    )
    supervisor.start("worker")
    before = supervisor.pid("worker")
    assert before is not None
    sick.touch()
    until(lambda: not is_alive(before), supervisor)  # deaf to SIGTERM: it takes SIGKILL
    sick.unlink()
    until(lambda: supervisor.is_ready("worker") and supervisor.pid("worker") != before, supervisor)


def test_a_child_that_dies_at_its_start_says_why(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.add(child("broken", "print('no such port'); raise SystemExit(2)", ready=lambda: False))
    with pytest.raises(ChildError, match=r"(?s)broken exited with status 2 before it was ready.*no such port"):
        supervisor.start("broken")
    assert (tmp_path / "logs" / "broken.log").read_text().count("no such port") == STARTS_MAX


def test_a_command_that_does_not_exist_says_so(supervisor: Supervisor) -> None:
    supervisor.add(Child("missing", ("/no/such/command",), ready=lambda: False))
    with pytest.raises(ChildError, match="/no/such/command can't be started: No such file"):
        supervisor.start("missing")


def test_a_child_that_never_gets_ready_is_given_up(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.add(child("slow", STAY, tmp_path / "sign", ready=lambda: False, ready_seconds=0.1))
    with pytest.raises(ChildError, match=r"slow runs, but isn't ready after 0.1 s"):
        supervisor.start("slow")


def test_children_end_in_the_reverse_of_their_order(supervisor: Supervisor, tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    obey = (
        "import signal, sys, pathlib\n"
        "def end(*_): open(sys.argv[1], 'a').write(sys.argv[2] + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path(sys.argv[3]).touch()\n"
        "while True: signal.pause()"
    )
    for name in ("broker", "clickhouse", "worker"):
        sign = tmp_path / name
        supervisor.add(child(name, obey, ends, name, sign, ready=sign.exists))
        supervisor.start(name)
    supervisor.stop()
    assert ends.read_text().split() == ["worker", "clickhouse", "broker"]


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(supervisor: Supervisor, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + STAY
    supervisor.add(child("deaf", deaf, sign, ready=sign.exists, grace_seconds=0.1)).start("deaf")
    pid = supervisor.pid("deaf")
    assert pid is not None
    supervisor.stop()
    assert not is_alive(pid)


def test_ctrl_c_does_not_reach_the_children(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.add(child("worker", STAY, tmp_path / "sign")).start("worker")
    pid = supervisor.pid("worker")
    assert pid is not None
    assert os.getpgid(pid) == pid  # the terminal sends it to the foreground group, which is ours


PARENT = """
import sys, pathlib
from touchstream.deploy.local.supervisor import Child, Supervisor
sign = pathlib.Path(sys.argv[2])
supervisor = Supervisor(sign.parent)
supervisor.add(Child("worker", (sys.executable, "-c", sys.argv[1], str(sign)), ready=sign.exists)).start("worker")
print(supervisor.pid("worker"), flush=True)
sys.stdin.read()
"""
PARENT_ELSEWHERE = """
import os, subprocess, sys
become = "import sys, runpy; sys.platform = 'darwin'; runpy.run_path(sys.argv[0], run_name='__main__')"
become = f"import sys; sys.argv = sys.argv[1:]; {become}"
command = (sys.executable, "-c", become, sys.argv[3], str(os.getpid()), sys.executable, "-c", sys.argv[1], sys.argv[2])
print(subprocess.Popen(command).pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("parent", [PARENT, PARENT_ELSEWHERE], ids=["linux", "elsewhere"])
def test_no_child_outlives_a_supervisor_that_was_killed(parent: str, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    command = [sys.executable, "-c", parent, STAY, str(sign), str(die_with_parent.__file__)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        until(sign.exists)
        assert is_alive(pid)
        supervisor.kill()
    until(lambda: not is_alive(pid))


def test_a_log_is_cut_when_it_is_full_and_what_was_in_it_is_kept_once(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOG_BYTES_MAX", 10_000)
    talk = "import sys, time\nfor i in range(10**9): print('line', i, flush=True); time.sleep(0.0001)"
    supervisor.add(child("talking", talk)).start("talking")
    log, before = tmp_path / "logs" / "talking.log", tmp_path / "logs" / "talking.log.1"
    until(before.exists, supervisor)
    assert before.stat().st_size > 10_000
    until(lambda: 0 < log.stat().st_size < 10_000, supervisor)
    assert b"\0" not in log.read_bytes()  # it goes on at the beginning, not where it was


def test_a_full_log_is_cut_on_a_full_disk_without_ending_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = "import time\nprint('x' * 20_000, flush=True)\nwhile True: time.sleep(1)"
    with small_disk(tmp_path / "disk", "256k") as disk, Supervisor(disk / "logs") as supervisor:
        log = disk / "logs" / "talking.log"
        supervisor.add(child("talking", talk, ready=lambda: log.stat().st_size > 10_000))
        monkeypatch.setattr(process, "LOG_BYTES_MAX", 100_000)
        supervisor.start("talking")
        monkeypatch.setattr(process, "LOG_BYTES_MAX", 10_000)
        with filled(disk):
            supervisor.tick()
            assert log.stat().st_size == 0
            assert not log.with_suffix(".log.1").exists()
        assert supervisor.is_ready("talking")


def test_two_children_of_one_name_are_refused(supervisor: Supervisor) -> None:
    supervisor.add(child("worker", STAY))
    with pytest.raises(ValueError, match="worker"):
        supervisor.add(child("worker", STAY))
