"""Segment's SDK for browsers in a shop's page, which sends to the gateway from another origin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support import clients
from tests.support.gateway_process import Log, create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.schemas.times import now_ms
from touchstream.streams.channels.gateway.key_lines import key_line, new_key
from touchstream.streams.channels.judged import Bounds

pytestmark = pytest.mark.stack

SDK = "@segment/analytics-next/dist/umd"
PAGE = """<!doctype html><title>Shop</title><script src="/index.js"></script><script>
const analytics = AnalyticsNext.AnalyticsBrowser.load(
  {{writeKey: "{key}", cdnURL: location.origin}},
  {{integrations: {{"Segment.io": {{apiHost: "{gateway}/v1", protocol: "http"}}}}}});
const order = {{order_id: "browser-1", total: 19.99, currency: "EUR"}};
(async () => {{
  await analytics.page("Home");
  await analytics.identify("browser-customer", {{plan: "free"}});
  await analytics.track("Order Completed", order);
  await analytics.track("Order Completed", order);
}})();
</script>"""

TELLS_OF_ITSELF = """url => fetch(url, {method: "POST", body: "{}", headers: {"Content-Type": "text/plain"}})
  .then(answer => answer.status)"""
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
"""Not that of a headless browser, which the mapping counts as a bot."""


@contextmanager
def shop(sdk: Path, served: dict[str, bytes]) -> Iterator[str]:
    """The shop's origin: its page, the SDK, and its settings, which Segment's own servers give else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = sdk / Path(self.path).name
            content = served.get(self.path) or (file.read_bytes() if file.is_file() else None)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "text/javascript" if file.suffix == ".js" else "text/html")
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_sdk_for_browsers_sends_each_event_once_from_a_page_of_another_origin(
    browser: Browser, kafka_url: str, unique_name: str, tmp_path: Path
) -> None:
    modules, key, began_ms = clients.node_modules(), new_key(), now_ms()
    settings: dict[str, Any] = {"integrations": {"Segment.io": {"apiKey": key}}}
    served = {f"/v1/projects/{key}/settings": json.dumps(settings).encode()}
    create_topic(kafka_url, unique_name)
    with shop(modules / SDK, served) as origin:
        line = key_line("pages", key, bounds=Bounds(channels=frozenset({"web"})), origins=frozenset({origin}))
        (tmp_path / "keys").write_text(line + "\n")
        keys = {"GATEWAY_KEYS_FILE": str(tmp_path / "keys")}
        with running_gateway(tmp_path, kafka_url, unique_name, keys) as gateway:
            eventually(gateway.ready)
            served["/"] = PAGE.format(key=key, gateway=gateway.url.removeprefix("http://")).encode()
            page = browser.new_page(user_agent=USER_AGENT)
            # The first attempt is lost on its way: the SDK sends it again, with a header that says so.
            page.route("**/v1/t", lambda route: route.abort(), times=1)
            with page.expect_response(lambda answer: "x-retry-count" in answer.request.headers, timeout=60_000):
                page.goto(f"{origin}/")
            log = Log(kafka_url, unique_name)
            eventually(lambda: len(log.records()) == 4)
            told = page.evaluate(TELLS_OF_ITSELF, f"{gateway.url}/v1/m")
            page.close()
    events = log.events()
    assert told == 200
    (visitor,) = {one["anonymous_id"] for one in events}
    assert sorted((one["touchpoint"], one["customer_id"]) for one in events) == [
        ("home", None), ("identify", "browser-customer"), ("order completed", "browser-customer"),
        ("order completed", "browser-customer"),
    ]  # fmt: skip
    orders = [one for one in events if one["action"] == "purchase"]
    assert {(one["event_id"], one["revenue_minor"], one["currency"]) for one in orders} == {
        ("order:browser-1", 1999, "EUR")
    }
    assert visitor and {one["channel"] for one in events} == {"web"}
    assert all(began_ms - 1 <= one["occurred_at"] <= now_ms() for one in events)
