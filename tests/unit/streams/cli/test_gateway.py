"""`touchstream gateway` and `touchstream gateway key`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from touchstream.streams.channels.gateway.key_lines import Permission
from touchstream.streams.channels.gateway.keys import KeyFile
from touchstream.streams.cli.main import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["gateway", *arguments])


def test_a_key_that_was_made_opens_the_gateway(tmp_path: Path) -> None:
    made = json.loads(run("key", "shop", "--json").stdout)
    (tmp_path / "keys").write_text(made["line"])
    found = KeyFile(tmp_path / "keys").find(made["key"])
    assert found is not None
    assert found.owner == "shop" == made["name"]
    key, line = run("key", "shop").stdout.split("\n")[:2]
    (tmp_path / "keys").write_text(line)
    found = KeyFile(tmp_path / "keys").find(key)
    assert found is not None
    assert (found.owner, found.may) == ("shop", frozenset({Permission.SEND}))


def test_a_key_reads_customers_only_if_it_was_made_for_it(tmp_path: Path) -> None:
    made = json.loads(run("key", "desk", "--may", "read", "--json").stdout)
    (tmp_path / "keys").write_text(made["line"])
    found = KeyFile(tmp_path / "keys").find(made["key"])
    assert found is not None
    assert found.may == {Permission.READ}
    assert run("key", "desk", "--may", "everything").exit_code == 2


def test_a_name_that_cannot_be_used_is_wrong_use() -> None:
    assert run("key", "a b").exit_code == 2


def test_the_command_gateway_does_not_listen_for_others_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTREAM_GATEWAY_HOST", "0.0.0.0")  # noqa: S104
    result = run()
    assert result.exit_code == 2
    assert "TOUCHSTREAM_GATEWAY_KEYS_FILE" in result.stderr
    assert "Traceback" not in result.output


def test_help_shows_an_example() -> None:
    assert "Example: " in run("--help").stdout
    assert "Example: touchstream gateway key shop" in run("key", "--help").stdout
