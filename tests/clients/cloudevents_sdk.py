"""The SDK of CloudEvents: one event in each mode, over HTTP or into a topic of Kafka.

Arguments: `http`, an address and a key; or `kafka`, a server and a topic.
"""

import sys
from datetime import UTC, datetime
from urllib.request import Request, urlopen

from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from kafka import KafkaProducer

where, server, place = sys.argv[1:]
binding = http if where == "http" else kafka


def event(mode: str) -> CloudEvent:
    attributes = {
        "id": f"{where}-{mode}", "source": "/clients/tür", "type": "example.opened", "specversion": "1.0",
        "time": datetime(2026, 11, 30, 12, tzinfo=UTC), "subject": f"cloud-{where}",
        "datacontenttype": "application/json",
    }  # fmt: skip
    return CloudEvent(attributes, {"touchpoint": "opened", "channel": "app"})


messages = [
    binding.to_structured(event("structured"), JSONFormat()),
    binding.to_binary(event("binary"), JSONFormat()),
]
if where == "http":
    for message in messages:
        headers = {**message.headers, "Authorization": f"Bearer {place}"}
        with urlopen(Request(server, message.body, headers, method="POST")) as answer:  # noqa: S310
            assert answer.status == 202, answer.status
else:
    producer = KafkaProducer(bootstrap_servers=server)
    for message in messages:
        producer.send(place, message.value, headers=list(message.headers.items()))
    producer.flush()
    producer.close()
