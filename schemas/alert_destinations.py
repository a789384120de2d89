"""Where alerts are sent, as it is written in settings: servers and addresses of e-mail, keys of webhooks. Pure."""

import base64
import binascii
from dataclasses import dataclass
from re import fullmatch
from typing import Final
from urllib.parse import unquote, urlsplit

RECIPIENTS_MAX: Final = 50
KEYS_MAX: Final = 2
_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_TLS: Final = {"smtp": "starttls", "smtps": "implicit", "smtp+plain": "none"}
_ADDRESS: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,190}"
_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)


@dataclass(frozen=True)
class MailServer:
    """A server for submission. tls: `starttls` and `implicit` are asked for; `none` has no login."""

    host: str
    port: int
    tls: str
    user: str = ""
    password: str = ""

    @classmethod
    def from_url(cls, url: str) -> "MailServer":
        """smtp://USER:PASSWORD@HOST:PORT asks for STARTTLS, smtps:// begins with TLS, smtp+plain:// has neither.

        Raises ValueError, which does not name the URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("must be smtp://user:password@host:587, smtps://… or smtp+plain://host")
        if parts.scheme == "smtp+plain" and (parts.username or parts.password):
            raise ValueError("must be smtp:// or smtps:// where there is a password: smtp+plain:// sends it in clear")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if not (user + password).isascii():
            raise ValueError("must have a user and a password of ASCII: others have no agreed encoding in SMTP")
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme], _TLS[parts.scheme], user, password)


def mail_addresses(text: str) -> tuple[str, ...]:
    """Addresses that are separated by commas, such as `a@example.com, b@example.com`. Raises ValueError."""
    found = tuple(one.strip() for one in text.split(",") if one.strip())
    if not 1 <= len(found) <= RECIPIENTS_MAX or not all(fullmatch(_ADDRESS, one) for one in found):
        raise ValueError(f"must be 1 to {RECIPIENTS_MAX} addresses such as alerts@example.com, separated by commas")
    return found


def webhook_keys(text: str) -> tuple[bytes, ...]:
    """One key or two, separated by space or comma: `whsec_` and Base64 of 24 to 64 bytes.

    Two while a receiver changes from one to the other: it is signed with both. Raises ValueError, without the keys.
    """
    keys = []
    for word in text.replace(",", " ").split():
        try:
            key = base64.b64decode(word.removeprefix(_PREFIX), validate=True) if word.startswith(_PREFIX) else b""
        except binascii.Error:
            key = b""
        if len(key) not in _KEY_BYTES:
            raise ValueError(f"must be {_PREFIX} and Base64 of {_KEY_BYTES.start} to {_KEY_BYTES[-1]} random bytes")
        keys.append(key)
    if not 1 <= len(keys) <= KEYS_MAX:
        raise ValueError(f"must be 1 to {KEYS_MAX} keys, separated by a space")
    return tuple(keys)
