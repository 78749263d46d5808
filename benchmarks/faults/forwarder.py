"""A forwarder of TCP connections that notes callers' requests on its board, and can be cut: it then refuses and resets.

    python -m benchmarks.faults.forwarder --board FILE --to HOST:PORT

It stands before a candidate that will be stopped, which can note nothing itself, and before a store that will be cut.
Prints "ready ADDRESS". The board's sickness cuts it for good.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from benchmarks.faults.board import Board

_CALLERS = (b"GET /v1/", b"POST /v1/")
_LOOK_S = 0.002
_RESET = struct.pack("ii", 1, 0)


class Forwarder:
    """All connections through it."""

    def __init__(self, board: Board, to: tuple[str, int]) -> None:
        self._board = board
        self._to = to
        self._open: set[asyncio.StreamWriter] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection both ways until a side ends it."""
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._to)
            both = {writer, far_writer}
            self._open |= both
            await asyncio.gather(self._pass(reader, far_writer, near=True), self._pass(far_reader, writer, near=False))
            self._open -= both
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, near: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if near and data.startswith(_CALLERS):
                    self._board.note()
                writer.write(data)
        writer.close()

    async def until_cut(self, server: asyncio.Server) -> None:
        """Wait to be cut; then close the port and reset what is open."""
        while not self._board.sickness:
            await asyncio.sleep(_LOOK_S)
        server.close()
        for writer in self._open:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


async def serve(options: argparse.Namespace) -> None:
    """Forward until cut, then stand there until ended."""
    host, _, port = options.to.rpartition(":")
    forwarder = Forwarder(Board(options.board), (host, int(port)))
    server = await asyncio.start_server(forwarder.take, "127.0.0.1", 0, backlog=1_024)
    host, port = server.sockets[0].getsockname()[:2]
    sys.stdout.write(f"ready {host}:{port}\n")
    sys.stdout.flush()
    await forwarder.until_cut(server)
    await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", type=Path, required=True)
    parser.add_argument("--to", required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
