"""The live page: the journey from left to right, each stage with its rolling metrics, updated by server push."""

from sinks.console.board import Alert
from sinks.console.server import serve

__all__ = ["Alert", "serve"]
