"""Who a person is: all ids under which they are known, and what stands for these where no id may stand.

The hash of an id is HMAC-SHA256 (RFC 2104) of its kind, a colon and the id, under the erasure key; without a key,
SHA-256 of the same. Whoever can read Kafka but doesn't have the key can't find out by guessing ids who was erased.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client

CUSTOMER: Final = "customer"
ANONYMOUS: Final = "anonymous"
_BLOCK_BYTES: Final = 64
_KEY_BYTES_MIN: Final = 16


class ErasureKeyError(ValueError):
    """The erasure key can't be used; the message says what to do."""


@dataclass(frozen=True)
class ErasureKey:
    """The two pads of HMAC-SHA256 under a key, 64 bytes each."""

    inner_pad: bytes
    outer_pad: bytes

    @classmethod
    def of(cls, secret: str) -> "ErasureKey":
        """From the setting. Raises ErasureKeyError where it is too short to be a secret."""
        data = secret.strip().encode()
        if len(data) < _KEY_BYTES_MIN:
            raise ErasureKeyError(
                f"the erasure key has fewer than {_KEY_BYTES_MIN} bytes: make one with openssl rand -hex 32"
            )
        block = (hashlib.sha256(data).digest() if len(data) > _BLOCK_BYTES else data).ljust(_BLOCK_BYTES, b"\0")
        return cls(bytes(one ^ 0x36 for one in block), bytes(one ^ 0x5C for one in block))

    def digest(self, message: bytes) -> str:
        """HMAC-SHA256 in hexadecimal digits."""
        inner = hashlib.sha256(self.inner_pad + message).digest()
        return hashlib.sha256(self.outer_pad + inner).hexdigest()


@dataclass(frozen=True)
class Person:
    """The ids under which a person is known; customer_id is empty for an anonymous visitor."""

    customer_id: str
    anonymous_ids: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return (self.customer_id, *self.anonymous_ids) if self.customer_id else self.anonymous_ids

    def hashes(self, key: ErasureKey | None) -> tuple[str, ...]:
        """What stands for them in `erasures`."""
        customer = [id_hash(CUSTOMER, self.customer_id, key)] if self.customer_id else []
        return (*customer, *(id_hash(ANONYMOUS, one, key) for one in self.anonymous_ids))


def id_hash(kind: str, identifier: str, key: ErasureKey | None) -> str:
    """What stands for an id in `erasures`; kind: CUSTOMER or ANONYMOUS."""
    message = f"{kind}:{identifier}".encode()
    return key.digest(message) if key else hashlib.sha256(message).hexdigest()


def person_of(client: Client, identifier: str, *, anonymous: bool) -> Person:
    """All ids of a person. An anonymous id that was identified is its customer, with everything that is theirs.

    An anonymous id that several customers claim is theirs whose claim was first; the others only lose it.
    """
    customer_id = "" if anonymous else identifier
    if anonymous:
        found = client.query(
            "SELECT argMin(customer_id, (occurred_at, event_id)) FROM identities WHERE anonymous_id = {id:String}",
            {"id": identifier},
        )
        customer_id = str(found.result_rows[0][0])
    if not customer_id:
        return Person("", (identifier,))
    owned = client.query(
        "SELECT anonymous_id FROM identities GROUP BY anonymous_id"
        " HAVING argMin(customer_id, (occurred_at, event_id)) = {id:String} ORDER BY anonymous_id",
        {"id": customer_id},
    )
    return Person(customer_id, tuple(str(row[0]) for row in owned.result_rows))


def erasure_key(client: Client) -> ErasureKey | None:
    """The key in force; None where ids are hashed without one."""
    rows = client.query("SELECT DISTINCT inner_pad, outer_pad FROM erasure_keys").result_rows
    return ErasureKey(*(bytes.fromhex(one) for one in rows[0])) if rows else None


def keep_erasure_key(client: Client, key: ErasureKey) -> None:
    """Put a key in force. Raises ErasureKeyError where another one is: under it, hashes stand that would be lost."""
    known = erasure_key(client)
    if known is not None and known != key:
        raise ErasureKeyError(
            "another erasure key is in force, and people were erased under it: set the one that `init` had at first"
        )
    if known is None:
        client.insert("erasure_keys", [[key.inner_pad.hex(), key.outer_pad.hex()]], ["inner_pad", "outer_pad"])
