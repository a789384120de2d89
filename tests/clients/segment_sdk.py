"""Segment's SDK for Python: what a server of a shop sends. Arguments: the gateway's address and a write key."""

import sys

from segment.analytics.client import Client

host, key = sys.argv[1:]
failed: list[object] = []
client = Client(key, host=host, gzip=True, max_retries=0, on_error=lambda error, _: failed.append(error))
person = {"user_id": "python-customer", "anonymous_id": "python-visitor"}
client.page(anonymous_id="python-visitor", name="Home")
client.identify(**person, traits={"plan": "free"})
for _ in range(2):  # under another messageId
    client.track("python-customer", "Order Completed", {"order_id": "python-1", "total": 19.99, "currency": "EUR"})
client.shutdown()
if failed:
    sys.exit(str(failed))
