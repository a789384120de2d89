"""Settings of alerts: who is told, what is kept secret, and how soon windows are complete in the local stack."""

from pathlib import Path

import pytest

from touchstream.streams.cli.local.stack import DEMO_LATENESS_SECONDS, _lateness_seconds
from touchstream.streams.process.settings import Settings, SettingsError
from touchstream.streams.watch.service import destinations


@pytest.mark.parametrize(("given", "simulate", "lateness"), [
    (None, False, 60.0), (None, True, DEMO_LATENESS_SECONDS),
    ("30", True, 30.0), ("60", True, 60.0), ("30", False, 30.0),
])  # fmt: skip
def test_a_demo_is_quicker_unless_somebody_has_said_how_quick(
    given: str | None, simulate: bool, lateness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given:
        monkeypatch.setenv("TOUCHSTREAM_LATENESS_SECONDS", given)
    assert _lateness_seconds(Settings(), simulate) == lateness


URLS = ("ALERTS_WEBHOOK_URL", "ALERTMANAGER_URL", "ALERTS_SLACK_URL")


def test_the_topic_is_always_told_and_the_others_as_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one.name for one in destinations(Settings())] == ["topic"]
    for name in URLS:
        monkeypatch.setenv(f"TOUCHSTREAM_{name}", "https://me:s3cret@example.com/path")
    assert [one.name for one in destinations(Settings())] == ["topic", "webhook", "alertmanager", "slack"]


@pytest.mark.parametrize("name", URLS)
def test_addresses_come_from_files_too_and_show_nowhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("https://me:s3cret@example.com/t0ken\n")
    monkeypatch.setenv(f"TOUCHSTREAM_{name}_FILE", str(tmp_path / "url"))
    settings = Settings()
    assert getattr(settings, name.lower()) == "https://me:s3cret@example.com/t0ken"
    shown = repr(settings) + repr(settings.sources())
    assert "s3cret" not in shown
    assert name == "ALERTMANAGER_URL" or "t0ken" not in shown


@pytest.mark.parametrize("name", URLS)
def test_a_value_that_is_no_address_is_refused_without_being_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TOUCHSTREAM_{name}", "ftp://me:s3cret@example.com/token")
    with pytest.raises(SettingsError, match=f"TOUCHSTREAM_{name}") as error:
        Settings()
    assert "s3cret" not in str(error.value)
    assert "token" not in str(error.value)
