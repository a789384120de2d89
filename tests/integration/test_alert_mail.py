"""Alerts by e-mail through a real SMTP server, one that refuses, hangs or lies included."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec import structs

from tests.support.http_endpoint import dripping
from tests.support.mail_server import PASSWORD, USER, Mailbox, certificate_for, mail_server
from touchstream.schemas.alert_destinations import MailServer
from touchstream.schemas.alert_state import About, AlertRow, Baseline, Group, Reading
from touchstream.sinks.notify.mail import Email
from touchstream.sinks.notify.notification import Handled, NotDelivered, Notification, RefusedForGood

pytestmark = pytest.mark.stack

FROM, TO = "alerts@shop.example", ("anna@shop.example", "ben@shop.example")
ROW = AlertRow(
    "csat_low",
    Group("customer", "support", "<b>chat</b>"),
    1_796_000_000_000,
    "firing",
    1_796_000_000_000,
    "breach",
    About("csat", "1m", "csat below 60 over 1m", "critical", "head of support", "Unhappy & loud."),
    Reading(44.7, 322, 39.4, 50.2),
    Baseline(70.0, 300, 1_795_999_000_000),
)
FIRES = structs.replace(
    Notification.of(ROW, "touchpoints", namespace="alerts"), runbook="https://wiki.example/csat?a=1&b=2"
)
ENDS = Notification.of(replace(ROW, state="resolved", tick_ms=1_796_000_600_000), "touchpoints", namespace="alerts")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for("localhost", tmp_path_factory.mktemp("tls") / "localhost.pem")


@pytest.fixture(scope="module", params=["starttls", "implicit"])
def safe(request: pytest.FixtureRequest, certificate: Path) -> Iterator[tuple[str, Mailbox]]:
    with mail_server(request.param, certificate) as mailbox:
        yield request.param, mailbox


@pytest.fixture(scope="module")
def server() -> Iterator[Mailbox]:
    with mail_server("none") as mailbox:
        yield mailbox


@pytest.fixture
def plain(server: Mailbox) -> Mailbox:
    for noted in (server.taken, server.answers):
        noted.clear()
    return server


def by(
    mailbox: Mailbox, tls: str = "none", ca_file: Path | None = None, password: str = PASSWORD, seconds: float = 20
) -> Email:
    scheme = {"starttls": "smtp", "implicit": "smtps", "none": "smtp+plain"}[tls]
    user = "" if tls == "none" else f"{quote(USER, safe='')}:{quote(password, safe='')}@"
    server = MailServer.from_url(f"{scheme}://{user}localhost:{mailbox.port}")
    return Email(server, FROM, TO, ca_file, deadline_seconds=seconds)


def test_an_alert_arrives_over_tls_with_a_login(safe: tuple[str, Mailbox], certificate: Path) -> None:
    tls, mailbox = safe
    by(mailbox, tls, certificate).send(FIRES)
    ((to, message),) = mailbox.taken
    assert (tuple(to), message["From"], mailbox.logins != []) == (TO, f"Touchstream <{FROM}>", True)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    said = text.get_content().replace("\r\n", "\n")
    assert said.startswith("FIRING csat_low in stage support, channel <b>chat</b>\nUnhappy & loud.\n")
    assert "csat 44.7 [39.4, 50.2], n 322, before 70.0, n 300; csat below 60 over 1m" in said
    assert "owner: head of support\nrunbook: https://wiki.example/csat?a=1&b=2\n" in said
    assert "&lt;b&gt;chat&lt;/b&gt;" in html.get_content()
    assert '<a href="https://wiki.example/csat?a=1&amp;b=2">' in html.get_content()


def test_a_server_with_another_name_or_an_unknown_authority_gets_nothing(
    safe: tuple[str, Mailbox], certificate: Path, tmp_path: Path
) -> None:
    tls, mailbox = safe
    before = len(mailbox.logins)
    with pytest.raises(NotDelivered, match="SSLCertVerificationError"):
        by(mailbox, tls).send(FIRES)
    elsewhere = certificate_for("elsewhere.example", tmp_path / "elsewhere.pem")
    with mail_server(tls, elsewhere) as other, pytest.raises(NotDelivered, match="SSLCertVerificationError"):
        by(other, tls, elsewhere).send(FIRES)
    assert len(mailbox.logins) == before
    assert other.logins == []


def test_a_wrong_password_is_tried_again_later_and_not_named(safe: tuple[str, Mailbox], certificate: Path) -> None:
    tls, mailbox = safe
    with pytest.raises(NotDelivered) as error:
        by(mailbox, tls, certificate, password=PASSWORD[1:]).send(FIRES)
    assert str(error.value) == "answers 535"


def test_a_server_without_starttls_does_not_get_the_password(plain: Mailbox) -> None:
    with pytest.raises(NotDelivered, match="SMTPNotSupportedError"):
        by(plain, "starttls").send(FIRES)
    assert (plain.logins, plain.taken) == ([], [])


def test_all_of_one_alert_are_one_thread_and_what_is_sent_twice_has_one_message_id(plain: Mailbox) -> None:
    email = by(plain)
    for one in (FIRES, FIRES, structs.replace(FIRES, key="again", occasion="again"), ENDS):
        email.send(one)
    messages = [message for _, message in plain.taken]
    assert len({message["References"] for message in messages}) == 1
    assert len({message["Subject"] for message in messages}) == 1
    ids = [message["Message-ID"] for message in messages]
    assert ids[0] == ids[1]
    assert len({*ids}) == 3
    firsts = [str(body.get_content()).split(" csat")[0] for one in messages if (body := one.get_body(("plain",)))]
    assert firsts == ["FIRING", "FIRING", "STILL FIRING", "RESOLVED"]


def test_names_of_events_and_reasons_of_people_make_no_headers_and_no_markup(plain: Mailbox) -> None:
    evil = "x\r\nBcc: evil@example.com\r\n\r\n<script>\u2028\x00"
    reason = Handled(by=evil, reason=evil, at=datetime.now(UTC))
    by(plain).send(structs.replace(FIRES, channel=evil, rule=evil, summary=evil, owner=evil, acknowledged=reason))
    ((to, message),) = plain.taken
    assert (tuple(to), message["Bcc"]) == (TO, None)
    assert message["Subject"].isprintable()
    html = message.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        ({"RCPT": "450 busy"}, NotDelivered, "answers 450 for 2 of 2"),
        ({"RCPT": "550 unknown"}, RefusedForGood, "answers 550 for all"),
        ({"DATA": "451 later"}, NotDelivered, "answers 451"),
        ({"DATA": "554 spam"}, RefusedForGood, "answers 554"),
        ({"DATA": "530 log in first"}, NotDelivered, "answers 530"),
        ({"DATA": "drop"}, NotDelivered, "no answer: SMTPServerDisconnected"),
        ({"DATA": "999 what"}, RefusedForGood, "answers 999"),
    ],
)
def test_a_refusal_is_final_or_tried_again_as_its_code_says(
    plain: Mailbox, answers: dict[str, str], error: type[Exception], said: str
) -> None:
    plain.answers |= answers
    with pytest.raises(error, match=said):
        by(plain).send(FIRES)
    assert plain.taken == []


def test_only_the_recipient_who_is_left_gets_it_at_the_next_try(plain: Mailbox) -> None:
    email = by(plain)
    plain.answers[TO[1]] = "452 full"
    with pytest.raises(NotDelivered, match="answers 452 for 1 of 2"):
        email.send(FIRES)
    plain.answers.clear()
    email.send(FIRES)
    email.send(ENDS)
    assert [tuple(to) for to, _ in plain.taken] == [TO[:1], TO[1:], TO]


def test_a_recipient_who_is_refused_for_good_holds_up_no_other(plain: Mailbox) -> None:
    plain.answers[TO[0]] = "550 left the company"
    by(plain).send(FIRES)
    assert [tuple(to) for to, _ in plain.taken] == [TO[1:]]


@pytest.mark.parametrize("goodbye", ["500 no", "drop"])
def test_a_server_that_does_not_say_goodbye_has_taken_the_message_all_the_same(plain: Mailbox, goodbye: str) -> None:
    plain.answers["QUIT"] = goodbye
    by(plain).send(FIRES)
    assert len(plain.taken) == 1


@pytest.mark.parametrize(("beginning", "asks"), [(b"220 x\r\n250", False), (b"22", False), (b"", True)])
def test_a_server_that_answers_byte_by_byte_or_not_at_all_has_a_deadline(beginning: bytes, asks: bool) -> None:
    with dripping(beginning, asks=asks) as url, pytest.raises(NotDelivered, match="no answer"):
        by(Mailbox(int(url.rstrip("/").rpartition(":")[2])), seconds=0.7).send(FIRES)


def test_a_port_without_a_server_is_tried_again_later() -> None:
    with pytest.raises(NotDelivered, match="no answer: ConnectionRefusedError"):
        by(Mailbox(1)).send(FIRES)
