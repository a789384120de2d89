"""CLICKHOUSE_URL: what is refused, and that no message holds the password."""

import pytest

from touchstream.sinks.clickhouse.client import redacted
from touchstream.sinks.clickhouse.database import connect

WRONG = [
    "",
    "clickhouse",
    "localhost:8123",
    "ftp://ann:secret@127.0.0.1/touchstream",
    "http://",
    "http://ann:secret@127.0.0.1:port/touchstream",
    "http://ann:secret@127.0.0.1:99999/touchstream",
    "http://ann:secret@127.0.0.1/a/b",
    "http://ann:secret@127.0.0.1/touchstream?user=bob",
    "http://ann:secret@[::1/touchstream",
]


@pytest.mark.parametrize("url", WRONG)
def test_a_text_that_is_no_url_of_a_server_is_refused_with_the_form_to_write(url: str) -> None:
    with pytest.raises(ValueError, match="http://user:password@host:port/database") as refused:
        connect(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ann:secret@host:8123/db", "http://ann:***@host:8123/db"),
        ("http://ann:s%40:cret@host/db", "http://ann:***@host/db"),
        ("http://:secret@host/db", "http://:***@host/db"),
        ("http://ann@host/db", "http://ann@host/db"),
        ("http://host/db", "http://host/db"),
        ("http://ann:secret@[::1/db", "***"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redacted(url) == shown
