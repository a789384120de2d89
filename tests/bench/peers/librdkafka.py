"""The limit: librdkafka fetches everything and hands it to Python, which throws it away."""

from typing import Final

from confluent_kafka import Consumer, TopicPartition

from tests.bench.peers.peer import Stopwatch, job

_MESSAGES_AT_A_TIME: Final = 10_000
_WAIT_SECONDS: Final = 0.1


def main() -> None:
    """Consume until as many messages came as there are."""
    work = job()
    consumer = Consumer(
        {
            "bootstrap.servers": work.kafka,
            "group.id": work.name,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            # The local broker looks for new data only every half of this; librdkafka's 500 ms would be its whole time.
            "fetch.wait.max.ms": 50,
        }
    )
    stopwatch = Stopwatch()
    consumer.assign([TopicPartition(work.topic, partition, 0) for partition in range(work.partitions)])
    events = 0
    while events < work.events:
        events += len(consumer.consume(_MESSAGES_AT_A_TIME, _WAIT_SECONDS))
    stopwatch.report(events)
    consumer.close()


if __name__ == "__main__":
    main()
