"""Every fault of the failure runs by its name, and what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.kafka import faults, network_faults
from tests.kafka.choice import APACHE
from tests.kafka.stand import Layout, Stand


@dataclass(frozen=True)
class Scenario:
    """break_it: returns when the fault ended (monotonic seconds). mend: what is left to do after the account, or
    after a run that failed."""

    break_it: Callable[[Stand], float]
    layout: Layout = field(default_factory=Layout)
    mend: Callable[[Stand], None] = lambda _: None


LANES_FOR_A_THIRD: Final = Layout(partitions=6)
"""Of four, two for each worker, Faust leaves none to a third: it moves as little as it can."""
SMALL_DISK: Final = Layout(disk_bytes=384 * 2**20)
THREE_NODES: Final = Layout(kafka_nodes=3)

ON_ANY_KAFKA: Final[Mapping[str, Scenario]] = {
    "first worker killed": Scenario(partial(faults.workers_killed, numbers=[0])),
    "second worker killed": Scenario(partial(faults.workers_killed, numbers=[1])),
    "both workers killed": Scenario(partial(faults.workers_killed, numbers=[0, 1])),
    "leader killed": Scenario(faults.leader_killed),
    "first worker paused": Scenario(partial(faults.worker_paused, number=0)),
    "second worker paused": Scenario(partial(faults.worker_paused, number=1)),
    "group rebalanced": Scenario(faults.rebalanced, LANES_FOR_A_THIRD),
    "ClickHouse killed": Scenario(faults.clickhouse_killed),
    "ClickHouse paused": Scenario(faults.clickhouse_paused),
    "ClickHouse answers 500": Scenario(network_faults.clickhouse_answers_500),
    "ClickHouse never answers": Scenario(network_faults.clickhouse_unanswering),
    "ClickHouse cut after an insert": Scenario(network_faults.clickhouse_cut_after_insert),
    "ClickHouse unreachable": Scenario(network_faults.clickhouse_unreachable),
    "ClickHouse's disk full": Scenario(network_faults.clickhouse_disk_full, SMALL_DISK),
}
ON_APACHE_KAFKA: Final[Mapping[str, Scenario]] = {
    "Kafka killed": Scenario(faults.kafka_killed, mend=faults.kafka_back),
    "Kafka restarted": Scenario(faults.kafka_restarted, mend=faults.kafka_back),
    "Kafka paused": Scenario(faults.kafka_paused),
    "Kafka slow": Scenario(network_faults.kafka_slow),
    "Kafka unreachable": Scenario(network_faults.kafka_unreachable),
    "one Kafka of three killed": Scenario(faults.one_kafka_of_three_killed, THREE_NODES, mend=faults.kafka_back),
}
"""The local broker keeps its log in memory: nothing is left of it to go on with; and clients go past a proxy to it."""

SCENARIOS: Final[dict[str, Scenario]] = {**ON_ANY_KAFKA, **(ON_APACHE_KAFKA if APACHE else {})}
