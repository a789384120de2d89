"""The gateway: events over HTTP, for channels that don't speak Kafka. What it answers is in docs/gateway.md.

request ──► keys, rate ──► body ──► intake (judged one by one) ──► delivery (Kafka) ──► 202 with what was refused

Messages of foreign systems (docs/webhooks.md) are signed instead, and mapped before they are judged: `signatures`,
`sources`, `mapped`. Those of Segment's SDKs have paths and answers of their own: `segment`.
"""

from touchstream.streams.channels.gateway.key_lines import KeyFileError
from touchstream.streams.channels.gateway.server import serve

__all__ = ["KeyFileError", "serve"]
