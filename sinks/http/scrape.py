"""What Prometheus asks an HTTP application of this process for."""

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response


async def scraped(request: Request) -> Response:
    """All metrics of the process, in the format that is asked for."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(REGISTRY), headers={"Content-Type": content_type})
