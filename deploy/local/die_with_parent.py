"""Become a command that cannot outlive the process that started it.

    python -I -S leash.py PARENT_PID COMMAND [ARGUMENT…]

The command takes this process's place and keeps its pid. When the parent ends, even by SIGKILL, the command is killed:
by the kernel on Linux, elsewhere by a watcher that looks for the parent. Imports nothing but the standard library,
because it runs before everything that the supervisor starts.

Linux counts the *thread* that started the child as its parent: start children from a thread that stays.
"""

import ctypes
import os
import signal
import sys
import time

WATCH_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Tie this process to PARENT_PID, then become COMMAND. Exits with 127 if there is no such command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        die_with_parent()
    else:
        fork_watcher(parent, os.getpid())
    if os.getppid() != parent:
        sys.exit(f"the process {parent}, which started {command[0]}, is gone")
    # Python ignores SIGPIPE, and a new program would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 — no shell is wanted
    except OSError as error:
        print(f"{command[0]} can't be started: {error.strerror}", file=sys.stderr)
        sys.exit(127)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; kept over exec. Linux only."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def fork_watcher(parent: int, child: int) -> None:
    """Leave a process behind that kills `child` within WATCH_SECONDS of the end of `parent`, and ends with either."""
    first = os.fork()
    if first > 0:
        os.waitpid(first, 0)
        return
    # A second fork: the watcher belongs to init, so that the command has no child it doesn't know of.
    if os.fork() > 0:
        os._exit(0)
    while _exists(child):
        if not _exists(parent):
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(WATCH_SECONDS)
    os._exit(0)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
