"""Writing control records: signed, to every partition, each with a sequence number above all before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kafka import KafkaProducer
from kafka.errors import KafkaError

from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.lanes.control import (
    KnownKey,
    known_keys,
    last_sequence,
    note_keys,
    verdicts,
)
from touchstream.streams.broker.control_key import ControlKeyError, make_key, public_of, read_key
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.measure.controls import (
    CONTROL_BYTES_MAX,
    KEYS,
    ControlKey,
    Position,
    keys_document,
    signed_headers,
)
from touchstream.streams.process.settings import Settings

_ACKNOWLEDGED_SECONDS: Final = 30


@dataclass(frozen=True)
class Control:
    """Steers the lanes of the settings' topic. client: of the edition in force."""

    settings: Settings
    client: Client
    private: Ed25519PrivateKey

    @classmethod
    def of(cls, settings: Settings, client: Client) -> "Control":
        """With the settings' private key. Raises ControlKeyError where it is none that lanes would obey."""
        path = settings.control_key_path
        private = read_key(path)
        in_force = [one.public for one in known_keys(client) if not one.until]
        if public_of(private).public not in in_force:
            ids = " ".join(ControlKey(public).id for public in in_force) or "none"
            raise ControlKeyError(
                f"the key at {path} is {public_of(private).id}, and in force is {ids}: set TOUCHSTREAM_CONTROL_KEY_FILE"
                " to that one (if it is lost: docs/operations.md, Control keys)"
            )
        return cls(settings, client, private)

    def write(self, kind: str, values: Sequence[bytes], sequence: int | None = None) -> list[int]:
        """Write records to every partition; returns their sequence numbers once Kafka has acknowledged all of them.

        Raises TopicError, after which some of them may be in the log: write all of them again.
        """
        if any(len(value) > CONTROL_BYTES_MAX for value in values):
            raise ControlKeyError(f"a {kind} record may have {CONTROL_BYTES_MAX} bytes: shorten what it says")
        first = sequence or next_sequence(self.client)
        connection, topic = self.settings.kafka_connection(), self.settings.topic
        positions = log_identity(connection, topic)
        producer = KafkaProducer(**connection.client_options(), acks="all", max_request_size=2 * CONTROL_BYTES_MAX)
        try:
            sent = [
                producer.send(
                    topic,
                    value=value,
                    partition=partition,
                    timestamp_ms=now_ms(),
                    headers=signed_headers(self.private, kind, Position(at.log_id, partition, number), value),
                )
                for partition, at in positions.items()
                for number, value in enumerate(values, first)
            ]
            for one in sent:
                one.get(timeout=_ACKNOWLEDGED_SECONDS)
        except KafkaError as error:
            raise TopicError(f"Kafka did not take a control record: {error}; call this again") from error
        finally:
            producer.close()
        return list(range(first, first + len(values)))

    def refused(self, sequences: Sequence[int]) -> str:
        """Why lanes refused records that they have passed; empty where every one was obeyed."""
        found = verdicts(self.client, self.settings.topic, sequences)
        return next((f"partition {one.partition}: {one.what}" for one in found if not one.obeyed), "")

    def rotate(self, new: Ed25519PrivateKey) -> int:
        """Let another key sign from here on; returns the last sequence number of the one before.

        Interrupted, it is called again: lanes that know the new key already refuse the second record.
        """
        public, sequence = public_of(new).public, next_sequence(self.client)
        known = [one for one in known_keys(self.client) if one.public != public]
        keys = [*(KnownKey(one.public, one.until or sequence) for one in known), KnownKey(public, 0)]
        document = keys_document(ControlKey(one.public, one.until) for one in keys if one.until in (0, sequence))
        self.write(KEYS, [document], sequence)
        note_keys(self.client, keys)
        return sequence


def next_sequence(client: Client) -> int:
    """The time (ms), so that commands need not know of each other; above what lanes have obeyed where clocks differ."""
    return max(now_ms(), last_sequence(client) + 1)


def first_key(path: Path, client: Client) -> str | None:
    """Make the first key known to the tables, of a file that is made if need be; its id, None if there was one before.

    Raises ControlKeyError.
    """
    if known_keys(client):
        return None
    try:
        private = read_key(path) if path.exists() else make_key(path)
    except FileExistsError:  # another `init` was quicker
        private = read_key(path)
    key = public_of(private)
    note_keys(client, [KnownKey(key.public, 0)])
    return key.id
