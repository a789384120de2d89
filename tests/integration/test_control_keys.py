"""The keys that sign what steers lanes: the first, the next, one that is lost, and lanes from before there were any."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kafka import KafkaProducer
from typer.testing import CliRunner, Result

from tests.support.measuring import NEW, OLD, Stand, events, measure, rows, standing
from touchstream.sinks.clickhouse.client import connect_directly
from touchstream.sinks.clickhouse.lanes.control import known_keys, last_sequence, verdicts
from touchstream.sinks.clickhouse.lanes.definitions import known_definitions
from touchstream.sinks.clickhouse.metrics.exact import metrics
from touchstream.streams.broker import control_records
from touchstream.streams.broker.control_key import ControlKeyError, make_key, read_key
from touchstream.streams.broker.control_records import Control
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.cli.main import app
from touchstream.streams.measure.controls import (
    DEFINITIONS,
    KEYS,
    ControlKey,
    Position,
    keys_document,
    signed_headers,
)
from touchstream.streams.measure.erasures import HASHES_MAX
from touchstream.streams.upkeep.editions import switch
from touchstream.streams.upkeep.forget import announce
from touchstream.streams.upkeep.init import definitions_in_settings, prepare
from touchstream.streams.upkeep.rederivation import Restating
from touchstream.streams.worker.store import WorkerTables

pytestmark = pytest.mark.stack


@pytest.fixture
def stand(clickhouse_url: str, kafka_url: str, tmp_path: Path) -> Iterator[Stand]:
    with standing(clickhouse_url, kafka_url, tmp_path) as stand:
        yield stand


@pytest.fixture
def command(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def called(*arguments: str, **settings: Any) -> Result:
        named = {name: getattr(stand.settings, name) for name in ("kafka_url", "clickhouse_url", "topic", "data_dir")}
        for name, value in (named | settings).items():
            monkeypatch.setenv(f"TOUCHSTREAM_{name.upper()}", str(value))
        return CliRunner().invoke(app, [*arguments])

    return called


def control(stand: Stand) -> Control:
    return Control.of(stand.settings, stand.in_force)


def forge(stand: Stand, private: Ed25519PrivateKey, kind: str, value: bytes, sequence: int) -> None:
    """Write a record to every partition that only its key keeps from being obeyed."""
    connection, topic = stand.settings.kafka_connection(), stand.settings.topic
    producer = KafkaProducer(**connection.client_options(), acks="all")
    for partition, at in log_identity(connection, topic).items():
        headers = signed_headers(private, kind, Position(at.log_id, partition, sequence), value)
        producer.send(topic, value=value, partition=partition, headers=list(headers))
    producer.close()


def forget(stand: Stand, letter: str) -> int:
    (sequence,) = announce(control(stand), [letter * 64])
    return sequence


def erased(stand: Stand) -> set[str]:
    return {row["id_hash"][0] for row in rows(stand.in_force, "erasures")}


def letters(stand: Stand) -> list[str]:
    found = rows(stand.in_force, "dead_letters")
    return [row["detail"] for row in found if row["reason"] == "control_refused"]


def test_a_lane_from_before_there_were_keys_takes_them_from_the_tables_before_it_reads(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 50))
    measure(settings)
    client = stand.in_force
    client.command("INSERT INTO lanes SELECT * REPLACE ('' AS control_keys, now64(3) AS written_at) FROM lanes FINAL")
    client.command("TRUNCATE TABLE control_keys")
    with pytest.raises(LookupError, match="touchstream init"):
        WorkerTables(settings).control_keys()
    mine = Ed25519PrivateKey.generate()
    taken = keys_document([ControlKey(mine.public_key().public_bytes_raw().hex())])
    forge(stand, mine, KEYS, taken, 5)
    forge(stand, mine, DEFINITIONS, definitions_in_settings(stand.with_journey(NEW)), 6)
    stand.init(OLD)
    measure(settings)
    (key,) = known_keys(client)
    assert {row["control_keys"] for row in rows(client, "lanes")} == {key.public}
    assert len(letters(stand)) == 4
    assert all("is none of this lane" in detail for detail in letters(stand))
    forget(stand, "a")
    measure(settings)
    assert erased(stand) == {"a"}


def test_definitions_that_the_tables_do_not_hold_are_there_before_a_lane_row_names_them(stand: Stand) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 50))
    measure(settings)
    before = {one.version for one in known_definitions(stand.in_force)}
    control(stand).write(DEFINITIONS, [definitions_in_settings(stand.with_journey(NEW))])
    measure(settings)
    stand.publish(*events(50, 50))
    measure(settings)  # a new owner, who reads them from the tables
    (new,) = {one.version for one in known_definitions(stand.in_force)} - before
    assert {row["definitions"] for row in rows(stand.in_force, "lanes")} == {new}
    assert "browse" in {row["stage"] for row in metrics(stand.in_force, by=("stage",), topic=settings.topic)}


def test_without_the_key_in_force_nothing_is_steered_and_the_commands_say_what_to_do(
    stand: Stand, command: Callable[..., Result], tmp_path: Path
) -> None:
    settings = stand.init(OLD)
    assert command("init", journey_file=settings.journey_file).exit_code == 0, "nothing to switch, and no key needed"
    key, kept = settings.control_key_path, tmp_path / "kept"
    assert key.stat().st_mode & 0o777 == 0o600
    key.rename(kept)
    changed = stand.with_journey(NEW).journey_file
    (tmp_path / "garbage").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    make_key(tmp_path / "other")
    for file, says in (
        ("nowhere", "no control key at"), ("garbage", "holds no Ed25519"), ("other", "and in force is"), (".", "read"),
    ):  # fmt: skip
        for arguments in (("init",), ("forget", "p1", "--yes")):
            refused = command(*arguments, journey_file=changed, control_key_file=tmp_path / file)
            assert (refused.exit_code, says in refused.output, "c2VjcmV0" in refused.output) == (1, True, False)
    measure(settings)
    assert (rows(stand.in_force, "control_records"), len(known_definitions(stand.in_force))) == ([], 1)
    used = command("init", journey_file=changed, control_key_file=kept)
    assert (used.exit_code, kept.read_text() in used.output) == (0, False)
    measure(settings)
    assert {row["obeyed"] for row in rows(stand.in_force, "control_records")} == {True}


def test_the_first_key_is_made_only_where_it_can_stay_and_none_is_overwritten(
    stand: Stand, command: Callable[..., Result], tmp_path: Path
) -> None:
    nowhere = command("init", control_key_file="/proc/nowhere/key")
    assert (nowhere.exit_code, "control-key new FILE" in nowhere.output) == (1, True)
    given = tmp_path / "deep" / "key"
    assert command("control-key", "new", str(given)).exit_code == 0
    before = given.read_bytes()
    assert command("control-key", "new", str(given)).exit_code == 1
    assert command("init", control_key_file=given).exit_code == 0
    assert given.read_bytes() == before
    with pytest.raises(ControlKeyError, match="Ed25519"):
        read_key(stand.with_journey(OLD).journey_file or given)


def test_a_key_that_is_lost_is_replaced_by_who_may_write_to_clickhouse(
    stand: Stand, command: Callable[..., Result], tmp_path: Path
) -> None:
    settings = stand.init(OLD)
    forget(stand, "a")
    measure(settings)
    lost = read_key(settings.control_key_path)
    settings.control_key_path.unlink()
    adopted = command("control-key", "adopt", str(tmp_path / "second"), "--yes")
    assert adopted.exit_code == 0, adopted.output
    (tmp_path / "second").rename(settings.control_key_path)
    forge(stand, lost, DEFINITIONS, definitions_in_settings(stand.with_journey(NEW)), last_sequence(stand.in_force) + 1)
    measure(settings)
    assert [("none of this lane" in detail) for detail in letters(stand)] == [True, True]
    forget(stand, "b")
    measure(settings)
    assert erased(stand) == {"a", "b"}
    shown = json.loads(command("control-key", "show", "--json").stdout)
    assert [bool(one["until"]) for one in shown] == [True, False]


def test_a_rotation_that_was_interrupted_is_called_again(
    stand: Stand, command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = stand.init(OLD)

    def crash(*_: Any) -> None:
        raise OSError("the process ends here")

    with monkeypatch.context() as patched:
        patched.setattr(control_records, "note_keys", crash)
        assert command("control-key", "rotate", str(tmp_path / "second")).exit_code == 1
    measure(settings)
    again = command("control-key", "rotate", str(tmp_path / "second"))
    assert again.exit_code == 0, again.output
    (tmp_path / "second").rename(settings.control_key_path)
    forget(stand, "a")
    measure(settings)
    assert (erased(stand), len(letters(stand))) == ({"a"}, settings.partitions)


def test_an_edition_obeys_what_keys_signed_while_they_counted_and_nothing_else(
    stand: Stand, command: Callable[..., Result], tmp_path: Path
) -> None:
    settings = stand.init(OLD)
    stand.publish(*events(0, 100))
    forget(stand, "a")
    retired = read_key(settings.control_key_path)
    rotated = command("control-key", "rotate", str(tmp_path / "second"))
    assert rotated.exit_code == 0, rotated.output
    (tmp_path / "second").replace(settings.control_key_path)
    copied = forget(stand, "b")
    value = json.dumps({"id_hashes": ["c" * 64], "erased_at": 1}).encode()
    forge(stand, retired, "forget", value, copied + 1)
    measure(settings)
    assert erased(stand) == {"a", "b"}
    before, tables = rows(stand.in_force, "lanes"), rows(stand.in_force, "control_records")
    database = Restating(stand.with_journey(NEW), None).run(lambda *_: None).database
    switch(stand.settings, database)
    assert erased(stand) == {"a", "b"}
    assert rows(stand.in_force, "control_records") == tables
    for name in ("control_sequence", "control_keys"):
        assert [row[name] for row in rows(stand.in_force, "lanes")] == [row[name] for row in before], name
    stand.init({"cart": "else"})
    stand.publish(*events(100, 50))
    measure(settings)
    switch(stand.settings, str(connect_directly(settings.clickhouse_url).database))
    forget(stand, "d")
    measure(settings)
    assert erased(stand) == {"a", "b", "d"}


def test_clocks_that_differ_and_persons_with_many_ids_are_no_hindrance(stand: Stand) -> None:
    settings = stand.init(OLD)
    ahead = control_records.next_sequence(stand.in_force) + 86_400_000
    control(stand).write("forget", [json.dumps({"id_hashes": ["a" * 64], "erased_at": 0}).encode()], ahead)
    measure(settings)
    hashes = [f"{number:064x}" for number in range(2 * HASHES_MAX + 1)]
    sequences = announce(control(stand), hashes)
    assert sequences == [ahead + 1, ahead + 2, ahead + 3]
    measure(settings)
    assert [one.obeyed for one in verdicts(stand.in_force, settings.topic, sequences)] == [True] * 6
    assert len({row["id_hash"] for row in rows(stand.in_force, "erasures")}) == len(hashes) + 1


def test_init_again_makes_no_second_key(stand: Stand) -> None:
    settings = stand.init(OLD)
    for _ in range(2):
        assert not [line for line in prepare(settings) if line.startswith("control key")]
    assert len(known_keys(stand.in_force)) == 1
