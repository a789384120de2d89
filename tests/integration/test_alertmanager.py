"""A real Alertmanager: it knows what fires, also after it was restarted and has forgotten all."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.client import Client
from urllib3 import request
from urllib3.exceptions import HTTPError

from tests.support.alert_rows import CSAT_LOW, INCIDENT, empty_alert_tables, incident, rules, step_through, watch
from tests.support.databases import migrated_database
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import Child, running
from touchstream.sinks.clickhouse.alerts.store import AlertTables
from touchstream.sinks.notify.alertmanager import WATCHDOG, Alertmanager
from touchstream.streams.watch.delivery import REMIND_SECONDS, DestinationWorker

PROGRAM = shutil.which("prometheus-alertmanager")
TEMPLATES = Path("/usr/share/prometheus/alertmanager/default.tmpl")
pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        PROGRAM is None or not TEMPLATES.exists(), reason="needs Alertmanager (Debian: prometheus-alertmanager)"
    ),
]
CONFIG = """
route: {receiver: discard}
receivers: [{name: discard}]
"""


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        empty_alert_tables(client)
        yield client


class LocalAlertmanager:
    """One that keeps nothing over a restart."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (directory / "alertmanager.yml").write_text(CONFIG)

    def child(self, data: str) -> Child:
        options = {
            "config.file": self.directory / "alertmanager.yml",
            "storage.path": self.directory / data,
            "web.listen-address": f"127.0.0.1:{self.port}",
            "cluster.listen-address": "",
        }
        argv = (str(PROGRAM), *(f"--{name}={value}" for name, value in options.items()))
        return Child(name="alertmanager", argv=argv, ready=self.answers)

    def answers(self) -> bool:
        try:
            return request("GET", f"{self.url}/-/ready", retries=False).status == 200
        except HTTPError:
            return False

    def alerts(self) -> dict[str, dict[str, Any]]:
        answer = request("GET", f"{self.url}/api/v2/alerts", retries=False)
        return {one["labels"]["alertname"]: one for one in msgspec.json.decode(answer.data)}


def test_an_alertmanager_that_was_restarted_while_an_alert_fires_knows_it_again(client: Client, tmp_path: Path) -> None:
    tables, peer, clock = AlertTables(client, "touchpoints"), LocalAlertmanager(tmp_path), [0.0]
    step_through(tables, client, INCIDENT[:4], destinations=("alertmanager",))
    telling = DestinationWorker(tables, Alertmanager(peer.url), lambda: clock[0])
    with running(peer.child("first"), tmp_path):
        telling.step()
        assert peer.alerts().keys() == {"csat_low", WATCHDOG}
    with running(peer.child("second"), tmp_path):
        assert peer.alerts() == {}
        clock[0] += REMIND_SECONDS
        telling.step()
        found = peer.alerts()
        assert found.keys() == {"csat_low", WATCHDOG}
        assert found["csat_low"]["labels"]["stage"] == "support"
        incident(client, 5, INCIDENT[4:])
        watch(tables, rules(CSAT_LOW), ("alertmanager",)).step()
        telling.step()
        assert peer.alerts().keys() == {WATCHDOG}
