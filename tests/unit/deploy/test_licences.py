"""Every dependency has a licence that is known and taken, and the bill of materials names each."""

import importlib.metadata
import json
import subprocess
import sys
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from touchstream.deploy.sbom.licences import ROOT, VENDORED, LicenceError, canonical, licence_of, pins, taken

LOCKS = ("requirements.lock", "deploy/docker/requirements.lock")
SBOM = ROOT / "build" / "tools" / "sbom" / "bin" / "python"
SCRIPT = ROOT / "deploy" / "sbom" / "build.py"


class Package(importlib.metadata.Distribution):
    """A package with this metadata."""

    def __init__(self, name: str = "some", **said: str) -> None:
        self._said = {"Name": name, "Version": "1"} | {key.replace("_", "-"): value for key, value in said.items()}

    @property
    def metadata(self) -> Any:
        message = Message()
        for key, value in self._said.items():
            message[key] = value
        return message

    def read_text(self, filename: str) -> str | None:  # noqa: ARG002
        return None

    def locate_file(self, path: Any) -> Any:
        return path


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_a_licence_that_is_taken(lock: str) -> None:
    packages = {canonical(one.name): one for one in importlib.metadata.distributions()}
    named = pins((ROOT / lock).read_text())
    assert len(named) > 50
    assert {name: licence_of(packages[name]) for name in named}.keys() == named.keys()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"License": "UNKNOWN"},
        {"License_Expression": "GPL-3.0-or-later"},
        {"License_Expression": "AGPL-3.0-only"},
        {"License_Expression": "LGPL-2.1-only"},
        {"License_Expression": "MIT AND GPL-2.0-only"},
        {"License_Expression": "MIT OR GPL-2.0-only"},
        {"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"},
        {"License": "Permission is granted\nto read this"},
    ],
)
def test_a_licence_that_is_not_known_or_not_taken_is_refused(said: dict[str, str]) -> None:
    with pytest.raises(LicenceError, match="some 1: "):
        licence_of(Package(**said))


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        ({"License_Expression": "MIT AND Apache-2.0"}, "MIT AND Apache-2.0"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"name": "lz4"}, "BSD-3-Clause"),
    ],
)
def test_a_licence_is_said_as_an_spdx_expression(said: dict[str, str], expression: str) -> None:
    assert licence_of(Package(**said)) == expression


def test_every_script_of_others_that_the_repository_holds_is_listed_with_its_licence() -> None:
    static = ROOT / "sinks" / "page" / "static"
    theirs = {path.relative_to(ROOT) for path in static.rglob("*.js") if path.parent != static}
    assert theirs == {one.file for one in VENDORED}
    for one in VENDORED:
        assert taken(one.licence)
        assert one.version in str(one.file)
        assert (ROOT / one.file).with_name("LICENSE").exists()


def test_the_bill_of_materials_names_what_the_image_holds_and_is_the_same_each_time(tmp_path: Path) -> None:
    if not SBOM.exists():
        pytest.skip("the bill can't be written: make sbom")
    bills = [tmp_path / "first.json", tmp_path / "again.json"]
    for target in bills:
        subprocess.run([SBOM, SCRIPT, sys.executable, target], check=True, capture_output=True)
    first, again = (one.read_bytes() for one in bills)
    assert first == again
    found = json.loads(first)
    named = {one["name"]: one["version"] for one in found["components"]}
    image = pins((ROOT / "deploy" / "docker" / "requirements.lock").read_text())
    assert named == image | {one.name: one.version for one in VENDORED}
    assert all(one["licenses"] for one in found["components"])
    assert found["metadata"]["component"]["name"] == "touchstream"
