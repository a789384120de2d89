"""What is installed: two wheels, beside packages of the user's own that are called as our folders are."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kafka
import pytest

from tests.support.stack import eventually
from touchstream import __version__
from touchstream.streams.broker.topics import TopicSpec, ensure_topics, log_identity
from touchstream.streams.process.connection import KafkaConnection

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
Installed = Callable[[str], Path]


def tracked() -> list[str]:
    """Every file of the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, by the name of their distribution."""
    made, source = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("source")
    # A copy, since setuptools puts what earlier builds left in `build` into a wheel.
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    offline = ("--no-deps", "--no-build-isolation")
    subprocess.run([*PIP, "wheel", *offline, "--wheel-dir", made, source], check=True)
    subprocess.run([sys.executable, source / "deploy" / "producer" / "build.py", made], check=True)
    return {path.name.split("-")[0]: path for path in made.glob("*.whl")}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The Python of an environment that holds one of the wheels, and of this environment the other packages only."""
    made: dict[str, Path] = {}

    def python(distribution: str) -> Path:
        if distribution not in made:
            place = tmp_path_factory.mktemp(distribution)
            venv.create(place, with_pip=False)
            made[distribution] = place / "bin" / "python"
            subprocess.run(
                [*PIP, "--python", made[distribution], "install", "--no-deps", "--no-index", wheels[distribution]],
                check=True,
            )
            (site,) = place.glob("lib/python*/site-packages")
            # A path in a .pth file is searched last, and .pth files there are not read: ours is not found that way.
            (site / "others.pth").write_text(str(Path(kafka.__file__).parents[1]))
        return made[distribution]

    return python


def foreign(directory: Path) -> Path:
    """A user's project, with packages that are called as our folders."""
    for name in ("deploy", "schemas", "sinks", "streams"):
        (directory / name).mkdir()
        (directory / name / "__init__.py").write_text(f"FOREIGN = {name!r}\n")
    return directory


def run(python: Path, program: str, directory: Path) -> Any:
    """What a program prints as its last line, as JSON."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [python, "-c", program], cwd=directory, env=environment, check=True, capture_output=True, text=True
    )
    return json.loads(found.stdout.splitlines()[-1])


def test_a_commit_gives_the_same_wheels_in_another_place_and_at_another_time(tmp_path: Path) -> None:
    """As `make dist` builds them: from the files of a commit, with its time."""
    made: list[dict[str, bytes]] = []
    for place in (tmp_path / "first", tmp_path / "second"):
        place.mkdir()
        archive = subprocess.run(["git", "-c", "tar.umask=0022", "archive", "HEAD"], cwd=ROOT, check=True, stdout=-1)
        subprocess.run(["tar", "--extract"], cwd=place, input=archive.stdout, check=True)
        for file in place.rglob("*"):
            os.utime(file, (0, len(made) * 10**9), follow_symlinks=False)
        build = place / "deploy" / "producer" / "build.py"
        environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
        subprocess.run([sys.executable, build, place / "dist"], check=True, env=environment)
        offline = ("--no-index", "--no-deps", "--no-build-isolation")
        subprocess.run([*PIP, "wheel", *offline, "--wheel-dir", place / "dist", place], check=True, env=environment)
        made.append({path.name: path.read_bytes() for path in (place / "dist").glob("*.whl")})
    assert len(made[0]) == 2
    assert made[0] == made[1]


def test_the_wheel_holds_every_module_and_data_file_of_the_repository_and_no_other(wheels: dict[str, Path]) -> None:
    folders = {"deploy/local", "schemas", "sinks", "streams", "touchstream"}
    code = {
        name
        for name in tracked()
        if any(name.startswith(f"{folder}/") for folder in folders) and not (ROOT / name).is_symlink()
    }
    expected = {name if name.startswith("touchstream/") else f"touchstream/{name}" for name in code}
    with zipfile.ZipFile(wheels["touchstream"]) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected | {"touchstream/deploy/__init__.py"}


README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPET = README.partition("```python\n")[2].partition("```")[0]


@pytest.mark.parametrize("distribution", ["touchstream", "touchstream_producer"])
def test_the_readmes_snippet_runs_beside_foreign_packages_of_the_same_names(
    installed: Installed, kafka_url: str, tmp_path: Path, distribution: str
) -> None:
    connection, topic = KafkaConnection.from_url(kafka_url), f"installed-{distribution}-{os.getpid()}"
    ensure_topics(connection, [TopicSpec(topic, 1, 1)])
    program = SNIPPET.replace('"kafka://127.0.0.1:9092"', f"{kafka_url!r}, topic={topic!r}")
    assert program != SNIPPET
    program += "\nimport json, schemas, streams, touchstream\n"
    program += "print(json.dumps([schemas.FOREIGN, streams.FOREIGN, touchstream.__version__, touchstream.__file__]))"
    *said, file = run(installed(distribution), program, foreign(tmp_path))
    assert said == ["schemas", "streams", __version__]
    assert not Path(file).is_relative_to(ROOT)
    eventually(lambda: log_identity(connection, topic)[0].end_offset == 1)


MEASURED = """
import json, resource, sys
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from touchstream import Producer
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([sorted({name.partition(".")[0] for name in sys.modules}), (after - before) / 1024]))
"""


@pytest.mark.parametrize("distribution", ["touchstream", "touchstream_producer"])
def test_the_producer_is_light(installed: Installed, tmp_path: Path, distribution: str) -> None:
    loaded, mebibytes = run(installed(distribution), MEASURED, tmp_path)
    assert not {"polars", "pyarrow", "numpy", "faust", "mode", "aiokafka", "clickhouse_connect", "pydantic"} & set(
        loaded
    )
    assert mebibytes < 40


def test_the_small_distribution_declares_what_its_modules_import(installed: Installed, tmp_path: Path) -> None:
    declared = tomllib.loads((ROOT / "deploy" / "producer" / "pyproject.toml").read_text())["project"]["dependencies"]
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(declared) <= set(whole)
    modules = {name.partition(">")[0].replace("kafka-python", "kafka") for name in declared}
    program = """
import importlib, json, pkgutil, sys, touchstream
for module in pkgutil.walk_packages(touchstream.__path__, "touchstream."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    loaded = set(run(installed("touchstream_producer"), program, tmp_path))
    assert modules <= loaded
    # Of the other third-party packages each is loaded by one of these.
    assert loaded - modules - set(sys.stdlib_module_names) <= {
        "__main__", "touchstream", "_cython_3_3_0", "cython_runtime", "typing_extensions",
        "backports", "cramjam", "lz4", "snappy", "xxhash", "zstandard", "crc32c", "sitecustomize",
    }  # fmt: skip


def test_the_version_is_said_by_the_command_and_the_package(installed: Installed, tmp_path: Path) -> None:
    python = installed("touchstream")
    for command in ([python.with_name("touchstream")], [python, "-m", "touchstream"]):
        said = subprocess.run([*command, "--version"], cwd=tmp_path, check=True, capture_output=True, text=True)
        assert said.stdout == f"touchstream {__version__}\n"
