"""Processes, confined as the chart confines them: they write nowhere but in /tmp, and its probes say what is true."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.helm.chart import environment, pods, resources
from tests.support.stack import eventually
from touchstream.deploy.local.ports import free_port

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
KEY_LINE = f"shop sha256:{'0' * 64}\n"
# A read-only file system with a /tmp of the chart's size, secrets where the chart mounts them, and no capabilities.
CONFINED = """
set -eu
mount --make-rprivate /
mount -t tmpfs -o size=1m tmpfs /run
mkdir -p /run/secrets/touchstream
mount --bind "$1" /run/secrets/touchstream
# A checkout below /tmp stays where it is.
case $2 in /tmp/*) mkdir /run/checkout; mount --bind "$2" /run/checkout ;; esac
mount -t tmpfs -o size=64m,mode=1777 tmpfs /tmp
case $2 in /tmp/*) mkdir -p "$2"; mount --bind /run/checkout "$2" ;; esac
cut -d ' ' -f 5 /proc/self/mountinfo | while read -r place; do
  case $place in /tmp|/proc*|/dev*|/sys*) ;; *) mount -o remount,bind,ro "$place" ;; esac
done
cd /tmp
shift 2
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
"""


def confinement() -> str:
    """What is missing to confine a process; empty where nothing is."""
    if os.getuid():
        return "not run as root"
    missing = [name for name in ("unshare", "setpriv", "mount") if shutil.which(name) is None]
    if missing:
        return f"{missing[0]} isn't installed"
    tried = subprocess.run(["unshare", "--mount", "mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return tried.stderr.strip()


@dataclass(frozen=True)
class Pod:
    """A process of one component's container."""

    component: str
    container: dict[str, Any]
    grace_seconds: int
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def probe(self, name: str) -> int:
        """What a probe of the chart is answered; 0 where nothing answers."""
        asked = self.container[f"{name}Probe"]["httpGet"]
        assert asked["port"] == self.container["ports"][0]["name"]
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{asked['path']}", timeout=10).status_code
        except httpx.TransportError:
            assert self.process.poll() is None, self.log.read_text()
            return 0

    def end(self) -> int:
        """SIGTERM, and the exit code: within the time that the chart gives."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(self.grace_seconds)


@contextmanager
def running(component: str, directory: Path, values: dict[str, str]) -> Iterator[Pod]:
    """A component as the chart runs it, but on a free port of loopback."""
    arguments = [part for name, value in values.items() for part in ("--set", f"settings.{name}={value}")]
    pod = dict(pods(resources("minimal", *arguments)))[component]["spec"]
    container, port = pod["containers"][0], free_port()
    variables = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | environment(container)
    prefix = f"TOUCHSTREAM_{component.replace('worker', 'metrics').upper()}"
    if "ports" in container:
        variables |= {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(port)}
    log = directory / f"{component}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                "unshare", "--mount", "sh", "-c", CONFINED, "sh", str(directory / "secrets"), str(ROOT),
                sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import touchstream.__main__",
                *container["args"],
            ],
            env=variables, stdout=out, stderr=out,
        )  # fmt: skip
        try:
            yield Pod(component, container, pod["terminationGracePeriodSeconds"], port, process, log)
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def confined(tmp_path: Path) -> Path:
    """A directory with the secrets of the chart's defaults; skips where processes can't be confined."""
    if problem := confinement():
        pytest.skip(f"processes can't be confined: {problem}")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (secrets / "controlKey").write_bytes(key)
    (secrets / "gatewayKeys").write_text(KEY_LINE)
    return tmp_path


COMPONENTS = ("worker", "gateway", "watch", "page")


def test_without_kafka_and_clickhouse_all_live_and_none_that_needs_them_is_ready(confined: Path) -> None:
    away = free_port()
    (confined / "secrets" / "clickhouseUrl").write_text(f"http://touchstream:secret@127.0.0.1:{away}/touchstream")
    with ExitStack() as around:
        started = [
            around.enter_context(running(one, confined, {"kafka_url": f"kafka://127.0.0.1:{away}"}))
            for one in COMPONENTS
        ]
        for pod in started:
            eventually(lambda pod=pod: pod.probe("startup") == 200)  # type: ignore[misc]
        assert {pod.component: pod.probe("liveness") for pod in started} == dict.fromkeys(COMPONENTS, 200)
        ready = {pod.component: pod.probe("readiness") for pod in started}
        assert ready == {"worker": 503, "gateway": 503, "watch": 503, "page": 200}
        for pod in started:
            pod.end()


def test_with_kafka_and_clickhouse_all_become_ready_and_end_in_time(
    confined: Path, kafka_url: str, clickhouse_url: str, unique_name: str
) -> None:
    place = urlsplit(clickhouse_url)._replace(path=f"/{unique_name}").geturl()
    (confined / "secrets" / "clickhouseUrl").write_text(place)
    values = {"kafka_url": kafka_url, "topic": unique_name, "group": unique_name}
    with running("init", confined, values) as job:
        assert job.process.wait(120) == 0, job.log.read_text()
    with ExitStack() as around:
        started = [around.enter_context(running(one, confined, values)) for one in COMPONENTS]
        for pod in started:
            eventually(lambda pod=pod: pod.probe("readiness") == 200)  # type: ignore[misc]
            assert (pod.probe("startup"), pod.probe("liveness")) == (200, 200)
        codes = {pod.component: pod.end() for pod in started}
    assert codes == dict.fromkeys(COMPONENTS, 0)


def test_a_confined_process_can_write_nowhere_but_in_tmp(confined: Path) -> None:
    """The control of the two above: what they confine is confined."""
    program = "touch /tmp/fine && ! touch /mnt/wrong 2>&1 && ! chown 10001 /tmp/fine && grep CapBnd /proc/self/status"
    confining = ["unshare", "--mount", "sh", "-c", CONFINED, "sh", str(confined / "secrets"), str(ROOT)]
    done = subprocess.run([*confining, "sh", "-c", program], capture_output=True, text=True)
    assert "Read-only file system" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["CapBnd:", "0" * 16]
