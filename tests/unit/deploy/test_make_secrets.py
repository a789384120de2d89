"""deploy/docker/make-secrets: each secret can be read by the image that it is for, and by nobody else."""

import hashlib
import os
import pickle
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.test_compose import SERVICES
from touchstream.sinks.clickhouse.customers.person import ErasureKey
from touchstream.streams.broker.control_key import read_key
from touchstream.streams.channels.gateway.key_lines import digest_of
from touchstream.streams.channels.gateway.keys import read_keys
from touchstream.streams.process.settings import Settings

SCRIPT = Path(__file__).parents[3] / "deploy" / "docker" / "make-secrets"
TOUCHSTREAM, STRANGER = 10001, 10002
OWNERS = {
    "clickhouse_password": (101, 101),
    "clickhouse_url": (TOUCHSTREAM, TOUCHSTREAM),
    "control_key": (TOUCHSTREAM, TOUCHSTREAM),
    "erasure_key": (TOUCHSTREAM, TOUCHSTREAM),
    "gateway_key": (0, 0),
    "gateway_keys": (TOUCHSTREAM, TOUCHSTREAM),
    "grafana_clickhouse_password": (472, 0),
    "grafana_password": (472, 0),
    "page_password": (0, 0),
    "page_users": (101, 101),
    "tls_certificate": (101, 101),
    "tls_key": (101, 101),
}

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="giving files to other users takes root"),
    pytest.mark.skipif(None in map(shutil.which, ("openssl", "setpriv")), reason="needs openssl and setpriv"),
]


def make(directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPT, directory], capture_output=True, text=True, check=False)


def read_as(uid: int, gid: int, path: Path) -> "subprocess.CompletedProcess[str]":
    command = ["setpriv", "--reuid", str(uid), "--regid", str(gid), "--clear-groups", "cat", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def as_touchstream(work: Callable[[], Any]) -> Any:
    """What `work` returns in a child with the user of the image, which can't give it up again."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(TOUCHSTREAM, TOUCHSTREAM, TOUCHSTREAM)
        os.setresuid(TOUCHSTREAM, TOUCHSTREAM, TOUCHSTREAM)
        try:
            os.write(writer, pickle.dumps(work()))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        content = answer.read()
    os.waitpid(child, 0)
    return pickle.loads(content)  # noqa: S301 - what our own child wrote


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        done = make(Path(directory) / "secrets")
        assert done.returncode == 0, done.stderr
        yield Path(directory) / "secrets"


@pytest.fixture(scope="module")
def mounted(made: Path) -> Path:
    """As a container has them: the files with their owners and modes, in a directory that all may enter."""
    run = made.with_name("run")
    run.mkdir(mode=0o755)
    subprocess.run(["cp", "--preserve=all", "-r", f"{made}/.", str(run)], check=True)
    run.chmod(0o755)
    return run


def test_every_secret_is_there_with_its_owner_and_for_its_owner_alone(made: Path) -> None:
    found = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in made.iterdir()}
    assert found == OWNERS
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o400}
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", OWNERS)
def test_a_secret_is_read_by_the_user_of_its_image_and_by_no_other(name: str, mounted: Path) -> None:
    assert read_as(*OWNERS[name], mounted / name).stdout
    assert read_as(STRANGER, STRANGER, mounted / name).returncode != 0


def test_the_settings_of_every_component_are_read_by_the_user_of_the_image(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = {name: service for name, service in SERVICES.items() if service["image"].startswith("touchstream:")}
    for name, service in components.items():
        with monkeypatch.context() as environment:
            for variable, value in service["environment"].items():
                environment.setenv(variable, value.replace("/run/secrets", str(mounted)))
            settings: Settings = as_touchstream(lambda: Settings())
        password = (mounted / "clickhouse_password").read_text().strip()
        assert settings.clickhouse_url == f"http://touchstream:{password}@clickhouse:8123/touchstream", name
        if name == "init":
            assert settings.erasure_key
            assert ErasureKey.of(settings.erasure_key)
            key = settings.control_key_path
            assert as_touchstream(partial(lambda path: read_key(path).public_key().public_bytes_raw(), key))
        if name == "gateway":
            assert settings.gateway_keys_file is not None
            lines = as_touchstream(lambda: read_keys(mounted / "gateway_keys"))
            assert lines.problems == ()
            assert [key.digest for key in lines.keys] == [digest_of((mounted / "gateway_key").read_text())]


def test_the_page_is_behind_the_password_that_was_made_and_the_certificate_fits_its_key(made: Path) -> None:
    user, _, hashed = (made / "page_users").read_text().strip().partition(":")
    salt = hashed.split("$")[2]
    command = ["openssl", "passwd", "-6", "-salt", salt, "-stdin"]
    again = subprocess.run(
        command, input=(made / "page_password").read_text(), capture_output=True, text=True, check=True
    )
    assert (user, hashed) == ("touchstream", again.stdout.strip())

    def public(*arguments: str) -> str:
        return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True).stdout

    certificate = public("x509", "-in", str(made / "tls_certificate"), "-pubkey", "-noout")
    assert certificate == public("pkey", "-in", str(made / "tls_key"), "-pubout")


def test_made_again_nothing_changes_and_nothing_secret_is_printed(made: Path) -> None:
    def state() -> dict[str, tuple[str, int, int]]:
        return {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_uid, path.stat().st_mode)
            for path in made.iterdir()
        }

    before = state()
    again = make(made)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert state() == before


def test_the_output_names_files_only(tmp_path: Path) -> None:
    done = make(tmp_path / "secrets")
    assert re.fullmatch(rf"(made {tmp_path}/secrets/\w+\n)+", done.stdout)
    assert done.stderr == ""


def test_secrets_of_before_get_their_owners_and_keep_their_content(tmp_path: Path) -> None:
    old = tmp_path / "clickhouse_password"
    old.write_text("of last year")
    old.chmod(0o600)
    (tmp_path / "alert_webhook").write_text("https://hooks.example/secret")
    assert make(tmp_path).returncode == 0
    assert old.read_text() == "of last year"
    assert old.stat().st_uid == 101
    assert (tmp_path / "alert_webhook").stat().st_uid == 65534
    assert "of last year@" in (tmp_path / "clickhouse_url").read_text()


def test_without_root_it_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        script = shutil.copy(SCRIPT, directory)
        command = ["setpriv", "--reuid", "10002", "--regid", "10002", "--clear-groups", script, f"{directory}/secrets"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "needs root" in done.stderr
        assert not Path(directory, "secrets").exists()
