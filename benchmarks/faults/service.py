"""A service that can fall sick: balances and recharges over HTTP/1.1, one process, told by its board.

    python -m benchmarks.faults.service --board FILE --writes FILE [--store HOST:PORT]

Prints "ready ADDRESS" and serves until it is ended. Each answer takes 2 ms, and is the same for a user whoever gives
it. The number of every write is appended to a file before it is answered, so that one that came twice is found. With a
store each balance asks it first; without its store it answers 503, as most services would. `/readyz` is always well:
what the sickness does to callers must be seen by what they get.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections import deque
from enum import IntEnum
from pathlib import Path

from benchmarks.faults.board import Board

ANSWER_S = 0.002
SLOW = 10
"""So many times as long an answer takes of a slow one."""
_LEAK_BYTES = 8 << 20
_LEAK_EACH_S = 0.01
_LEFT_BYTES = 64 << 20
_RESET = struct.pack("ii", 1, 0)


class Sickness(IntEnum):
    """What a service suffers from."""

    NONE = 0
    STATUS_500 = 1
    GARBAGE = 2
    RESETS = 3
    SLOW = 4
    LEAK = 5


def body_of(user: str) -> bytes:
    """Return a user's balance: about a kilobyte of JSON, made from the id alone."""
    seed = sum(user.encode()) * 7_919
    lots = [{"id": n, "remaining": (seed * (n + 3)) % 9_973, "expires_ms": 1_700_000_000_000 + n} for n in range(16)]
    tree = {"user_id": user, "coins": {"available": sum(one["remaining"] for one in lots)}, "lots": lots}
    return json.dumps(tree, separators=(",", ":")).encode()


def answer(status: str, body: bytes) -> bytes:
    """Return the bytes of an answer."""
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


class Store:
    """One connection to a store: commands in turn. Once it is lost every command fails at once."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._where = host, int(port)
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Connect, and read replies from then on."""
        reader, self._writer = await asyncio.open_connection(*self._where)
        self._reading = asyncio.create_task(self._read(reader))

    async def ask(self) -> bool:
        """Ask for one thing; whether there was a reply."""
        if self._writer is None:
            return False
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(found)
        self._writer.write(b"PING\r\n")
        return await found

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while await reader.readline():
                self._waiting.popleft().set_result(True)
        except OSError:
            pass
        self._writer = None
        while self._waiting:
            self._waiting.popleft().set_result(False)


class Service:
    """What all connections share."""

    def __init__(self, board: Board, writes: Path, store: Store | None) -> None:
        self.board = board
        self.store = store
        self._writes = os.open(writes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._leaked: list[bytes] = []

    def write(self, target: str) -> None:
        """Take a write down, at once."""
        os.write(self._writes, target.rpartition("=")[2].encode() + b"\n")

    async def leak(self) -> None:
        """Wait for the sickness, then take memory until there is none, and die as by the kernel's hand."""
        while self.board.sickness != Sickness.LEAK:
            await asyncio.sleep(_LEAK_EACH_S)
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: self.die())
        held = resource_bytes() + _LEFT_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (held, held))
        try:
            while True:
                self._leaked.append(b"x" * _LEAK_BYTES)
                await asyncio.sleep(_LEAK_EACH_S)
        except MemoryError:
            self.die()

    def die(self) -> None:
        """Die as a process does for which there is no memory: at once, without a word."""
        self.board.note_death()
        os.kill(os.getpid(), signal.SIGKILL)


def resource_bytes() -> int:
    """Return the address space that this process has."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")


class Connection(asyncio.Protocol):
    """One connection: requests in turn, never two at once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._data = b""
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sock: socket.socket = transport.get_extra_info("socket")
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Take a request in once it is whole."""
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if self._busy or not found or len(rest) < length_of(head):
            return
        self._data = rest[length_of(head) :]
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if target == "/readyz":
            self._transport.write(answer("200 OK", b'{"status":"ready"}'))
            return
        self._busy = True
        self._service.board.note()
        slow = self._service.board.sickness == Sickness.SLOW
        self._loop.call_later(ANSWER_S * (SLOW if slow else 1), self._serve, method, target)

    def _serve(self, method: str, target: str) -> None:
        if self._transport.is_closing():
            return  # whoever asked is gone
        if self._service.store is not None and method == "GET":
            self._asking = self._loop.create_task(self._with_store(self._service.store, target))
        else:
            self._send(method, target)

    async def _with_store(self, store: Store, target: str) -> None:
        if await store.ask():
            self._send("GET", target)
        else:
            self._finish(answer("503 Service Unavailable", b'{"title":"the store is gone"}'))

    def _send(self, method: str, target: str) -> None:
        sickness = self._service.board.sickness
        if sickness == Sickness.RESETS:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
            return
        if method == "POST":
            self._service.write(target)
        if sickness == Sickness.STATUS_500:
            self._finish(answer("500 Internal Server Error", b'{"title":"sick"}'))
        elif sickness == Sickness.GARBAGE:
            self._finish(answer("200 OK", b'{"user_id":\x00\xff garbage ' + os.urandom(64)))
        elif method == "POST":
            self._finish(answer("201 Created", b'{"taken":true}'))
        else:
            self._finish(answer("200 OK", body_of(target.split("/")[3])))

    def _finish(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
        self._busy = False
        if self._data:
            self.data_received(b"")


def length_of(head: bytes) -> int:
    """Return the length of the body that a head announces."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return next((int(value) for name, _, value in lines if name.lower() == b"content-length"), 0)


async def serve(options: argparse.Namespace) -> None:
    """Serve until ended."""
    store = None
    if options.store is not None:
        store = Store(options.store)
        await store.connect()
    service = Service(Board(options.board), options.writes, store)
    loop = asyncio.get_running_loop()
    leaking = loop.create_task(service.leak())
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", 0, backlog=1_024)
    host, port = server.sockets[0].getsockname()[:2]
    sys.stdout.write(f"ready {host}:{port}\n")
    sys.stdout.flush()
    await leaking


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", type=Path, required=True)
    parser.add_argument("--writes", type=Path, required=True)
    parser.add_argument("--store")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
