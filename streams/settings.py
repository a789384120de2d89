"""What can be set from outside, in one place: environment, then `touchstream.toml`, then defaults.

Only `streams.cli` and `streams.app` build a `Settings`; everything else is given the values it needs.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streams.connection import KafkaConnection, kafka_servers

PREFIX = "TOUCHSTREAM_"
CONFIG_VARIABLE = "TOUCHSTREAM_CONFIG"
CONFIG_FILE = "touchstream.toml"
SECRETS = ("clickhouse_url", "schema_registry_url", "kafka_sasl_password")
SECRET_BYTES_MAX = 64 * 1024  # a secret is a line; a path to something larger is a mistake
SECONDS_PER_DAY = 86_400

# Kubernetes puts every Service of the namespace into the environment: one named `touchstream-page` gives
# TOUCHSTREAM_PAGE_PORT=tcp://10.0.0.7:80 and more. They aren't ours, whatever they are called.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?")
_SERVICE_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://\S+:\d+")


class SettingsError(ValueError):
    """A setting can't be used; the message is one line that names it and where it came from."""


@dataclass(frozen=True)
class SettingLine:
    """One row of `touchstream settings`: its value as text (secrets hidden) and where it came from."""

    name: str
    value: str
    origin: str
    description: str


def _kafka_url(url: str) -> str:
    kafka_servers(url)
    return url


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http://host:port/… or https://host:port/…")
    return url


def _topic_name(name: str) -> str:
    # Kafka's own rule; 200 leaves room for the suffix `.dead-letter` within its 249 characters.
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", name) or name in (".", ".."):
        raise ValueError("must be 1 to 200 of the characters A-Z a-z 0-9 . _ -")
    return name


class Settings(BaseSettings):
    """Every setting of Touchstream. Frozen; units are in the names and descriptions.

    Raises SettingsError, one line, for a value that can't be used and for a name that isn't known.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka_url: Annotated[str, AfterValidator(_kafka_url)] = Field(
        "kafka://127.0.0.1:9092", description="Kafka's servers: kafka://host:port, several separated by commas."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How the connection to Kafka is protected."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How a SASL connection authenticates."
    )
    kafka_sasl_username: str | None = Field(None, description="User name of a SASL connection.")
    kafka_sasl_password: str | None = Field(None, description="Password of a SASL connection.", repr=False)
    kafka_ca_file: Path | None = Field(
        None,
        description="PEM file with the authorities that Kafka's certificate is checked against; unset: the system's.",
    )
    clickhouse_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "http://default@127.0.0.1:8123/touchstream",
        description="ClickHouse over HTTP: http[s]://user:password@host:port/database.",
        repr=False,
    )
    schema_registry_url: Annotated[str, AfterValidator(_http_url)] | None = Field(
        None,
        description="Confluent schema registry: http[s]://user:password@host:port; unset: events carry the schema's"
        " fingerprint and need none.",
        repr=False,
    )
    topic: Annotated[str, AfterValidator(_topic_name)] = Field(
        "touchpoints", description="Topic of the touchpoint events; its dead letters go to <topic>.dead-letter."
    )
    group: str = Field("touchstream", min_length=1, max_length=255, description="Kafka consumer group of the workers.")
    partitions: int = Field(
        4, ge=1, le=10_000, description="Partitions (lanes) of a topic that `init` creates; fixed for its life."
    )
    replication: int = Field(1, ge=1, le=32, description="Replicas of a topic that `init` creates; 3 in production.")
    data_dir: Path = Field(Path(".touchstream"), description="Directory of everything that `touchstream up` stores.")
    flush_seconds: float = Field(
        0.5, ge=0.05, le=60, description="Seconds between two writes of a worker to ClickHouse."
    )
    lateness_seconds: float = Field(
        60,
        ge=0,
        le=30 * SECONDS_PER_DAY,
        description="Seconds by which an event may trail the newest one before its window is called complete.",
    )
    duplicate_horizon_seconds: float = Field(
        86_400,
        ge=0,
        le=365 * SECONDS_PER_DAY,
        description="Seconds for which an event_id is remembered, so that it counts once.",
    )
    raw_retention_days: int = Field(
        30, ge=1, le=36_500, description="Days for which raw events are kept; longer than the duplicate horizon."
    )
    pane_retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Days for which panes are kept, events older than that are refused; 0: for ever.",
    )
    journey_file: Path | None = Field(None, description="Your journey.yaml; unset: the default customer journey.")
    metrics_file: Path | None = Field(None, description="Your metrics.yaml; unset: the default catalogue.")
    alerts_file: Path | None = Field(None, description="Your alerts.yaml; unset: the default rules.")
    metrics_port: int = Field(
        9464, ge=0, le=65_535, description="Port of a worker's Prometheus metrics; 0: any free one."
    )
    metrics_host: str = Field(
        "127.0.0.1", description="Address on which a worker's Prometheus metrics listen; 0.0.0.0: all."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="How logs are written: console for people, json for collectors."
    )
    origins: Mapping[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(_one_line(error, values)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  ours tells unknown names and reads secrets from files
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment before the file; then a note of which won."""
        environment, file = _Environment(settings_cls), _TomlFile(settings_cls)
        return init_settings, environment, file, _Origins(settings_cls, environment, file)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        # ValueErrors here name the settings themselves: pydantic has no field to blame.
        if self.raw_retention_days * SECONDS_PER_DAY <= self.duplicate_horizon_seconds:
            raise ValueError(
                f"{PREFIX}RAW_RETENTION_DAYS must be longer than {PREFIX}DUPLICATE_HORIZON_SECONDS"
                f" ({self.duplicate_horizon_seconds:g} s): a restarted worker finds duplicates in the raw events"
            )
        if self.kafka_security_protocol.startswith("SASL"):
            for name in ("kafka_sasl_username", "kafka_sasl_password"):
                if getattr(self, name) is None:
                    raise ValueError(f"{_variable(name)} is needed with {self.kafka_security_protocol}")
        return self

    @property
    def dead_letter_topic(self) -> str:
        """Where events that couldn't be used go."""
        return f"{self.topic}.dead-letter"

    def kafka_connection(self) -> KafkaConnection:
        """How kafka-python and aiokafka clients reach Kafka."""
        return KafkaConnection(
            servers=kafka_servers(self.kafka_url),
            security_protocol=self.kafka_security_protocol,
            sasl_mechanism=self.kafka_sasl_mechanism,
            sasl_username=self.kafka_sasl_username,
            sasl_password=self.kafka_sasl_password,
            ca_file=self.kafka_ca_file,
        )

    def sources(self) -> list[SettingLine]:
        """Each setting's value, where it came from, and its description, in the order of declaration."""
        return [
            SettingLine(
                name=_variable(name),
                value=_shown(name, getattr(self, name)),
                origin=self.origins.get(name, "default"),
                description=field.description or "",
            )
            for name, field in _declared().items()
        ]


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
        known = set(_declared())
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


class _Environment(_Source):
    def __call__(self) -> dict[str, Any]:
        entries = {
            variable.removeprefix(PREFIX).lower(): text
            for variable, text in os.environ.items()
            # An empty variable is an unset one: compose files and shells have no other way to say it.
            if variable.startswith(PREFIX)
            and variable != CONFIG_VARIABLE
            and text
            and not _is_service_link(variable, text)
        }
        return self.resolve(entries, "environment", _variable)


class _TomlFile(_Source):
    def __call__(self) -> dict[str, Any]:
        path = _config_path()
        if path is None:
            return {}
        try:
            entries = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path}: can't be read: {error}") from None
        return self.resolve(entries, str(path), str)


class _Origins(_Source):
    """Last in the row: notes for each setting which of the sources before it won."""

    def __init__(self, settings_cls: type[BaseSettings], environment: _Source, file: _Source) -> None:
        super().__init__(settings_cls)
        self._environment, self._file = environment, file

    def __call__(self) -> dict[str, Any]:
        given = dict.fromkeys(self.current_state, "argument")
        return {"origins": given | self._file.origins | self._environment.origins | self._arguments()}

    def _arguments(self) -> dict[str, str]:
        return dict.fromkeys(self.settings_sources_data.get("InitSettingsSource", {}), "argument")


def settings_markdown() -> str:
    """The page docs/settings.md: `python -m streams.settings > docs/settings.md`."""
    rows = [
        f"| `{_variable(name)}` | {_default(name, field)} | {field.description} |"
        for name, field in _declared().items()
    ]
    secrets = ", ".join(f"`{_variable(name)}_FILE`" for name in SECRETS)
    return "\n".join(
        [
            "# Settings",
            "",
            "Written by `python -m streams.settings > docs/settings.md`; a test checks that it is up to date.",
            "",
            f"Each is read from the environment, else from `{CONFIG_FILE}` in the working directory (or the file that",
            f"`{CONFIG_VARIABLE}` names; there a setting is spelled in lower case without the prefix), else it has its",
            "default. An empty variable counts as unset; a name that isn't known is an error. `touchstream settings`",
            "prints what is in force and where from.",
            "",
            f"Secrets may be kept in files: {secrets} name a file that holds the value.",
            "",
            "| variable | default | what it sets |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _declared() -> dict[str, FieldInfo]:
    return {name: field for name, field in Settings.model_fields.items() if name != "origins"}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _default(name: str, field: FieldInfo) -> str:
    return "unset" if field.default is None else f"`{_shown(name, field.default)}`"


def _shown(name: str, value: Any) -> str:
    """A setting as text, without its secret."""
    if value is None:
        return ""
    if name not in SECRETS:
        return f"{value:g}" if isinstance(value, float) else str(value)
    parts = urlsplit(value) if name.endswith("_url") else None
    if parts is None:
        return "***"
    if parts.password is None:
        return str(value)
    credentials, _, server = parts.netloc.rpartition("@")
    return str(parts._replace(netloc=f"{credentials.partition(':')[0]}:***@{server}").geturl())


def _is_service_link(variable: str, text: str) -> bool:
    if _SERVICE_LINK_VALUE.fullmatch(text):
        return variable.endswith("_PORT") or _SERVICE_LINK.search(variable) is not None
    match = _SERVICE_LINK.search(variable)
    return match is not None and match.end() == len(variable)


def _config_path() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None


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


def _one_line(error: ValidationError, arguments: Mapping[str, Any]) -> str:
    problems = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else None
        message = problem["msg"].removeprefix("Value error, ")
        if name is None:
            problems.append(message)
            continue
        got = "" if name in SECRETS else " (got " + re.sub("//[^/]*@", "//***@", repr(problem["input"])) + ")"
        problems.append(f"{_variable(name)} ({_where(name, arguments)}): {message[0].lower()}{message[1:]}{got}")
    return "; ".join(problems)


def _where(name: str, arguments: Mapping[str, Any]) -> str:
    if name in arguments:
        return "argument"
    if os.environ.get(_variable(name)) or os.environ.get(f"{_variable(name)}_FILE"):
        return "environment"
    return str(_config_path())


if __name__ == "__main__":
    print(settings_markdown(), end="")
