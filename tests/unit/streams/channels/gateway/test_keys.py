"""API keys: hashed at rest, compared safely, withdrawn by deleting a line."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from touchstream.streams.channels.gateway.key_lines import (
    KeyFileError,
    Permission,
    expiry,
    key_line,
    new_key,
    parse_line,
    permissions,
)
from touchstream.streams.channels.gateway.keys import (
    KEYS_MAX,
    STALE_SECONDS_MAX,
    KeyFile,
    KeysUnavailable,
    read_keys,
)
from touchstream.streams.channels.judged import Bounds


def written(path: Path, *lines: str) -> Path:
    replacement = path.with_suffix(".new")
    replacement.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return replacement.replace(path)


def owner(keys: KeyFile, key: str) -> str | None:
    found = keys.find(key)
    return None if found is None else found.owner


def test_a_key_is_its_owners_and_anything_else_nobodys(tmp_path: Path) -> None:
    shop, app = new_key(), new_key()
    lines = ("# senders", "", key_line("shop", shop), f"  {key_line('app', app)} ")
    keys = KeyFile(written(tmp_path / "keys", *lines))
    assert (owner(keys, shop), owner(keys, app)) == ("shop", "app")
    others = [new_key() for _ in range(500)]
    for other in ("", "shop", shop[:-1], shop + "x", shop.upper(), lines[2], "\ud800", "ü", *others):
        assert owner(keys, other) is None


def test_the_file_holds_no_key(tmp_path: Path) -> None:
    key = new_key()
    path = written(tmp_path / "keys", key_line("shop", key))
    assert key not in path.read_text()
    assert key.removeprefix("touchstream_") not in path.read_text()


def test_keys_differ_and_are_long() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(len(key) >= 43 for key in keys)


def test_a_key_is_withdrawn_and_another_added_while_the_gateway_runs(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    path = written(tmp_path / "keys", key_line("shop", old))
    keys = KeyFile(path)
    written(path, key_line("shop", old), key_line("shop", new))
    assert (owner(keys, old), owner(keys, new)) == ("shop", "shop")
    written(path, key_line("shop", new))
    assert (owner(keys, old), owner(keys, new)) == (None, "shop")


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "plain-text-key\n",
        "app sha256:12\n",
        "app sha256:" + "0" * 64 + " newer=thing\n",
        "\x00\x01\r\n# comment\r\n",
        "shop sha25",
        "\ufffd" * 100,
    ],
)
def test_a_key_that_is_gone_from_the_file_is_withdrawn_whatever_else_it_says(rest: str, tmp_path: Path) -> None:
    old, kept = new_key(), new_key()
    path = written(tmp_path / "keys", key_line("old", old), key_line("kept", kept))
    keys = KeyFile(path)
    path.write_text(f"{rest}\n{key_line('kept', kept)}\n" if rest else "")
    assert owner(keys, old) is None
    assert owner(keys, kept) == ("kept" if rest else None)
    written(path, key_line("again", old))
    assert (owner(keys, old), keys.problem()) == ("again", "")


def test_broken_lines_are_said_without_what_they_say(tmp_path: Path) -> None:
    key, secret = new_key(), new_key()
    path = written(tmp_path / "keys", key_line("shop", key))
    keys = KeyFile(path)
    written(path, key_line("shop", key), secret, secret)
    with structlog.testing.capture_logs() as log:
        assert owner(keys, key) == "shop"
        assert keys.problem() == "2 lines of the file of API keys can't be used"
    assert len(log) == 1
    assert secret not in str(log)


def test_a_file_that_cannot_be_read_ends_its_keys_within_a_bound(tmp_path: Path) -> None:
    key = new_key()
    path = written(tmp_path / "keys", key_line("shop", key))
    now = 100.0
    keys = KeyFile(path, lambda: now)
    path.unlink()
    assert owner(keys, key) == "shop"
    assert "can't be read" in keys.problem()
    now += STALE_SECONDS_MAX + 1
    with pytest.raises(KeysUnavailable):
        keys.find(key)
    path.mkdir()
    with pytest.raises(KeysUnavailable):
        keys.find(key)
    path.rmdir()
    written(path, key_line("mended", key))
    assert (owner(keys, key), keys.problem()) == ("mended", "")


def test_a_file_is_read_as_secrets_are_swapped_and_editors_write(tmp_path: Path) -> None:
    one, two = new_key(), new_key()
    for name, text in (("v1", key_line("one", one)), ("v2", f"\ufeff# keys\r\n{key_line('two', two)}\r\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "keys").write_bytes(text.encode())
    link = tmp_path / "data"
    link.symlink_to("v1")
    keys = KeyFile(link / "keys")
    assert (owner(keys, one), owner(keys, two)) == ("one", None)
    (tmp_path / "new").symlink_to("v2")
    (tmp_path / "new").replace(link)
    assert (owner(keys, one), owner(keys, two), keys.problem()) == (None, "two", "")


def test_a_change_that_no_time_tells_is_seen_a_little_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = new_key(), new_key()
    path = written(tmp_path / "keys", key_line("shop", one))
    monkeypatch.setattr("touchstream.streams.channels.gateway.keys._version", lambda _: (1, 1, 1, 1))
    now = 100.0
    keys = KeyFile(path, lambda: now)
    written(path, key_line("shop", two))
    now += 5
    assert (owner(keys, one), owner(keys, two)) == (None, "shop")


def test_a_key_on_two_lines_is_what_the_first_says(tmp_path: Path) -> None:
    key = new_key()
    path = written(tmp_path / "keys", key_line("first", key))
    keys = KeyFile(path)
    written(path, key_line("first", key), key_line("second", key, {Permission.READ}))
    found = keys.find(key)
    assert found is not None
    assert (found.owner, found.may) == ("first", frozenset({Permission.SEND}))
    assert "1 lines" in keys.problem()


def test_a_key_ends_when_its_line_says(tmp_path: Path) -> None:
    key, now = new_key(), datetime(2026, 5, 1, tzinfo=UTC)
    line = key_line("shop", key, created_at=now, expires_at=expiry("90d", now))
    assert line.endswith(" created=2026-05-01T00:00:00Z expires=2026-07-30T00:00:00Z")
    keys = KeyFile(written(tmp_path / "keys", line), now=lambda: now)
    found = keys.find(key)
    assert found is not None
    assert not keys.has_expired(found)
    now += timedelta(days=90)
    assert keys.has_expired(found)
    assert expiry("2026-12-31", now) == datetime(2027, 1, 1, tzinfo=UTC)
    assert expiry("2026-12-31T12:00+02:00", now) == datetime(2026, 12, 31, 10, tzinfo=UTC)
    for text in ("yesterday", "2020-01-01", "0d", "99999999d", ""):
        with pytest.raises(KeyFileError):
            expiry(text, now)


def test_a_line_says_what_a_key_may_speak_of() -> None:
    bounds = Bounds(frozenset({"web", "a, b = ü"}), frozenset({"purchase"}), frozenset({"Shop 1"}))
    line = key_line("shop", "key", {Permission.SEND, Permission.READ}, bounds)
    assert line.endswith(" send,read channels=a%2C%20b%20%3D%20%C3%BC,web actions=purchase sources=Shop%201")
    assert parse_line(line).bounds == bounds
    hexes = "0" * 64
    for rest in ("channels=", "channels=a,,b", "channels=%ff", "expires=soon", "expires=2027-13-01", "stages=a",
                 "sources=", "channels=a channels=b", "expires=2027-01-01 x", "origins=", "origins=*", "origins=a.b",
                 "origins=https://shop.example/x", "origins=https://shop.example:0", "origins=https://a,"):  # fmt: skip
        with pytest.raises(ValueError, match=r"must|known|twice|empty|decode"):
            parse_line(f"shop sha256:{hexes} {rest}")


def test_a_line_names_the_web_pages_that_may_use_a_key(tmp_path: Path) -> None:
    pages = frozenset({"https://shop.example", "http://localhost:3000"})
    line = key_line("pages", "key", origins=frozenset({"https://Shop.example", "http://localhost:3000"}))
    assert parse_line(line).origins == pages
    assert parse_line(key_line("server", "key")).origins is None
    with pytest.raises(KeyFileError, match="an origin must be https://HOST"):
        key_line("pages", "key", origins=frozenset({"https://shop.example/"}))
    (tmp_path / "keys").write_text(f"{line}\n{key_line('server', 'other')}\n")
    keys = KeyFile(tmp_path / "keys")
    asked = [*pages, "https://evil.example", "https://shop.example:443", "null", ""]
    assert [one for one in asked if keys.takes_pages_of(one)] == list(pages)


def test_a_file_that_cannot_be_used_is_named_with_its_line_and_without_what_it_says(tmp_path: Path) -> None:
    secret = new_key()
    line = key_line("shop", "key")
    for text in (f"{line} root", f"{line} send,", f"{line} send read", f"{line} READ"):
        with pytest.raises(KeyFileError, match=r"keys:2: must be NAME sha256:HEX"):
            KeyFile(written(tmp_path / "keys", "# comment", text))
    for text in (secret, f"shop {secret}", f"shop sha256:{'0' * 63}", f"a b sha256:{'0' * 64}", "shop sha1:0"):
        path = written(tmp_path / "keys", "# comment", text)
        with pytest.raises(KeyFileError, match=r"keys:2: must be NAME sha256:HEX") as caught:
            KeyFile(path)
        assert secret not in str(caught.value)


def test_a_key_may_send_and_nothing_else_unless_its_line_says_more(tmp_path: Path) -> None:
    send, read = Permission.SEND, Permission.READ
    plain, reader, both = new_key(), new_key(), new_key()
    lines = (key_line("a", plain), key_line("b", reader, {read}), key_line("c", both, {read, send}))
    assert [line.partition(" sha256:")[2][65:] for line in lines] == ["", "read", "send,read"]
    keys = KeyFile(written(tmp_path / "keys", *lines))
    may = [found.may for key in (plain, reader, both) if (found := keys.find(key))]
    assert may == [{send}, {read}, {send, read}]


def test_permissions_are_named_and_nothing_else_is_taken_for_one() -> None:
    assert permissions("read,send") == {Permission.READ, Permission.SEND}
    for text in ("", "write", "read,", "read send"):
        with pytest.raises(KeyFileError, match="take send, read or send,read"):
            permissions(text)


def test_a_file_without_keys_or_with_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="can't be read"):
        read_keys(tmp_path / "missing")
    with pytest.raises(KeyFileError, match="has no keys"):
        KeyFile(written(tmp_path / "keys", "# none"))
    lines = [key_line("shop", f"key {number}") for number in range(KEYS_MAX + 1)]
    assert len(read_keys(written(tmp_path / "keys", *lines[1:])).keys) == KEYS_MAX
    with pytest.raises(KeyFileError, match=f"{KEYS_MAX + 1}: there are more than {KEYS_MAX} keys"):
        KeyFile(written(tmp_path / "keys", *lines))
    (tmp_path / "keys").write_bytes(b"\xff")
    with pytest.raises(KeyFileError, match="keys:1: must be"):
        KeyFile(tmp_path / "keys")
    os.truncate(tmp_path / "keys", 2**30)
    with pytest.raises(KeyFileError, match="keys"):
        read_keys(tmp_path / "keys")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "ü", "a" * 65, "#a"])
def test_a_name_that_cannot_stand_in_the_file_is_refused(name: str) -> None:
    with pytest.raises(KeyFileError, match="can't name a key"):
        key_line(name, "key")
