"""Which Kafka the tests run on: TEST_KAFKA=apache, or (unset) the local broker.

Not a TOUCHSTREAM_ variable: those are settings, and a setting that isn't known is refused.
"""

import os
from pathlib import Path

import pytest

from tests.kafka.apache import ApacheKafka
from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.ports import free_port

VARIABLE = "TEST_KAFKA"
_CHOICES = ("", "local", "apache")

_chosen = os.environ.get(VARIABLE, "")
assert _chosen in _CHOICES, f"{VARIABLE}={_chosen}: it may be local or apache"

APACHE = _chosen == "apache"

about_the_local_broker = pytest.mark.skipif(
    APACHE, reason="about the local broker itself; these tests run on Apache Kafka"
)
about_apache_kafka = pytest.mark.skipif(not APACHE, reason=f"about Apache Kafka itself: {VARIABLE}=apache runs it")


AnyBroker = Broker | ApacheKafka


def own_broker(directory: Path) -> AnyBroker:
    """A broker of one's own, not running yet; Apache Kafka's log is in `directory`."""
    return ApacheKafka.of(directory / "kafka") if APACHE else Broker(free_port())
