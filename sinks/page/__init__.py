"""The live page: the journey from left to right, each stage with its rolling metrics, updated by server push."""

from touchstream.sinks.page.board import Alert
from touchstream.sinks.page.server import serve

__all__ = ["Alert", "serve"]
