"""All settings in one place: environment, then `touchstream.toml`, then defaults.

Only `streams.cli` and `streams.app` build a `Settings`; everything else is given the values it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from touchstream.schemas.groups import SERIES_MAX
from touchstream.schemas.scales import Scales
from touchstream.schemas.void_ids import VOID_WORDS
from touchstream.streams.process import setting_values as values
from touchstream.streams.process.connection import KafkaConnection, kafka_servers
from touchstream.streams.process.settings_sources import (
    PREFIX,
    Environment,
    LocalStack,
    Origins,
    SettingsError,
    TomlFile,
    variable_of,
)
from touchstream.streams.process.settings_words import error_in_one_line, shown

__all__ = ["Settings", "SettingsError"]

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class SettingLine:
    """One row of `touchstream settings`: its value as text (secrets hidden) and where it came from."""

    name: str
    value: str
    origin: str
    description: str


class Settings(BaseSettings):
    """Every setting of Touchstream. Frozen; units are in the names and descriptions.

    Raises SettingsError, one line, for a value that can't be used and for a name that isn't known.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kafka_url: Annotated[str, AfterValidator(values.kafka_url)] = Field(
        "kafka://127.0.0.1:9092",
        description="Kafka's servers: kafka://host:port, several separated by commas. Without this and"
        " CLICKHOUSE_URL: those of the stack that `touchstream up` runs in DATA_DIR.",
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
    clickhouse_url: Annotated[str, AfterValidator(values.http_url)] = Field(
        "http://default@127.0.0.1:8123/touchstream",
        description="ClickHouse over HTTP: http[s]://user:password@host:port/database.",
        repr=False,
    )
    schema_registry_url: Annotated[str, AfterValidator(values.http_url)] | None = Field(
        None,
        description="Confluent schema registry: http[s]://user:password@host:port; unset: events carry the schema's"
        " fingerprint and need none.",
        repr=False,
    )
    topic: Annotated[str, AfterValidator(values.topic_name)] = Field(
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
    clickhouse_quorum: bool = Field(
        False,
        description="On a cluster of ClickHouse: a majority of replicas acknowledges each insert of the workers, and a"
        " lane is taken over from rows that are so acknowledged.",
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
    duplicate_ids_max: int = Field(
        50_000_000,
        ge=0,
        le=2**30,
        description="Of how many of a partition's newest events ids are remembered at most, some 40 bytes each: bounds"
        " a worker's memory where more come within the horizon. 0: of all.",
    )
    raw_retention_days: int = Field(
        30, ge=1, le=36_500, description="Days for which raw events are kept; longer than the duplicate horizon."
    )
    correction_days: int = Field(
        14,
        ge=0,
        le=90,
        description="Days within which an event may amend an answer (`amends`); later it is an answer of its own."
        " At most RAW_RETENTION_DAYS, since raw events say what it replaces. 0: none is amended.",
    )
    dead_letter_retention_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="Days for which dead letters are kept, with the bytes of what could not be used; where raw events"
        " are kept longer, as long as these.",
    )
    erasure_key: str | None = Field(
        None,
        description="Secret under which `forget` hashes ids, at least 16 bytes; `init` puts it in force. Unset: plain"
        " hashes, by which whoever can read Kafka may find out who was erased by guessing ids.",
        repr=False,
    )
    pane_retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Days for which panes are kept, events older than that are refused; 0: for ever.",
    )
    control_key_file: Path | None = Field(
        None,
        description="File of the private key that signs what steers workers (`init` with changed definitions, `forget`,"
        " `control-key rotate`): Ed25519, PEM; `init` makes the first. Unset: control.key in DATA_DIR.",
    )
    series_max: int = Field(
        SERIES_MAX,
        ge=10,
        le=100_000,
        description="How many groups of each kind (journeys; stages; channels, segments, and both, in a stage) have"
        " rolling rows of their own at most, besides the declared ones: what bounds page, gauges and alerts whatever"
        " names arrive. The others are counted together, as other; exact metrics have every name.",
    )
    void_ids: str | None = Field(
        None,
        max_length=10_000,
        description="Words, separated by commas, that are no ids: an event whose customer_id, anonymous_id or event_id"
        " is one, in any case, is refused; unset: undefined, null, 0 and their kin (docs/events.md).",
    )
    journey_file: Path | None = Field(None, description="Your journey.yaml; unset: the default customer journey.")
    metrics_file: Path | None = Field(None, description="Your metrics.yaml; unset: the default catalogue.")
    instruments_file: Path | None = Field(
        None,
        description="Your instruments.yaml; unset: nps, csat and ces alone. `init` puts it in force; a producer or"
        " gateway that has it refuses answers at once which workers would refuse.",
    )
    alerts_file: Path | None = Field(None, description="Your alerts.yaml; unset: the default rules.")
    alerts_webhook_url: Annotated[str, AfterValidator(values.http_url)] | None = Field(
        None, description="Where alerts that fire or are resolved are posted as JSON; unset: nowhere.", repr=False
    )
    alerts_webhook_keys: Annotated[str, AfterValidator(values.webhook_keys_text)] | None = Field(
        None,
        description="Key by which webhooks are signed (Standard Webhooks): whsec_ and Base64 of 24 to 64 bytes; two,"
        " separated by a space, while a receiver changes from one to the other. Unset: not signed.",
        repr=False,
    )
    alerts_email_server: Annotated[str, AfterValidator(values.mail_server)] | None = Field(
        None,
        description="Server that sends alerts by e-mail: smtp://user:password@host:587 (STARTTLS), smtps://… (TLS), or"
        " smtp+plain://host without either; unset: none.",
        repr=False,
    )
    alerts_email_from: Annotated[str, AfterValidator(values.one_address)] | None = Field(
        None, description="Address that e-mail about alerts comes from."
    )
    alerts_email_to: Annotated[str, AfterValidator(values.addresses)] | None = Field(
        None, description="Addresses that get e-mail about alerts, separated by commas."
    )
    alerts_email_ca_file: Path | None = Field(
        None,
        description="PEM file with the authorities that the e-mail server's certificate is checked against; unset: the"
        " system's.",
    )
    alertmanager_url: Annotated[str, AfterValidator(values.http_url)] | None = Field(
        None, description="Prometheus Alertmanager that receives alerts: http://host:9093; unset: none.", repr=False
    )
    alerts_slack_url: Annotated[str, AfterValidator(values.http_url)] | None = Field(
        None, description="Slack incoming webhook that receives alerts; unset: none.", repr=False
    )
    alerts_heartbeat_url: Annotated[str, AfterValidator(values.http_url)] | None = Field(
        None,
        description="Address that gets a POST each minute while `watch` judges: of a service that raises the alarm when"
        " none comes; unset: none.",
        repr=False,
    )
    watch_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address on which metrics and health of `watch` listen; 0.0.0.0: all.",
    )
    watch_port: int = Field(
        9474, ge=0, le=65_535, description="Port of metrics and health of `watch`; 0: any free one."
    )
    metrics_port: int = Field(
        9464, ge=0, le=65_535, description="Port of a worker's Prometheus metrics; 0: any free one."
    )
    metrics_host: str = Field(
        "127.0.0.1", description="Address on which a worker's Prometheus metrics listen; 0.0.0.0: all."
    )
    normalise_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address on which metrics and health of `normalise` listen; 0.0.0.0: all.",
    )
    normalise_port: int = Field(
        9484, ge=0, le=65_535, description="Port of metrics and health of `normalise`; 0: any free one."
    )
    gateway_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address on which the gateway listens; another than loopback needs GATEWAY_KEYS_FILE.",
    )
    gateway_port: int = Field(8080, ge=0, le=65_535, description="Port of the gateway; 0: any free one.")
    gateway_keys_file: Path | None = Field(
        None,
        description="File of the gateway's API keys, hashed, one a line (`touchstream gateway key` makes one); unset:"
        " none is asked for.",
    )
    gateway_sources_file: Path | None = Field(
        None,
        description="File of the systems whose own webhooks the gateway takes: mapping and signature of each"
        " (docs/webhooks.md); unset: none.",
    )
    gateway_segment_mapping: str = Field(
        "segment",
        min_length=1,
        description="Mapping of what comes to Segment's paths: a shipped one's name, or a file.",
    )
    gateway_events_per_second: float = Field(
        20_000, ge=1, le=10_000_000, description="Events a second, on average, that one API key may send."
    )
    gateway_bytes_per_second: float = Field(
        20 * 2**20, ge=1024, le=10 * 2**30, description="Bytes a second, on average, that one API key may send."
    )
    gateway_body_bytes_max: int = Field(
        5 * 2**20, ge=1024, le=64 * 2**20, description="Bytes of a request to the gateway, decompressed, at most."
    )
    gateway_letters_per_minute: int = Field(
        1_000,
        ge=0,
        le=1_000_000,
        description="Refused events of one API key that become dead letters, in a minute; more are only counted.",
    )
    gateway_delivery_seconds: float = Field(
        10,
        ge=0.5,
        le=120,
        description="Seconds that the gateway gives Kafka to acknowledge events before it answers 503.",
    )
    page_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address on which the page listens; beyond loopback put a proxy before it that signs people in.",
    )
    page_port: int = Field(8090, ge=0, le=65_535, description="Port of the page; 0: any free one.")
    page_hosts: str = Field(
        "",
        description="Host names under which the page is asked for, separated by commas: a proxy's, for example."
        " Loopback, PAGE_HOST, and beyond loopback any address instead of a name, are always taken.",
    )
    page_customers: bool | None = Field(
        None,
        description="Whether the page shows single customers, which is personal data: true or false; unset: only while"
        " it listens on loopback, or to PAGE_PEOPLE.",
    )
    page_actions: bool | None = Field(
        None,
        description="Whether alerts can be acknowledged and silenced, and things noted, on the page: true or false;"
        " unset: only while it listens on loopback, or by PAGE_OPERATORS.",
    )
    page_user_header: Annotated[str, AfterValidator(values.header_name)] = Field(
        "",
        description="Header in which a proxy names whom it has signed in, such as X-Forwarded-User; empty: no one signs"
        " in. With it, the page answers PAGE_PROXIES only.",
    )
    page_groups_header: Annotated[str, AfterValidator(values.header_name)] = Field(
        "", description="Header in which the proxy names their groups, separated by commas, such as X-Forwarded-Groups."
    )
    page_proxies: Annotated[str, AfterValidator(values.networks_text)] = Field(
        "127.0.0.1, ::1",
        description="Addresses and networks of the proxy, separated by commas: whoever sends from there is believed.",
    )
    page_operators: str = Field(
        "",
        description="Who of those signed in may acknowledge and silence alerts, and note what happened: names, groups"
        " as group:NAME, or * for all, separated by commas.",
    )
    page_people: str = Field(
        "", description="Who of those signed in may see single customers, in the form of PAGE_OPERATORS."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="How logs are written: console for people, json for collectors."
    )
    origins: Mapping[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(error_in_one_line(error, values)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  ours tells unknown names and reads secrets from files
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before the environment before the file before the stack that runs here; a note of which won."""
        sources = Environment(settings_cls), TomlFile(settings_cls), LocalStack(settings_cls)
        return init_settings, *sources, Origins(settings_cls, *sources)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        # ValueErrors here name the settings themselves: pydantic has no field to blame.
        if self.raw_retention_days * SECONDS_PER_DAY <= self.duplicate_horizon_seconds:
            raise ValueError(
                f"{PREFIX}RAW_RETENTION_DAYS must be longer than {PREFIX}DUPLICATE_HORIZON_SECONDS"
                f" ({self.duplicate_horizon_seconds:g} s): a restarted worker finds duplicates in the raw events"
            )
        if self.alerts_email_server and not (self.alerts_email_from and self.alerts_email_to):
            raise ValueError(f"{PREFIX}ALERTS_EMAIL_FROM and _TO are needed with {PREFIX}ALERTS_EMAIL_SERVER")
        if self.kafka_security_protocol.startswith("SASL"):
            for name in ("kafka_sasl_username", "kafka_sasl_password"):
                if getattr(self, name) is None:
                    raise ValueError(f"{variable_of(name)} is needed with {self.kafka_security_protocol}")
        return self

    @property
    def void_words(self) -> tuple[str, ...]:
        """What is no id."""
        if self.void_ids is None:
            return VOID_WORDS
        return tuple(word.strip() for word in self.void_ids.split(",") if word.strip())

    def scales(self) -> Scales | None:
        """The scales of INSTRUMENTS_FILE; None without one, and then any are taken. Raises DefinitionError, OSError."""
        if self.instruments_file is None:
            return None
        # Here, since a process that only publishes reads no definition files.
        from touchstream.schemas.metrics import instruments_of

        return instruments_of(self.instruments_file).scales

    @property
    def dead_letter_topic(self) -> str:
        """Where events that couldn't be used go."""
        return f"{self.topic}.dead-letter"

    @property
    def control_key_path(self) -> Path:
        """Where the private key that signs control records is."""
        return self.control_key_file or self.data_dir / "control.key"

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
                name=variable_of(name),
                value=shown(name, getattr(self, name)),
                origin=self.origins.get(name, "default"),
                description=field.description or "",
            )
            for name, field in declared().items()
        ]


def declared() -> dict[str, FieldInfo]:
    """Every setting, by its name."""
    return {name: field for name, field in Settings.model_fields.items() if name != "origins"}
