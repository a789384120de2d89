"""Kafka's partitioner, from its definition (org.apache.kafka.common.utils.Utils.murmur2)."""

MULTIPLIER = 0x5BD1E995
SEED = 0x9747B28C
WORD = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The unsigned 32-bit hash of `key`."""
    whole = len(key) // 4 * 4
    digest = (SEED ^ len(key)) & WORD
    for start in range(0, whole, 4):
        chunk = int.from_bytes(key[start : start + 4], "little") * MULTIPLIER & WORD
        chunk = (chunk ^ chunk >> 24) * MULTIPLIER & WORD
        digest = digest * MULTIPLIER & WORD ^ chunk
    if len(key) > whole:
        digest = (digest ^ int.from_bytes(key[whole:], "little")) * MULTIPLIER & WORD
    digest = (digest ^ digest >> 13) * MULTIPLIER & WORD
    return digest ^ digest >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Which of `partitions` a record with this key goes to."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
