"""`GET /v1/customers/{id}`: people, for those who may read them, and nobody's id in the log."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import jsonschema_rs
import msgspec
import pytest
from clickhouse_connect.driver.client import Client

from tests.integration.test_journeys import write
from tests.support.clickhouse_rows import touchpoint
from tests.support.databases import migrated_database
from tests.support.gateway_process import PATH, RunningGateway, running_gateway
from touchstream.deploy.local.ports import free_port
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.customers.find import customer
from touchstream.sinks.clickhouse.customers.view import CustomerView
from touchstream.streams.channels.gateway.key_lines import Permission, key_line, new_key

pytestmark = pytest.mark.stack

STRANGE = "a/b?c#%41 <b>ü/.."
KEYS = {"sender": new_key(), "reader": new_key()}
NO_KAFKA = f"kafka://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        write(
            client,
            [touchpoint(1), touchpoint(2, customer_id=STRANGE), touchpoint(3, customer_id="", anonymous_id="ann")],
        )
        yield client


@pytest.fixture(scope="module")
def url(client: Client, clickhouse_url: str) -> str:
    return database_url(clickhouse_url, client.database or "")


@pytest.fixture(scope="module")
def gateway(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway without keys."""
    directory = tmp_path_factory.mktemp("gateway")
    with running_gateway(directory, NO_KAFKA, "people", {"CLICKHOUSE_URL": url}) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with a key to send and a key to read."""
    directory = tmp_path_factory.mktemp("guarded")
    keys = directory / "keys"
    lines = (key_line("sender", KEYS["sender"]), key_line("reader", KEYS["reader"], {Permission.READ}))
    keys.write_text("\n".join(lines))
    settings = {"CLICKHOUSE_URL": url, "GATEWAY_KEYS_FILE": str(keys)}
    with running_gateway(directory, NO_KAFKA, "people", settings) as running:
        yield running


def get(gateway: RunningGateway, name: str, query: str = "", **headers: str) -> httpx.Response:
    return gateway.client.get(f"/v1/customers/{quote(name, safe='')}{query}", headers=headers)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


def test_a_person_is_the_view_in_json_and_is_not_kept_by_caches(gateway: RunningGateway, client: Client) -> None:
    answer = get(gateway, "ann")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert msgspec.json.decode(answer.content, type=CustomerView) == customer(client, "ann")
    other = get(gateway, "ann", "?anonymous=true").json()
    assert (other["customer_id"], other["anonymous_ids"]) == (None, ["ann"])
    assert get(gateway, STRANGE).json()["customer_id"] == STRANGE


def test_the_answer_is_what_the_document_says(gateway: RunningGateway) -> None:
    document = gateway.client.get("/openapi.json").json()
    place = document["paths"]["/v1/customers/{id}"]["get"]["responses"]
    for name, status in (("ann", "200"), ("nobody", "404")):
        ((_, content),) = place[status]["content"].items()
        schema = content["schema"] | {"components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(get(gateway, name).json())


def test_nobody_is_404_and_what_can_be_no_id_is_400(gateway: RunningGateway) -> None:
    assert get(gateway, "nobody").status_code == 404
    assert get(gateway, "").status_code == 400
    assert get(gateway, "x" * 1001).status_code == 400
    assert get(gateway, "a\0b").status_code == 400
    assert get(gateway, "ann", "?anonymous=maybe").status_code == 400
    assert {get(gateway, name).headers["content-type"] for name in ("", "nobody")} == {"application/problem+json"}


def test_a_key_that_may_send_may_not_read_and_the_other_way_round(guarded: RunningGateway, client: Client) -> None:
    assert get(guarded, "ann").status_code == 401
    refused = get(guarded, "ann", **bearer("sender"))
    assert refused.status_code == 403
    assert "read" in refused.json()["detail"]
    assert get(guarded, "nobody", **bearer("sender")).status_code == 403
    answer = get(guarded, "ann", **bearer("reader"))
    assert msgspec.json.decode(answer.content, type=CustomerView) == customer(client, "ann")
    assert guarded.client.post(PATH, json=[], headers=bearer("reader")).status_code == 403
    assert guarded.client.post(PATH, json=[], headers=bearer("sender")).status_code != 403


def test_without_keys_no_web_page_reads_people(gateway: RunningGateway) -> None:
    assert get(gateway, "ann", Origin="http://127.0.0.1:8090").status_code == 403
    assert get(gateway, "ann", Host="rebound.example:8080").status_code == 403
    assert get(gateway, "ann", Host="localhost:8080").status_code == 200


def test_ids_stand_neither_in_the_log_nor_in_the_metrics(gateway: RunningGateway) -> None:
    secret = "anna-lisa-4711"  # noqa: S105
    get(gateway, secret)
    metrics = gateway.client.get("/metrics").text
    assert 'path="/v1/customers/{id}"' in metrics
    assert secret not in metrics + gateway.log()


def test_clickhouse_away_is_503_and_sending_goes_on(tmp_path: Path) -> None:
    away = {"CLICKHOUSE_URL": f"http://127.0.0.1:{free_port()}/x"}
    with running_gateway(tmp_path, NO_KAFKA, "people", away) as gateway:
        answer = get(gateway, "anna-lisa-4711")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "anna-lisa" not in gateway.log()
        assert gateway.client.get("/healthz").status_code == 200


def test_a_gateway_that_was_told_of_no_clickhouse_has_no_people(tmp_path: Path) -> None:
    with running_gateway(tmp_path, NO_KAFKA, "people") as gateway:
        answer = get(gateway, "ann")
        assert answer.status_code == 404
        assert "TOUCHSTREAM_CLICKHOUSE_URL" in answer.json()["detail"]
        assert "/v1/customers/{id}" not in gateway.client.get("/openapi.json").json()["paths"]
