"""The baseline of the example pair: a price quote service on the standard library's threaded HTTP server."""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pricing import BadRequestError, quote


class Handler(BaseHTTPRequestHandler):
    """Answers `GET /quote?customer=ID&items=N` and `GET /healthz`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        if parts.path == "/healthz":
            self._send(200, {"status": "ok"})
        elif parts.path == "/quote":
            query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            try:
                self._send(200, quote(query))
            except BadRequestError as error:
                self._send(400, {"error": str(error)})
        else:
            self._send(404, {"error": "no such resource"})

    def refuse(self) -> None:
        """Answer any other method."""
        self._send(405, {"error": "only GET"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = refuse  # noqa: N815

    def _send(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing per request."""


class Server(ThreadingHTTPServer):
    """A threaded server whose backlog takes a whole swarm at once."""

    request_queue_size = 1024
    daemon_threads = True


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    Server(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()


if __name__ == "__main__":
    main()
