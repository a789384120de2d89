"""Control records, as docs/decisions/0013 describes them: who may steer a lane, and how a test signs for it."""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.oracle.decode import Refused
from tests.oracle.log import CONTROL_HEADER, DEFINITIONS, FORGET, KEYS, SIGNATURE_HEADER, Lane, Record, Signing

PRIVATE = tuple(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2, 3))
PUBLIC = tuple(one.public_key().public_bytes_raw().hex() for one in PRIVATE)
FIRST_KEYS = PUBLIC[0]
"""As a lane row has them: the first key is in force."""
BYTES_MAX = 1 << 20


def key_id(public: str) -> str:
    """What a header calls a key."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]


def message(kind: bytes, log_id: str, partition: int, sequence: int, value: bytes) -> bytes:
    """What is signed."""
    digest = hashlib.sha256(value).hexdigest()
    return f"touchstream control record 1\n{kind.decode()}\n{log_id}\n{partition}\n{sequence}\n{digest}".encode()


def signature(signing: Signing, kind: bytes, lane: Lane, value: bytes) -> bytes:
    """The value of the header."""
    log_id, partition = signing.log_id or lane.log_id, lane.partition + signing.partitions_on
    made = PRIVATE[signing.key].sign(message(kind, log_id, partition, signing.sequence, value))
    text = base64.urlsafe_b64encode(made).decode().rstrip("=")
    return f"{log_id} {partition} {signing.sequence} {key_id(PUBLIC[signing.key])} {text}".encode()


def signed(record: Record, lane: Lane) -> Record:
    """A record with the signature that it is meant to have, now that its log is known."""
    if record.signing is None:
        return record
    kind, value = record.headers[-1][1], record.value or b""
    headers = (*record.headers, (SIGNATURE_HEADER, signature(record.signing, kind, lane, value)))
    return replace(record, headers=headers, value=value + record.signing.added, signing=None)


def control(offset: int, at: int | None, kind: bytes, value: bytes, signing: Signing | None) -> Record:
    """A control record, to be `signed`."""
    return Record(offset, at, None, value, ((CONTROL_HEADER, kind),), signing)


@dataclass
class Keeper:
    """Who may steer a lane, and the last sequence number that it obeyed. keys: public key to until when, 0 for ever."""

    keys: dict[str, int]
    sequence: int = 0

    @classmethod
    def of(cls, text: str, sequence: int) -> "Keeper":
        """Read what a lane row holds."""
        found = [one.split(":") for one in text.split(",")]
        return cls({one[0]: int(one[1]) if len(one) > 1 else 0 for one in found}, sequence)

    @property
    def text(self) -> str:
        """As a lane row holds the keys."""
        return ",".join(f"{public}:{until}" if until else public for public, until in self.keys.items())

    def check(self, record: Record, lane: Lane) -> int:
        """The sequence number of a record that may be obeyed. Raises Refused."""
        kinds = _values(record, CONTROL_HEADER)
        signatures = _values(record, SIGNATURE_HEADER)
        value = record.value or b""
        if len(kinds) != 1 or kinds[0] not in (DEFINITIONS, FORGET, KEYS) or len(signatures) != 1:
            raise Refused("control_refused", f"{kinds} {signatures}")
        try:
            log_id, partition, number, key, text = signatures[0].decode().split(" ")
            sequence, made = int(number), base64.urlsafe_b64decode(text + "==")
        except ValueError as error:
            raise Refused("control_refused", str(error)) from error
        public = next((one for one in self.keys if key_id(one) == key), None)
        place = (log_id, partition) == (lane.log_id.split("#")[0], str(lane.partition))
        if not place or public is None or sequence <= self.sequence or len(value) > BYTES_MAX:
            raise Refused("control_refused", f"{signatures[0]!r}")
        if self.keys[public] and sequence > self.keys[public]:
            raise Refused("control_refused", "retired")
        try:
            verifier = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
            verifier.verify(made, message(kinds[0], log_id, lane.partition, sequence, value))
        except InvalidSignature as error:
            raise Refused("control_refused", "signature") from error
        return sequence

    def rotate(self, value: bytes, sequence: int) -> None:
        """Other keys from here on. Raises Refused."""
        try:
            said = [(one["public"], one["until"]) for one in json.loads(value)["keys"]]
            kept = {public: until for public, until in said if until == 0 or until > sequence}
            hexadecimal = all(len(bytes.fromhex(public)) == 32 for public, _ in said)
        except (ValueError, TypeError, KeyError) as error:
            raise Refused("control_refused", f"keys: {error}") from error
        if not hexadecimal or 0 not in kept.values():
            raise Refused("control_refused", "no key would be in force")
        self.keys = kept


def keys_value(keys: Iterable[tuple[int, int]]) -> bytes:
    """The value of a record that says which keys count: (number of a key, until) of each."""
    return json.dumps({"keys": [{"public": PUBLIC[number], "until": until} for number, until in keys]}).encode()


def _values(record: Record, header: str) -> list[bytes]:
    return [value for name, value in record.headers if name == header]
