"""Notifications by e-mail: text and a little HTML, each alert a thread of its own."""

import os
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import Any, Final

import structlog

from touchstream.schemas.alert_destinations import MailServer
from touchstream.sinks.notify.notification import NotDelivered, Notification, RefusedForGood

log = structlog.get_logger(__name__)

DEADLINE_SECONDS: Final = 30.0
"""For all of a delivery: a server that answers byte by byte must not hold up the others."""
_SUBJECT_MAX: Final = 200
_MENDABLE: Final = frozenset({530, 534, 535, 538})
"""5xx that blame the login: it can be mended, and the message sent then."""
_HALF_SENT_MAX: Final = 1_000


class Email:
    """E-mail through one server. A message that came twice has the same Message-ID.

    ca_file: authorities by which the server's certificate is checked; None: the system's.
    """

    name: Final = "email"

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipients: Sequence[str],
        ca_file: Path | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._server, self._sender, self._recipients = server, sender, tuple(recipients)
        self._ca_file, self._deadline_seconds = ca_file, deadline_seconds
        self._left: dict[str, tuple[str, ...]] = {}
        """By key who is left, where others have taken it."""

    def send(self, notification: Notification) -> None:
        """Submit it. Raises NotDelivered, RefusedForGood; neither names the password."""
        message = message_of(notification, self._sender, self._recipients)
        to = self._left.get(notification.key, self._recipients)
        try:
            refused = self._submit(message, to)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            if error.smtp_code < 500 or error.smtp_code in _MENDABLE:
                raise NotDelivered(f"answers {error.smtp_code}") from error
            raise RefusedForGood(f"answers {error.smtp_code}") from error
        except (smtplib.SMTPException, OSError, ValueError) as error:  # a timeout is an OSError
            code = getattr(error, "smtp_code", None)
            raise NotDelivered(f"answers {code}" if code else f"no answer: {type(error).__name__}") from error
        self._judge(notification.key, to, {address: code for address, (code, _) in refused.items()})

    def close(self) -> None:
        """Nothing is kept open."""

    def _judge(self, key: str, to: Sequence[str], refused: dict[str, int]) -> None:
        """Who is left, of those whom a server has refused. Raises NotDelivered, RefusedForGood."""
        left = tuple(address for address in to if refused.get(address, 250) < 500 and address in refused)
        self._left.pop(key, None)
        if left:
            if len(self._left) < _HALF_SENT_MAX:
                self._left[key] = left
            raise NotDelivered(f"answers {refused[left[0]]} for {len(left)} of {len(to)} recipients")
        if refused.keys() >= {*to}:
            raise RefusedForGood(f"answers {max(refused.values())} for all recipients")
        for address, code in refused.items():
            log.warning("a recipient of e-mail is refused for good", address=address, code=code)

    def _submit(self, message: EmailMessage, to: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """The recipients that were refused while others were taken."""
        context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
        seconds, is_tls = self._deadline_seconds, self._server.tls == "implicit"
        line = _ImplicitTls(context, seconds) if is_tls else _Connection(timeout=seconds)
        with _deadline(line, seconds), closing(line):
            line.connect(self._server.host, self._server.port)
            if self._server.tls == "starttls":
                line.starttls(context=context)
            if self._server.user:
                line.login(self._server.user, self._server.password)
            refused = line.send_message(message, self._sender, list(to))
            with suppress(smtplib.SMTPException, OSError):  # the message is taken, however the server says goodbye
                line.quit()
        return refused


class _Connection(smtplib.SMTP):
    """Remembers its connection in a way that outlives the begin of TLS, so that it can be ended from outside."""

    ended = False
    _outside: socket.socket | None = None

    def connect(self, host: str = "localhost", port: int = 0, source_address: Any = None) -> tuple[int, bytes]:
        self._host = host  # the name that a certificate is checked for, which only the constructor sets
        return super().connect(host, port, source_address)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        self._outside = socket.socket(fileno=os.dup(connection.fileno()))
        if self.ended:
            self.end()
        return connection

    def end(self) -> None:
        """End it, from any thread: what waits for an answer fails."""
        self.ended, outside = True, self._outside
        if outside is not None:
            with suppress(OSError):
                outside.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        outside, self._outside = self._outside, None
        if outside is not None:
            outside.close()


class _ImplicitTls(_Connection):
    def __init__(self, context: ssl.SSLContext, timeout: float) -> None:
        self._context = context
        super().__init__(timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=host)


@contextmanager
def _deadline(connection: _Connection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def message_of(notification: Notification, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """The e-mail. All of one alert refer to one Message-ID and have one subject, so that they are one thread."""
    message, domain = EmailMessage(SMTP_POLICY), sender.rpartition("@")[2]
    thread = f"<alert.{notification.alert}@{domain}>"
    subject = _line(f"{notification.rule} in {notification.place}: {notification.summary}")[:_SUBJECT_MAX]
    message["From"] = f"Touchstream <{sender}>"
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{notification.key}@{domain}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    facts = [(name, _line(value)) for name, value in _facts(notification)]
    title = _line(notification.title)
    lines = [title, _line(notification.summary), "", *(f"{name}: {value}" for name, value in facts)]
    message.set_content("\n".join(lines) + "\n")
    rows = "".join(f"<tr><th align=left>{escape(name)}<td>{_html(value)}" for name, value in facts)
    html = f"<!doctype html><p><b>{escape(title)}</b><br>{escape(_line(notification.summary))}<table>{rows}</table>\n"
    message.add_alternative(html, subtype="html")
    return message


def _facts(of: Notification) -> Iterator[tuple[str, str]]:
    yield "evidence", of.evidence
    yield "since", f"{of.since:%Y-%m-%d %H:%M:%S} UTC"
    yield "severity", of.severity
    yield from of.care
    if of.late_by_seconds is not None:
        yield "late by", f"{of.late_by_seconds // 60:,} min"
    yield "alert", of.alert


def _html(value: str) -> str:
    text = escape(value)
    return f'<a href="{text}">{text}</a>' if value.startswith(("http://", "https://")) and " " not in value else text


def _line(text: str) -> str:
    """A text without what could begin a header, or break a line."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
