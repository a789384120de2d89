"""Which lane a customer's events go to: Kafka's own partitioner, so that every client agrees."""

from __future__ import annotations

from functools import lru_cache

from kafka.partitioner.default import murmur2

CACHED_KEYS_MAX = 65_536  # hashing in Python costs a microsecond for two bytes of key; customers come back


@lru_cache(maxsize=CACHED_KEYS_MAX)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def lane_of(key: bytes, partitions: int) -> int:
    """The partition of a key among `partitions`: what Java's default partitioner, aiokafka and kafka-python choose.

    librdkafka's clients (confluent-kafka) choose otherwise unless they are told `partitioner=murmur2_random`.
    """
    return _hash(key) % partitions
