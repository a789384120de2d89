"""`touchstream simulate`: wrong use is told in a line, before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from touchstream.streams.cli.main import app

WRONG = "format: 1\nrate: 0\ncustomers: 1\nstages: 5\n"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--scenario", "wrong.yaml"], "wrong.yaml:2: rate is 0; "),
        (["--scenario", "wrong.yaml"], "; wrong.yaml:4: stages is 5; "),
        (["--scenario", "none.yaml"], "No such file or directory: 'none.yaml'"),
        (["--fast"], "--fast needs --for"),
        (["--for", "-1"], "--for must be 0 or more seconds, not -1"),
        (["--for", "inf"], "--for must be 0 or more seconds, not inf"),
        (["--for", "nan"], "--for must be 0 or more seconds, not nan"),
    ],
)
def test_wrong_use_is_told_in_a_line(
    arguments: list[str], advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text(WRONG)
    result = CliRunner().invoke(app, ["simulate", *arguments])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert advice in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "1e9", "fast"])
def test_a_rate_that_cannot_be_is_refused(rate: str) -> None:
    result = CliRunner().invoke(app, ["simulate", "--rate", rate])
    assert result.exit_code == 2
    assert "--rate" in result.stderr
