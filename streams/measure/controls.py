"""Control records: who may steer a lane through its own log (docs/decisions/0013).

An access list of Kafka can't tell an event from a header, so that what steers a lane is signed: with Ed25519, over its
kind, the log, the partition, a sequence number and the digest of its value. Which keys count and which sequence number
was the last one stand in the lane row, and change through obeyed records alone: every owner of a lane, now or in a
replay, obeys the same ones. Heartbeats are not signed; they say no more than the timestamp of any record does.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from touchstream.streams.measure.records import CONTROL_HEADER, Headers

SIGNATURE_HEADER: Final = "touchstream-signature"
"""Header of a control record: log id, partition, sequence number, key id, signature (base64url), spaces between."""
HEARTBEAT: Final = "heartbeat"
DEFINITIONS: Final = "definitions"
FORGET: Final = "forget"
KEYS: Final = "keys"
SIGNED: Final = (DEFINITIONS, FORGET, KEYS)
"""Kinds that have an effect beyond the lane's watermark."""

CONTROL_BYTES_MAX: Final = 2**20
"""Largest control record in bytes, as for an event: topics accept no larger ones."""
SEQUENCE_MAX: Final = 2**63 - 1
KEYS_MAX: Final = 100
"""Most keys of a lane, earlier ones included: a rotation each month for eight years."""
_SIGNATURE_CHARS_MAX: Final = 512  # a log id has 22, or is a cluster's id and a topic's name
_SIGNATURE: Final = re.compile(
    r"(\S{1,300}) (0|[1-9][0-9]{0,9}) ([1-9][0-9]{0,18}) ([0-9a-f]{16}) ([\w-]{86})", re.ASCII
)
_PUBLIC_KEY: Final = re.compile(r"[0-9a-f]{64}")


class ControlRefused(ValueError):  # noqa: N818 - the word of the domain
    """A control record that has no effect; the message says why."""


@dataclass(frozen=True)
class ControlKey:
    """A key that may sign. public: 32 bytes in hexadecimal; until: its last sequence number, 0 while it is in force."""

    public: str
    until: int = 0

    @property
    def id(self) -> str:
        """What records, tables and people call it: the first digits of its SHA-256."""
        return hashlib.sha256(bytes.fromhex(self.public)).hexdigest()[:16]

    def signs(self, sequence: int) -> bool:
        """Whether a record of that number may carry its signature."""
        return not self.until or sequence <= self.until


@dataclass(frozen=True)
class Position:
    """What a control record is signed for: one place in one log. log_id: as Kafka has it, without a generation."""

    log_id: str
    partition: int
    sequence: int


@dataclass(frozen=True)
class SignatureClaim:
    """A control record as it came: its kind, and what its signature says, if it can be read."""

    kind: str
    signed: bool
    position: Position | None = None
    key_id: str = ""
    signature: bytes = b""


@dataclass(frozen=True)
class ControlRecord:
    """What became of a control record. sequence, key_id: as it claims. what: its effect, or why it had none."""

    log_offset: int
    record_at: int
    kind: str
    sequence: int
    key_id: str
    obeyed: bool
    what: str


def claim_of(headers: Headers) -> SignatureClaim:
    """What the headers of a control record say. Never raises."""
    kinds = [value or b"" for name, value in headers if name == CONTROL_HEADER]
    signatures = [value or b"" for name, value in headers if name == SIGNATURE_HEADER]
    kind = kinds[0][:40].decode(errors="replace") if len(kinds) == 1 else ""
    if len(signatures) != 1 or len(signatures[0]) > _SIGNATURE_CHARS_MAX:
        return SignatureClaim(kind, bool(signatures))
    found = _SIGNATURE.fullmatch(signatures[0].decode(errors="replace"))
    if found is None or (sequence := int(found[3])) > SEQUENCE_MAX:
        return SignatureClaim(kind, True)
    return SignatureClaim(
        kind, True, Position(found[1], int(found[2]), sequence), found[4], urlsafe_b64decode(f"{found[5]}==")
    )


def verify(claim: SignatureClaim, value: bytes, lane: Position, keys: Sequence[ControlKey]) -> None:
    """Raises ControlRefused unless the record was signed for this lane, above its last sequence number, by a key of it.

    lane: with the last sequence number that was obeyed.
    """
    if claim.kind not in SIGNED:
        raise ControlRefused(f"no such control record: {claim.kind!r}" if claim.kind else "several kinds, or none")
    if len(value) > CONTROL_BYTES_MAX:
        raise ControlRefused(f"{len(value)} bytes are more than the {CONTROL_BYTES_MAX} that a control record may have")
    if not claim.signed:
        raise ControlRefused("not signed")
    position = claim.position
    if position is None:
        raise ControlRefused(f"its header {SIGNATURE_HEADER} can't be read")
    _check_place(position, lane)
    key = next((one for one in keys if one.id == claim.key_id), None)
    if key is None:
        raise ControlRefused(f"key {claim.key_id} is none of this lane")
    if not key.signs(position.sequence):
        raise ControlRefused(f"key {claim.key_id} was retired at sequence number {key.until}")
    try:
        _public(key.public).verify(claim.signature, signed_text(claim.kind, position, value))
    except InvalidSignature as error:
        raise ControlRefused(f"the signature is not that of key {claim.key_id} over this record") from error


def _check_place(position: Position, lane: Position) -> None:
    if position.log_id != lane.log_id:
        raise ControlRefused(f"signed for another log, {position.log_id[:40]}, not for {lane.log_id}")
    if position.partition != lane.partition:
        raise ControlRefused(f"signed for partition {position.partition}, not for {lane.partition}")
    if position.sequence <= lane.sequence:
        raise ControlRefused(f"sequence number {position.sequence} is not above {lane.sequence}, the last one obeyed")


def signed_text(kind: str, position: Position, value: bytes) -> bytes:
    """What is signed of a control record."""
    digest = hashlib.sha256(value).hexdigest()
    lines = ("touchstream control record 1", kind, position.log_id, position.partition, position.sequence, digest)
    return "\n".join(map(str, lines)).encode()


def signed_headers(private: Ed25519PrivateKey, kind: str, position: Position, value: bytes) -> Headers:
    """The headers that make a value a control record."""
    signature = urlsafe_b64encode(private.sign(signed_text(kind, position, value))).decode().rstrip("=")
    key = ControlKey(private.public_key().public_bytes_raw().hex())
    said = f"{position.log_id} {position.partition} {position.sequence} {key.id} {signature}"
    return [(CONTROL_HEADER, kind.encode()), (SIGNATURE_HEADER, said.encode())]


def keys_text(keys: Iterable[ControlKey]) -> str:
    """Keys as a lane row holds them: `public` or `public:until`, with commas between."""
    return ",".join(f"{one.public}:{one.until}" if one.until else one.public for one in keys)


@lru_cache(maxsize=64)  # lanes of a worker have the same ones
def keys_of(text: str) -> tuple[ControlKey, ...]:
    """Read `keys_text`."""
    found = (one.partition(":") for one in text.split(",") if one)
    return tuple(ControlKey(public, int(until or 0)) for public, _, until in found)


def keys_document(keys: Iterable[ControlKey]) -> bytes:
    """The value of a control record that says which keys count from there on."""
    return msgspec.json.encode({"keys": [{"public": one.public, "until": one.until} for one in keys]})


def keys_in(value: bytes, sequence: int) -> tuple[ControlKey, ...]:
    """Read `keys_document`: what may sign beyond a sequence number, at least one without an end. Raises ValueError."""
    try:
        read = msgspec.json.decode(value, type=_KeysDocument).keys
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a document of keys: {error}") from error
    keys = tuple(ControlKey(one.public, one.until) for one in read if not one.until or one.until > sequence)
    if len(read) > KEYS_MAX or not all(
        _PUBLIC_KEY.fullmatch(one.public) and 0 <= one.until <= SEQUENCE_MAX for one in read
    ):
        raise ValueError(f"not a document of keys: write at most {KEYS_MAX}, each as 64 hexadecimal digits")
    if not any(one.until == 0 for one in keys):
        raise ValueError("no key would be in force any more: name the new one, without an end")
    return keys


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    public: str
    until: int


class _KeysDocument(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[_Key]


@lru_cache(maxsize=64)
def _public(public: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
