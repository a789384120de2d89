"""A real SMTP server on loopback (aiosmtpd), with TLS and a login, that answers as it is told."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from touchstream.deploy.local.ports import free_port

USER, PASSWORD = "me@shop", "s3cret/:@"


@dataclass
class Mailbox:
    """What a server took. `answers`: by command (RCPT, DATA) and, for RCPT, by address, what it says instead of 250."""

    port: int = 0
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _: Any, __: Session, envelope: Envelope, address: str, ___: Any
    ) -> str:
        said = self.answers.get(address) or self.answers.get("RCPT", "")
        if not said:
            envelope.rcpt_tos.append(address)
        return said or "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, __: Session, envelope: Envelope
    ) -> str:
        said = self.answers.get("DATA", "")
        if said == "drop":
            server.transport.abort()
        elif not said:
            content = envelope.content
            assert isinstance(content, bytes)
            message = message_from_bytes(content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.taken.append((list(envelope.rcpt_tos), message))
        return said or "250 OK"

    async def handle_QUIT(self, server: Any, _: Session, __: Envelope) -> str:  # noqa: N802
        said = self.answers.get("QUIT", "")
        if said == "drop":
            server.transport.abort()
        return said or "221 Bye"

    def login(self, _: Any, __: Session, ___: Envelope, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append(mechanism)
        right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(tls: str, certificate: Path | None = None) -> Iterator[Mailbox]:
    """Runs in the block. tls: starttls, implicit or none; with a certificate a login is asked for."""
    mailbox = Mailbox(free_port())
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    by_tls: dict[str, Any] = {
        "starttls": {"tls_context": context, "require_starttls": True, "auth_required": True},
        "implicit": {"ssl_context": context, "auth_required": True, "auth_require_tls": False},
        "none": {},
    }
    running = Controller(mailbox, "127.0.0.1", mailbox.port, authenticator=mailbox.login, **by_tls[tls])
    running.start()
    try:
        yield mailbox
    finally:
        running.stop()


def certificate_for(name: str, file: Path) -> Path:
    """A certificate for a host name and 127.0.0.1 if it is localhost, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ip_address("127.0.0.1")))
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(pem))
    return file
