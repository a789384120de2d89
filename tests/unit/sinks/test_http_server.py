"""The names that a server answers to: none that a web page could rebind."""

from __future__ import annotations

import pytest

from touchstream.sinks.http.server import HostNames


@pytest.mark.parametrize(
    ("bound", "also", "taken", "refused"),
    [
        (
            "127.0.0.1",
            (),
            ("localhost:8090", "127.0.0.1", "[::1]:80", "LOCALHOST."),
            ("evil.example", "10.0.0.5", "localhost.evil.example", "", "localhost@evil.example", "a b", "[::1"),
        ),
        (
            "0.0.0.0",  # noqa: S104
            ("page", "cx.example.org:443"),
            ("page:8090", "cx.example.org", "10.0.0.5:8090", "[2001:db8::1]:8090", "localhost"),
            ("evil.example:8090", "page.evil.example", "127.0.0.1.nip.io", "cx.example.org.evil.example", "*"),
        ),
        ("stats.example", (), ("stats.example:1", "192.168.0.1"), ("evil.example",)),
    ],
)
def test_only_names_that_cannot_be_rebound_are_taken(
    bound: str, also: tuple[str, ...], taken: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    names = HostNames.of(bound, also)
    assert [host for host in taken if not names.take(host)] == []
    assert [host for host in refused if names.take(host)] == []
