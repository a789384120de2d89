"""ClickHouse without a server: its engine (chDB) in a process of its own, behind ClickHouse's HTTP interface.

    LOCAL_CLICKHOUSE_PASSWORD=… python -m touchstream.deploy.local.clickhouse.server --path DIR --port N

For a laptop and for tests: one user, `default`, with the password of the environment (a command line is there for
everybody to read); no roles, no replication, no query log, no native port. An acknowledged insert survives the
end of this process, however it comes; as on a server, a power cut may take the last ones (`fsync_after_insert`).
"""

import argparse
import http.client
import os
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from touchstream.deploy.local.ports import LOOPBACK, hold
from touchstream.deploy.local.process import Child
from touchstream.streams.process.signals import Stop

GRACE_SECONDS = 8.0
PASSWORD_VARIABLE = "LOCAL_CLICKHOUSE_PASSWORD"  # noqa: S105 - a name
HELD_VARIABLE = "LOCAL_CLICKHOUSE_PORT_HELD"
"""Set where the parent keeps the port: it is shared with it."""
_ANSWER_SECONDS = 1.0


@dataclass(frozen=True)
class ClickHouse:
    """ClickHouse on 127.0.0.1:`port` with its data in `path`; see `ports.free_port`.

    `password` is what every client has to send, made anew for each of these.
    """

    path: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def url(self, database: str = "touchstream") -> str:
        """As the setting CLICKHOUSE_URL wants it, with the password."""
        return f"http://default:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def child(self, name: str = "clickhouse") -> Child:
        """The process to run, on a port that is kept for it: what answers there may be told the password."""
        held = hold(self.port, self.path)
        module = (sys.executable, "-m", "touchstream.deploy.local.clickhouse.server")
        return Child(
            name=name,
            argv=(*module, "--path", str(self.path), "--port", str(self.port)),
            # Whoever has the port otherwise could answer as ClickHouse does; the child says what is in the way.
            ready=self.answers if held else lambda: False,
            env={PASSWORD_VARIABLE: self.password, HELD_VARIABLE: "1" if held else ""},
            grace_seconds=GRACE_SECONDS + 2.0,
        )

    def answers(self) -> bool:
        """Whether something on the port answers /ping as ClickHouse does."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().read() == b"Ok.\n"
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def main() -> None:
    """Serve until SIGTERM or SIGINT, then let running queries end. Exits with 1 if directory or port can't be had."""
    parser = argparse.ArgumentParser(
        prog="python -m touchstream.deploy.local.clickhouse.server", description="ClickHouse on loopback"
    )
    parser.add_argument("--path", type=Path, required=True, help="directory of the data; made if missing")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    options = parser.parse_args()
    password = os.environ.pop(PASSWORD_VARIABLE, "")
    if not password:
        sys.exit(f"no password: set {PASSWORD_VARIABLE} to what clients will have to send")
    # Times without a zone are UTC whatever the machine's zone is; the engine reads this once, when it is loaded.
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        serve(options.path, options.port, password, held=bool(os.environ.pop(HELD_VARIABLE, "")))
    except ModuleNotFoundError as error:
        sys.exit(f"the local ClickHouse is not installed ({error.name}): pip install 'touchstream[local]'")


def serve(path: Path, port: int, password: str, *, held: bool) -> None:
    """Serve `path` on 127.0.0.1:`port` until a signal. Raises SystemExit with a line that says what is in the way.

    held: by the parent, see `ports.hold`.
    """
    # Imported here: loading the engine takes half a second, and the process that starts this one doesn't need it.
    from touchstream.deploy.local.clickhouse.engine import Engine
    from touchstream.deploy.local.clickhouse.errors import ClickHouseError
    from touchstream.deploy.local.clickhouse.http import ClickHouseServer

    try:
        engine = Engine(path)
    except ClickHouseError as error:
        # The engine has printed the reason, and its exception says nothing.
        sys.exit(f"ClickHouse can't open {path}: see above; perhaps another process has it ({error})")
    except (OSError, ValueError) as error:
        sys.exit(f"ClickHouse can't open {path}: {error}")
    try:
        server = ClickHouseServer(engine, port, password, shared=held)
    except OSError as error:
        sys.exit(f"ClickHouse can't listen on {LOOPBACK}:{port}: {error.strerror}; choose another port")
    stop = Stop.on_signals()
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    print(f"ClickHouse {engine.version} on http://{LOOPBACK}:{server.server_port}, data in {path}", flush=True)
    stop.wait()
    server.shutdown()
    server.server_close()
    if server.queries_done(GRACE_SECONDS):
        engine.close()
    # Not by the way of destructors: threads of clients that wait for nothing are still there.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
