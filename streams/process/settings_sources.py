"""Where settings come from: the environment, a TOML file, files that hold secrets, and the stack that runs here."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "TOUCHSTREAM_"
CONFIG_VARIABLE = "TOUCHSTREAM_CONFIG"
CONFIG_FILE = "touchstream.toml"
READY_FILE = "ready.json"
"""In DATA_DIR, while `touchstream up` runs: its addresses, with ClickHouse's password."""
SECRETS = (
    "clickhouse_url",
    "schema_registry_url",
    "kafka_sasl_password",
    "alerts_webhook_url",
    "alerts_webhook_keys",
    "alerts_email_server",
    "alertmanager_url",
    "alerts_slack_url",
    "alerts_heartbeat_url",
    "erasure_key",
)
# Their paths hold tokens: nothing of them is shown.
WHOLLY_SECRET = (
    "kafka_sasl_password", "alerts_webhook_url", "alerts_webhook_keys", "alerts_slack_url",
    "alerts_heartbeat_url", "erasure_key",
)  # fmt: skip
_ADDRESSES = {"kafka": "kafka_url", "clickhouse": "clickhouse_url"}
"""Settings that the addresses in the ready file stand for."""
SECRET_BYTES_MAX = 64 * 1024  # a secret is a line; a path to something larger is a mistake

# Kubernetes puts every Service of the namespace into the environment: one named `touchstream-page` gives
# TOUCHSTREAM_PAGE_PORT=tcp://10.0.0.7:80 and more. They aren't ours, whatever they are called.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?")
_SERVICE_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://\S+:\d+")


class SettingsError(ValueError):
    """A setting can't be used; the message is one line that names it and where it came from."""


class _Source(PydanticBaseSettingsSource):
    """Settings by name, with the place that each came from. Subclasses name the places and read the entries."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self.origins: dict[str, str] = {}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Required by pydantic-settings; `__call__` reads all fields at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        raise NotImplementedError

    def resolve(self, entries: Mapping[str, Any], origin: str, spelled: Callable[[str], str]) -> dict[str, Any]:
        """Check names and read secrets from their files. `spelled` gives a setting's name as this source writes it."""
        known = set(self.settings_cls.model_fields) - {"origins"}
        secret_files = {f"{name}_file": name for name in SECRETS}
        values: dict[str, Any] = {}
        for key, value in entries.items():
            name = secret_files.get(key, key)
            if name not in known:
                raise SettingsError(
                    f"{spelled(key)} ({origin}): no such setting{_nearest(key, known | set(secret_files), spelled)}"
                )
            if name in values:
                raise SettingsError(
                    f"{spelled(name)} ({origin}): given twice, also as {spelled(name + '_file')}; keep one"
                )
            values[name] = value if name == key else _read_secret(Path(str(value)), spelled(key))
            self.origins[name] = origin if name == key else f"file {value} ({spelled(key)}, {origin})"
        return values


class Environment(_Source):
    """Variables that begin with the prefix."""

    def __call__(self) -> dict[str, Any]:
        """Settings by name. Raises SettingsError."""
        entries = {
            variable.removeprefix(PREFIX).lower(): text
            for variable, text in os.environ.items()
            # An empty variable is an unset one: compose files and shells have no other way to say it.
            if variable.startswith(PREFIX)
            and variable != CONFIG_VARIABLE
            and text
            and not _is_service_link(variable, text)
        }
        return self.resolve(entries, "environment", variable_of)


class TomlFile(_Source):
    """The configuration file."""

    def __call__(self) -> dict[str, Any]:
        """Settings by name. Raises SettingsError."""
        path = config_path()
        if path is None:
            return {}
        try:
            entries = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path}: can't be read: {error}") from None
        return self.resolve(entries, str(path), str)


class LocalStack(_Source):
    """The addresses of a stack that `touchstream up` runs in DATA_DIR, where no Kafka and no ClickHouse is named."""

    def __call__(self) -> dict[str, Any]:
        """`kafka_url` and `clickhouse_url`, or nothing."""
        if any(name in self.current_state for name in _ADDRESSES.values()):
            return {}
        directory = Path(self.current_state.get("data_dir") or self.settings_cls.model_fields["data_dir"].default)
        path = directory / READY_FILE
        try:
            # After a kill the file is still there: what it says holds while the process that wrote it lives.
            os.kill(int((directory / "lock").read_text(encoding="utf-8")), 0)
            if path.lstat().st_uid != os.getuid():
                return {}
            found = json.loads(path.read_text(encoding="utf-8"))
            values = {name: str(found[key]) for key, name in _ADDRESSES.items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        self.origins = dict.fromkeys(values, str(path))
        return values


class Origins(_Source):
    """Last in the row: notes for each setting which of the sources before it won."""

    def __init__(self, settings_cls: type[BaseSettings], *sources: _Source) -> None:
        """sources: those that know where a setting came from, the strongest first."""
        super().__init__(settings_cls)
        self._sources = sources

    def __call__(self) -> dict[str, Any]:
        """Where each setting came from, as the setting `origins`."""
        given = dict.fromkeys(self.current_state, "argument")
        for source in reversed(self._sources):
            given |= source.origins
        return {"origins": given | self._arguments()}

    def _arguments(self) -> dict[str, str]:
        return dict.fromkeys(self.settings_sources_data.get("InitSettingsSource", {}), "argument")


def variable_of(name: str) -> str:
    """A setting's environment variable."""
    return PREFIX + name.upper()


def config_path() -> Path | None:
    """The configuration file, None if there is none."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None


def _is_service_link(variable: str, text: str) -> bool:
    if _SERVICE_LINK_VALUE.fullmatch(text):
        return variable.endswith("_PORT") or _SERVICE_LINK.search(variable) is not None
    match = _SERVICE_LINK.search(variable)
    return match is not None and match.end() == len(variable)


def _read_secret(path: Path, spelled: str) -> str:
    try:
        with path.open("rb") as file:
            secret = file.read(SECRET_BYTES_MAX + 1).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{spelled}: {path} can't be read: {error}") from None
    if not secret or len(secret) > SECRET_BYTES_MAX:
        raise SettingsError(f"{spelled}: {path} must hold the secret, 1 to {SECRET_BYTES_MAX} bytes")
    return secret


def _nearest(key: str, known: set[str], spelled: Callable[[str], str]) -> str:
    matches = difflib.get_close_matches(key.lower(), sorted(known), n=1)
    return f"; did you mean {spelled(matches[0])}?" if matches else "; `touchstream settings` lists them"
