"""Which local stack a command means, and whether what answers there is that one.

Where neither Kafka nor ClickHouse is set, a command means the stack that runs on DATA_DIR, on whatever ports it has;
where none does, one that has Kafka's default port.
"""

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from touchstream.deploy.local.broker_identity import stack_of
from touchstream.deploy.local.data_directory import holder, stack_id
from touchstream.deploy.local.ports import LOOPBACK, noted
from touchstream.streams.process.connection import kafka_servers
from touchstream.streams.process.settings import Settings, SettingsError
from touchstream.streams.process.settings_sources import READY_FILE

_SERVERS: Final = {"kafka_url": "kafka", "clickhouse_url": "clickhouse"}


def addressed(settings: Settings) -> Settings:
    """The settings with the addresses of the stack that is meant. Raises SettingsError where another one answers.

    Settings take the addresses of a ready file themselves; here it is looked at more closely.
    """
    unnamed = ("default", str(settings.data_dir / READY_FILE))
    if any(settings.origins.get(name, "default") not in unnamed for name in _SERVERS):
        return settings
    directory = settings.data_dir.absolute()
    if (pid := holder(directory)) is None:
        settings = _by_default(settings)
        other = _on_default_port(settings)
        if other is None or other == directory:
            return settings
        if stack_id(directory) or settings.origins.get("data_dir", "default") != "default":
            raise SettingsError(
                f"no stack runs on {directory}, and {settings.kafka_url} is that of {other} (process {holder(other)}):"
                f" start yours with `touchstream up --data {directory}`, or set TOUCHSTREAM_DATA_DIR={other}"
            )
        if ready(other) is None:
            return settings
        directory, pid = other, holder(other)
    found = ready(directory)
    if found is None:
        raise SettingsError(
            f"the stack on {directory} (process {pid}) isn't ready yet: try again in a moment, or see {directory}/logs"
        )
    _check(found, directory)
    return settings.model_copy(
        update={
            **{name: found[key] for name, key in _SERVERS.items()},
            "data_dir": directory,
            "origins": {**settings.origins, **dict.fromkeys(_SERVERS, f"the stack on {directory}")},
        }
    )


def _by_default(settings: Settings) -> Settings:
    """Without the addresses from a ready file whose stack has ended."""
    left = {name: Settings.model_fields[name].default for name in _SERVERS if settings.origins.get(name)}
    origins = {name: origin for name, origin in settings.origins.items() if name not in left}
    return settings.model_copy(update={**left, "origins": origins}) if left else settings


def ready(directory: Path) -> dict[str, Any] | None:
    """The ready file of the stack that runs on the directory. One that another process left there isn't believed."""
    pid = holder(directory)
    try:
        content = json.loads((directory / READY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if pid is None or not isinstance(content, dict) or not content.keys() >= set(_SERVERS.values()):
        return None
    return content if (content.get("pid"), content.get("id")) == (pid, stack_id(directory)) else None


def refuse_broker_of_a_stack(kafka_url: str) -> None:
    """Raises SettingsError where that Kafka is the broker of a local stack, whose workers would share their group."""
    for server in kafka_servers(kafka_url):
        host, _, port = server.rpartition(":")
        if stack_of(host.strip("[]"), int(port)) is not None:
            raise SettingsError(
                f"{kafka_url} is the broker of another local stack{_whose(int(port))}: two stacks would share one group"
                " of workers; start this one without --kafka"
            )


def taken(port: int, directory: Path) -> Path | None:
    """The data directory of another stack that runs and has that port."""
    other = noted(port)
    return other if other is not None and other != directory and holder(other) is not None else None


def _on_default_port(settings: Settings) -> Path | None:
    """The data directory of the stack that has Kafka's default port. Raises SettingsError if it is another user's."""
    port = urlsplit(settings.kafka_url).port or 0
    stack, other = stack_of(LOOPBACK, port), noted(port)
    if stack is None:
        return None
    if other is None or stack_id(other) != stack:
        raise SettingsError(
            f"{settings.kafka_url} is the broker of another user's local stack: start yours with `touchstream up`, or"
            " set TOUCHSTREAM_KAFKA_URL and TOUCHSTREAM_CLICKHOUSE_URL"
        )
    return other


def _check(found: dict[str, Any], directory: Path) -> None:
    """Raises SettingsError where another stack's broker is where that of this one should be."""
    for server in kafka_servers(found["kafka"]):
        host, _, port = server.rpartition(":")
        stack = stack_of(host.strip("[]"), int(port))
        if stack is not None and stack != found["id"]:
            raise SettingsError(
                f"{found['kafka']} is the broker of another local stack{_whose(int(port))}, not of that on {directory}:"
                " end one of the two and start it again"
            )


def _whose(port: int) -> str:
    other = noted(port)
    return f" ({other})" if other is not None and holder(other) is not None else ""
