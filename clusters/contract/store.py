"""Starts the distribution's redis-server for the suite: on a free loopback port, with a folder of its own.

It is ended whatever happens; what the suite does to it (kill, pause, empty, start again) is told by name.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clusters.contract.wire import Address
from clusters.ports import free_ports

PROGRAM = "redis-server"
MISSING = f"{PROGRAM} is not installed: apt-get install redis-server"
UP_WITHIN_S = 20.0


class StoreError(Exception):
    """The store cannot be started or does not answer; the text says why."""


def is_installed() -> bool:
    """Say whether there is a redis-server in PATH."""
    return shutil.which(PROGRAM) is not None


@dataclass(slots=True)
class Store:
    """A redis-server; `kept` has it write every command to disk, so that it comes back with all it had."""

    folder: Path
    kept: bool = False
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> Address:
        """Where it listens."""
        return "127.0.0.1", self.port

    @property
    def url(self) -> str:
        """What `--store` takes."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the port that it had before or a free one; come back when it answers."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise StoreError(MISSING)
        if not self.port:
            (self.port,) = free_ports(1)
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                    "--appendonly", "yes" if self.kept else "no", "--appendfsync", "always",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + UP_WITHIN_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise StoreError(f"{PROGRAM} does not answer; see {self.folder / 'redis.log'}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return self.command("PING") == b"+PONG"
        except OSError:
            return False

    def command(self, *words: str) -> bytes:
        """Send one command and return the first line of its reply."""
        request = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        with socket.create_connection(self.address, timeout=UP_WITHIN_S) as connection:
            connection.sendall(request.encode())
            with connection.makefile("rb") as reply:
                return reply.readline().rstrip(b"\r\n")

    def events(self) -> int:
        """Return how many events the stream has, its beginning not counted."""
        return int(self.command("XLEN", "wallet:ledger").removeprefix(b":")) - 1

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Have it answer nothing, and keep its connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def running_store(folder: Path, *, kept: bool = False) -> Iterator[Store]:
    """Run a store until the block ends.

    Raises: StoreError when it is not installed or does not answer.
    """
    store = Store(folder, kept)
    try:
        store.start()
        yield store
    finally:
        store.kill()
