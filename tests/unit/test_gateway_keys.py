"""API keys: hashed at rest, compared safely, withdrawn by deleting a line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streams.channels.gateway.keys import (
    KEYS_MAX,
    KeyFile,
    KeyFileError,
    Permission,
    key_line,
    new_key,
    permissions,
    read_keys,
)


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


@pytest.mark.parametrize("broken", ["plain-text-key", None])
def test_a_file_that_breaks_while_the_gateway_runs_changes_nothing(broken: str | None, tmp_path: Path) -> None:
    key = new_key()
    path = written(tmp_path / "keys", key_line("shop", key))
    keys = KeyFile(path)
    if broken is None:
        path.unlink()
    else:
        written(path, broken)
    assert owner(keys, key) == "shop"
    written(path, key_line("mended", key))
    assert owner(keys, key) == "mended"


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
    with pytest.raises(KeyFileError, match="has 0 keys"):
        read_keys(written(tmp_path / "keys", "# none"))
    line = key_line("shop", "key")
    assert len(read_keys(written(tmp_path / "keys", *[line] * KEYS_MAX))) == KEYS_MAX
    with pytest.raises(KeyFileError, match=f"has {KEYS_MAX + 1} keys"):
        read_keys(written(tmp_path / "keys", *[line] * (KEYS_MAX + 1)))
    (tmp_path / "keys").write_bytes(b"\xff")
    with pytest.raises(KeyFileError, match="can't be read"):
        read_keys(tmp_path / "keys")
    os.truncate(tmp_path / "keys", 2**30)
    with pytest.raises(KeyFileError, match="keys"):
        read_keys(tmp_path / "keys")


@pytest.mark.parametrize("name", ["", "a b", "a\n", "ü", "a" * 65, "#a"])
def test_a_name_that_cannot_stand_in_the_file_is_refused(name: str) -> None:
    with pytest.raises(KeyFileError, match="can't name a key"):
        key_line(name, "key")
