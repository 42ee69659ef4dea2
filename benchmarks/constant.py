"""The service's HTTP server, answering a constant: `python -m benchmarks.constant PORT WORKERS`."""

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from ledger.server import HTTP_SERVER

BODY = b'{"status": "success"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, and nothing else."""
    if scope["type"] == "lifespan":
        for _ in ("startup", "shutdown"):
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.constant:application",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        **HTTP_SERVER,
    )
