"""A tiny HTTP server that counts what it answers, for end-to-end tests: `python counting_server.py ANSWER_MS`.

Prints its port. `GET /count` answers the number of all other requests so far, `GET /metrics` its own CPU time and a
resident set, for a scrape; neither is counted. Paths choose the answer: `/fail/…` 500,
`/drop/…` closes without a byte, `/slow/…` 200 after 20 ms, everything else 200 with `Content-Type: application/json`.
"""

from __future__ import annotations

import asyncio
import sys
import time

BODY = b'{"ok":true,"pad":"' + b"x" * 200 + b'"}'
RESIDENT_BYTES = 1_234_567


class Counter(asyncio.Protocol):
    """One connection."""

    count = 0
    delay_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while b"\r\n\r\n" in self.rest:
            head, self.rest = self.rest.split(b"\r\n\r\n", 1)
            self.answer(head.split(b" ", 2)[1])

    def answer(self, path: bytes) -> None:
        if path == b"/count":
            self.send(b"200 OK", str(Counter.count).encode())
            return
        if path == b"/metrics":
            used_s = time.process_time()
            text = f"process_cpu_seconds_total {used_s:.6f}\nprocess_resident_memory_bytes {RESIDENT_BYTES}\n"
            self.send(b"200 OK", text.encode())
            return
        Counter.count += 1
        if path.startswith(b"/drop"):
            self.transport.close()
        elif path.startswith(b"/fail"):
            self.send(b"500 Internal Server Error", b"no")
        elif path.startswith(b"/slow"):
            asyncio.get_running_loop().call_later(0.02, self.send, b"200 OK", BODY)
        elif self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self.send, b"200 OK", BODY)
        else:
            self.send(b"200 OK", BODY)

    def send(self, status: bytes, body: bytes) -> None:
        if not self.transport.is_closing():
            length = str(len(body)).encode()
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nContent-Length: " + length
                + b"\r\n\r\n" + body
            )  # fmt: skip


async def main() -> None:
    Counter.delay_s = float(sys.argv[1]) / 1000 if len(sys.argv) > 1 else 0.0
    server = await asyncio.get_running_loop().create_server(Counter, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
