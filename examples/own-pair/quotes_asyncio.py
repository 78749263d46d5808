"""The candidate of the example pair: the same service, rewritten on asyncio streams."""

from __future__ import annotations

import argparse
import asyncio
import json
from urllib.parse import parse_qs, urlsplit

from pricing import BadRequestError, quote

_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


def answer(method: str, target: str) -> tuple[int, dict[str, object]]:
    """Return the status and the document for a request."""
    if method != "GET":
        return 405, {"error": "only GET"}
    parts = urlsplit(target)
    if parts.path == "/healthz":
        return 200, {"status": "ok"}
    if parts.path != "/quote":
        return 404, {"error": "no such resource"}
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    try:
        return 200, quote(query)
    except BadRequestError as error:
        return 400, {"error": str(error)}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection in turn."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            status, document = answer(method, target)
            body = json.dumps(document, separators=(",", ":")).encode()
            lines = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            writer.write(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + (b"" if method == "HEAD" else body))
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        pass  # the peer is gone or speaks no HTTP: either way the connection is over
    finally:
        writer.close()


async def run(port: int) -> None:
    """Serve until told to stop."""
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Read the port and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(run(parser.parse_args().port))


if __name__ == "__main__":
    main()
