"""The keys that may sign control records, and what lanes made of the records they read (docs/decisions/0013)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from touchstream.sinks.clickhouse.sql import query_text


@dataclass(frozen=True)
class KnownKey:
    """A public key (hexadecimal digits). until: the last sequence number that it signs; 0 while it is in force."""

    public: str
    until: int


@dataclass(frozen=True)
class ControlVerdict:
    """What a lane made of a control record. what: its effect, or why it had none."""

    partition: int
    obeyed: bool
    what: str


def known_keys(client: Client) -> list[KnownKey]:
    """Every key that this database knows; those in force last."""
    rows = client.query("SELECT public, until FROM control_keys FINAL ORDER BY until = 0, until, public").result_rows
    return [KnownKey(*row) for row in rows]


def note_keys(client: Client, keys: Iterable[KnownKey]) -> None:
    """Make keys known, or until when they sign."""
    rows = [[one.public, one.until, datetime.now(UTC)] for one in keys]
    client.insert("control_keys", rows, column_names=["public", "until", "noted_at"], settings={"async_insert": 0})


def last_sequence(client: Client) -> int:
    """The highest sequence number that a lane has obeyed, of all topics; 0 before the first."""
    return int(client.query("SELECT max(control_sequence) FROM lanes").result_rows[0][0])


def sequence_below(client: Client, log_id: str, partition: int, offset: int) -> int:
    """The highest sequence number that a lane had obeyed below an offset; 0 before the first."""
    parameters = {"log_id": log_id, "partition": partition, "below": offset}
    return int(client.query(query_text("control_sequence_below"), parameters).result_rows[0][0])


def verdicts(client: Client, topic: str, sequences: Sequence[int]) -> list[ControlVerdict]:
    """What the lanes made of records with these sequence numbers."""
    parameters = {"topic": topic, "sequences": list(sequences)}
    return [ControlVerdict(*row) for row in client.query(query_text("control_verdicts"), parameters).result_rows]


def replace_lane_keys(client: Client, keys: str) -> int:
    """Put the keys that may sign into the newest row of every lane; the number of lanes. While no worker runs."""
    client.command(query_text("control_keys_of_lanes"), {"keys": keys})
    return int(client.query("SELECT uniqExact(topic, partition) FROM lanes").result_rows[0][0])
