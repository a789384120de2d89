"""`touchstream clv`: what it says before it asks ClickHouse."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from touchstream.streams.cli.main import app


def test_a_fit_without_scipy_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    result = CliRunner().invoke(app, ["clv", "fit"])
    assert result.exit_code == 1
    assert "pip install 'touchstream[clv]'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_scores_need_no_scipy() -> None:
    code = "import sys; sys.modules['scipy'] = None; import touchstream.streams.cli.clv"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("command", ["fit", "scores"])
def test_help_shows_an_example(command: str) -> None:
    assert f"Example: touchstream clv {command} " in CliRunner().invoke(app, ["clv", command, "--help"]).stdout


@pytest.mark.parametrize("arguments", [["--top", "0"], ["--weeks", "0"], ["--weeks", "nan"]])
def test_options_that_are_out_of_range_are_wrong_use(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["clv", "scores", *arguments]).exit_code == 2
