"""The private key that signs control records: a PEM file that only its owner may read (docs/decisions/0013)."""

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from touchstream.streams.measure.controls import ControlKey

_FILE_BYTES_MAX: Final = 64 * 1024


class ControlKeyError(ValueError):
    """There is no private key that could sign; the message says what to do. Never holds any of a key."""


def make_key(path: Path) -> Ed25519PrivateKey:
    """A new private key, in a file that was not there. Raises ControlKeyError, FileExistsError."""
    private = Ed25519PrivateKey.generate()
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise
    except OSError as error:
        raise ControlKeyError(
            f"the control key can't be written to {path}: {error.strerror}; make one elsewhere"
            " (`touchstream control-key new FILE`) and set TOUCHSTREAM_CONTROL_KEY_FILE to it"
        ) from None
    return private


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key of a file. Raises ControlKeyError."""
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES_MAX)
    except FileNotFoundError:
        raise ControlKeyError(
            f"no control key at {path}: what steers workers has to be signed; set TOUCHSTREAM_CONTROL_KEY_FILE to where"
            " it is (if it is lost: docs/operations.md, Control keys)"
        ) from None
    except OSError as error:
        raise ControlKeyError(f"the control key at {path} can't be read: {error.strerror}") from None
    try:
        private = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise ControlKeyError(f"{path} holds no Ed25519 private key in PEM without a password: look which file it is")
    return private


def public_of(private: Ed25519PrivateKey) -> ControlKey:
    """Its public half, in force."""
    return ControlKey(private.public_key().public_bytes_raw().hex())
