"""Servers, addresses and keys as they are written in settings."""

import pytest

from touchstream.schemas.alert_destinations import MailServer, mail_addresses, webhook_keys


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer("mail.example", 587, "starttls")),
        ("smtps://me%40x:p%2Fw@mail.example:4650", MailServer("mail.example", 4650, "implicit", "me@x", "p/w")),
        ("smtp+plain://[::1]:25", MailServer("::1", 25, "none")),
    ],
)
def test_a_url_says_how_a_mail_server_is_reached(url: str, server: MailServer) -> None:
    assert MailServer.from_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "smtp://",
        "smtp+plain://me:s3cret@x",
        "smtp://x/s3cret",
        "smtp://me:s3cret%C3%B6@x",
        "smtp://x:99999",
    ],
)
def test_another_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError) as error:
        MailServer.from_url(url)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "text", ["", "a", "a@b, c", "a@b\nBcc: c@d", "a b@c", "<a@b>", "@b", "a@", ", ".join(["a@b"] * 51)]
)
def test_a_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 50 addresses"):
        mail_addresses(text)


def test_addresses_stand_between_commas() -> None:
    assert mail_addresses(" a+x@b.example,c@d ,") == ("a+x@b.example", "c@d")


@pytest.mark.parametrize(
    "text", ["", "secret", "whsec_", "whsec_!!!!", "whsec_" + "A" * 28, " ".join(["whsec_" + "A" * 32] * 3)]
)
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        webhook_keys(text)


def test_two_keys_are_two() -> None:
    assert webhook_keys(f"whsec_{'A' * 32},whsec_{'B' * 32}") == (bytes(24), b"\x04\x10\x41" * 8)
