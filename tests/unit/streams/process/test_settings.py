from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings, SettingsError
from touchstream.streams.process.settings_page import settings_markdown

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TOUCHSTREAM_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refused(**values: object) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings(**values)
    message = str(caught.value)
    assert "\n" not in message
    return message


def origin(settings: Settings, name: str) -> tuple[str, str]:
    return next((line.value, line.origin) for line in settings.sources() if line.name == name)


def test_the_defaults_are_those_of_the_interfaces() -> None:
    settings = Settings()
    assert settings.kafka_url == "kafka://127.0.0.1:9092"
    assert settings.clickhouse_url == "http://default@127.0.0.1:8123/touchstream"
    assert settings.schema_registry_url is None
    assert (settings.flush_seconds, settings.lateness_seconds) == (0.5, 60)
    assert (settings.duplicate_horizon_seconds, settings.raw_retention_days, settings.pane_retention_days) == (
        86400,
        30,
        0,
    )
    assert (settings.topic, settings.dead_letter_topic) == ("touchpoints", "touchpoints.dead-letter")
    assert (settings.group, settings.partitions, settings.replication) == ("touchstream", 4, 1)


def test_the_environment_beats_the_file_and_the_file_beats_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("touchstream.toml").write_text("flush_seconds = 2\nlateness_seconds = 5\n", encoding="utf-8")
    monkeypatch.setenv("TOUCHSTREAM_FLUSH_SECONDS", "3")
    settings = Settings(group="mine")
    assert (settings.flush_seconds, settings.lateness_seconds, settings.partitions) == (3, 5, 4)
    assert origin(settings, "TOUCHSTREAM_FLUSH_SECONDS") == ("3", "environment")
    assert origin(settings, "TOUCHSTREAM_LATENESS_SECONDS") == ("5", "touchstream.toml")
    assert origin(settings, "TOUCHSTREAM_PARTITIONS") == ("4", "default")
    assert origin(settings, "TOUCHSTREAM_GROUP") == ("mine", "argument")


def test_the_configuration_file_can_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text("partitions = 16\n", encoding="utf-8")
    monkeypatch.setenv("TOUCHSTREAM_CONFIG", str(path))
    assert Settings().partitions == 16


def test_a_configuration_file_that_was_named_but_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTREAM_CONFIG", "missing.toml")
    assert "missing.toml" in refused()


def test_a_broken_configuration_file_is_named_with_its_line() -> None:
    Path("touchstream.toml").write_text("group = 'a'\npartitions = \n", encoding="utf-8")
    message = refused()
    assert message.startswith("touchstream.toml: ")
    assert "line 2" in message


def test_an_unknown_variable_is_an_error_that_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTREAM_FLUSH_SECOND", "1")
    assert refused() == (
        "TOUCHSTREAM_FLUSH_SECOND (environment): no such setting; did you mean TOUCHSTREAM_FLUSH_SECONDS?"
    )


def test_an_unknown_key_of_the_file_is_an_error_that_names_the_nearest() -> None:
    Path("touchstream.toml").write_text('clickhouse_uri = "http://h:1/d"\n', encoding="utf-8")
    assert refused() == "clickhouse_uri (touchstream.toml): no such setting; did you mean clickhouse_url?"


@pytest.mark.parametrize("name", ["ORIGINS", "NAMES", ""])
def test_a_name_that_is_no_setting_cannot_be_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TOUCHSTREAM_{name}", "x")
    assert "no such setting" in refused()


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTREAM_SCHEMA_REGISTRY_URL", "")
    assert Settings().schema_registry_url is None


def test_variables_that_kubernetes_sets_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TOUCHSTREAM_PAGE_SERVICE_HOST": "10.0.0.7",
        "TOUCHSTREAM_PAGE_SERVICE_PORT": "80",
        "TOUCHSTREAM_PAGE_SERVICE_PORT_HTTP": "80",
        "TOUCHSTREAM_PAGE_PORT": "tcp://10.0.0.7:80",
        "TOUCHSTREAM_PAGE_PORT_80_TCP": "tcp://10.0.0.7:80",
        "TOUCHSTREAM_PAGE_PORT_80_TCP_PROTO": "tcp",
        "TOUCHSTREAM_PAGE_PORT_80_TCP_PORT": "80",
        "TOUCHSTREAM_PAGE_PORT_80_TCP_ADDR": "10.0.0.7",
        "TOUCHSTREAM_METRICS_PORT": "tcp://10.0.0.8:9464",
    }.items():
        monkeypatch.setenv(name, value)
    assert Settings().metrics_port == 9464


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_URL", "http://127.0.0.1:9092"),
        ("KAFKA_URL", "kafka://"),
        ("KAFKA_URL", "kafka://host:99999"),
        ("KAFKA_URL", "kafka://a:1,,b:2"),
        ("CLICKHOUSE_URL", "clickhouse://127.0.0.1/touchstream"),
        ("SCHEMA_REGISTRY_URL", "registry:8081"),
        ("TOPIC", "no spaces"),
        ("TOPIC", ".."),
        ("GROUP", "g" * 256),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "two"),
        ("PARTITIONS", "2.5"),
        ("FLUSH_SECONDS", "nan"),
        ("FLUSH_SECONDS", "inf"),
        ("FLUSH_SECONDS", "-1"),
        ("LATENESS_SECONDS", "-1"),
        ("RAW_RETENTION_DAYS", "1"),  # no longer than the duplicate horizon: a restart would count duplicates
        ("METRICS_PORT", "70000"),
        ("LOG_FORMAT", "xml"),
        ("KAFKA_SECURITY_PROTOCOL", "SSH"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TOUCHSTREAM_{name}", value)
    assert f"TOUCHSTREAM_{name}" in refused()


def test_a_bad_value_of_the_file_is_named_with_the_file() -> None:
    Path("touchstream.toml").write_text("partitions = 0\n", encoding="utf-8")
    assert refused().startswith("TOUCHSTREAM_PARTITIONS (touchstream.toml): ")


def test_secrets_come_from_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("http://me:s3cret@ch:8123/touchstream\n", encoding="utf-8")
    monkeypatch.setenv("TOUCHSTREAM_CLICKHOUSE_URL_FILE", str(secret))
    settings = Settings()
    assert settings.clickhouse_url == "http://me:s3cret@ch:8123/touchstream"
    shown, where = origin(settings, "TOUCHSTREAM_CLICKHOUSE_URL")
    assert shown == "http://me:***@ch:8123/touchstream"
    assert str(secret) in where


def test_a_secret_given_twice_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("a", encoding="utf-8")
    monkeypatch.setenv("TOUCHSTREAM_KAFKA_SASL_PASSWORD", "b")
    monkeypatch.setenv("TOUCHSTREAM_KAFKA_SASL_PASSWORD_FILE", "secret")
    assert "TOUCHSTREAM_KAFKA_SASL_PASSWORD_FILE" in refused()


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"x" * 70_000])
def test_a_secret_file_that_cannot_be_used_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("TOUCHSTREAM_KAFKA_SASL_PASSWORD_FILE", "secret")
    message = refused()
    assert message.startswith("TOUCHSTREAM_KAFKA_SASL_PASSWORD_FILE: secret ")


def test_secrets_show_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTREAM_CLICKHOUSE_URL", "https://me:s3cret@ch:8443/touchstream")
    monkeypatch.setenv("TOUCHSTREAM_SCHEMA_REGISTRY_URL", "https://me:s3cret@registry")
    monkeypatch.setenv("TOUCHSTREAM_KAFKA_SASL_PASSWORD", "s3cret")
    monkeypatch.setenv("TOUCHSTREAM_KAFKA_SASL_USERNAME", "me")
    monkeypatch.setenv("TOUCHSTREAM_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    settings = Settings()
    assert "s3cret" not in repr(settings) + str(settings) + repr(settings.sources()) + repr(settings.kafka_connection())


@pytest.mark.parametrize("name", ["CLICKHOUSE_URL", "SCHEMA_REGISTRY_URL", "KAFKA_URL"])
def test_an_error_about_a_url_hides_its_password(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TOUCHSTREAM_{name}", "ftp://me:s3cret@host:1/x")
    assert "s3cret" not in refused()


def test_sasl_without_a_password_is_an_error() -> None:
    assert "TOUCHSTREAM_KAFKA_SASL_PASSWORD is needed" in refused(
        kafka_security_protocol="SASL_SSL", kafka_sasl_username="me"
    )


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().partitions = 8


def test_a_kafka_url_may_name_several_servers_and_leave_out_the_port() -> None:
    connection = KafkaConnection.from_url("kafka://a:9093,b,[::1]:9094")
    assert connection.servers == ("a:9093", "b:9092", "[::1]:9094")


def test_security_reaches_the_kafka_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    options = (
        Settings(
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_username="me",
            kafka_sasl_password="s3cret",  # noqa: S106
            kafka_ca_file="/etc/ca.pem",
        )
        .kafka_connection()
        .client_options()
    )
    assert options == {
        "bootstrap_servers": ["127.0.0.1:9092"],
        "security_protocol": "SASL_SSL",
        "ssl_cafile": "/etc/ca.pem",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "s3cret",
    }


def test_every_setting_is_described_and_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings_markdown(), "run: python -m touchstream.streams.process.settings_page > docs/settings.md"
    for line in Settings().sources():
        assert line.description.endswith("."), line.name
        assert f"`{line.name}`" in page


def running_stack(directory: Path, pid: int) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "lock").write_text(f"{pid}\n")
    addresses = {"kafka": "kafka://127.0.0.1:1", "clickhouse": "http://default:secret@127.0.0.1:2/touchstream"}
    (directory / "ready.json").write_text(json.dumps(addresses))


def test_a_stack_that_runs_in_the_data_directory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    running_stack(Path("here"), os.getpid())
    assert Settings().kafka_url == "kafka://127.0.0.1:9092"
    monkeypatch.setenv("TOUCHSTREAM_DATA_DIR", "here")
    settings = Settings()
    assert (settings.kafka_url, settings.clickhouse_url) == (
        "kafka://127.0.0.1:1",
        "http://default:secret@127.0.0.1:2/touchstream",
    )
    shown, where = origin(settings, "TOUCHSTREAM_CLICKHOUSE_URL")
    assert (shown, where) == ("http://default:***@127.0.0.1:2/touchstream", "here/ready.json")


def test_a_stack_is_not_mixed_with_addresses_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    running_stack(Path(".touchstream"), os.getpid())
    assert Settings(kafka_url="kafka://mine:9092").clickhouse_url == "http://default@127.0.0.1:8123/touchstream"
    monkeypatch.setenv("TOUCHSTREAM_CLICKHOUSE_URL", "http://mine/x")
    assert Settings().kafka_url == "kafka://127.0.0.1:9092"


def test_the_ready_file_of_a_stack_that_is_gone_is_passed_over() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    running_stack(Path(".touchstream"), gone.pid)
    assert Settings().kafka_url == "kafka://127.0.0.1:9092"
    running_stack(Path(".touchstream"), os.getpid())
    for text in ("", "[]", "{}", '{"kafka": 1', '{"kafka": "kafka://127.0.0.1:1"}'):
        Path(".touchstream/ready.json").write_text(text)
        assert Settings().kafka_url == "kafka://127.0.0.1:9092"
