"""A page of another site in a browser on this machine, and the local ClickHouse: not even one that has the password."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Response

from touchstream.sinks.clickhouse.client import connect_directly

pytestmark = pytest.mark.stack

PAGE = """<!doctype html><title>another site</title><img src="{target}&readonly=00"><script>
const post = {{method: "POST", mode: "no-cors", credentials: "include", body: ""}};
Promise.allSettled([fetch("{target}", post), fetch("{target}&readonly=0", {{mode: "no-cors"}}), fetch("{target}")])
  .then(() => {{ const form = document.createElement("form"); form.method = "POST"; form.action = "{target}";
                 document.body.append(form); form.submit(); }});
</script>"""


@pytest.fixture
def foreign() -> Iterator[tuple[str, dict[str, str]]]:
    """A site under a name of its own: its address, and what it serves (`page`)."""
    served: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(served["page"].encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/", served
    server.shutdown()
    server.server_close()


def test_a_page_of_another_site_writes_nothing_and_reads_nothing(
    browser: Browser, clickhouse_url: str, unique_name: str, foreign: tuple[str, dict[str, str]]
) -> None:
    client = connect_directly(clickhouse_url)
    client.command("CREATE DATABASE {d:Identifier}", {"d": unique_name}, use_database=False)
    client.database = unique_name
    client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    place = urlsplit(clickhouse_url)
    asked = {"database": unique_name, "query": "INSERT INTO t VALUES (1)", "password": place.password or ""}
    address, served = foreign
    served["page"] = PAGE.format(target=f"http://127.0.0.1:{place.port}/?{urlencode(asked)}")
    answers: list[Response] = []
    page = browser.new_page()
    page.on("response", lambda answer: answers.append(answer) if f":{place.port}/" in answer.url else None)
    page.goto(address)
    page.wait_for_url(f"http://127.0.0.1:{place.port}/**")  # the form's answer takes the page's place
    page.close()
    # What a page may not read is not always told of: the image, two requests and the form are at least.
    assert len(answers) >= 4
    assert {answer.status for answer in answers} == {403}
    assert client.command("SELECT count() FROM t") == 0
    client.command("DROP DATABASE {d:Identifier}", {"d": unique_name}, use_database=False)
    client.close()
