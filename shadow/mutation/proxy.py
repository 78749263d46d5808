"""A real HTTP proxy before the candidate that puts faults into the answers to the targets that it was told.

    python -m shadow.mutation.proxy --listen 127.0.0.1:0 --upstream 127.0.0.1:18201 [--faults FILE] [--out FILE]

FILE holds JSON lines, each a Fault; what was injected is written to the other one, a line an Injection. It prints
"ready ADDRESS" and ends when its standard input closes. HTTP/1.1 with Content-Length, keep-alive, one thread a
connection: small, because it must add nothing of its own.
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from shadow.answer import Answer
from shadow.mutation.faults import Faulty, inject

LATE_S: Final = 60.0
_BLOCK: Final = 1 << 16


class Fault(msgspec.Struct, frozen=True):
    """What is to be done to a target's answers.

    `other` is another user's target, for the kind "user"; `times`: to so many of its answers, the first ones; `for_s`:
    to those within so long of the first, so that a pair that raced has the fault when it is asked again too; None of
    both: to all of them.
    """

    target: str
    kind: str
    seed: int
    other: str | None = None
    times: int | None = None
    for_s: float | None = None


class Injection(msgspec.Struct, frozen=True):
    """What was done: the sign that must be seen."""

    target: str
    kind: str
    sign: str
    place: str


class ClosedError(Exception):
    """A side closed its connection."""


@dataclass(slots=True)
class FaultProxy:
    """A running proxy; `injected` is by target. `close` ends it and every connection."""

    upstream: tuple[str, int]
    faults: Mapping[str, Fault] = field(default_factory=dict)
    listen: tuple[str, int] = ("127.0.0.1", 0)
    injected: dict[str, Injection] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _done: Counter[str] = field(default_factory=Counter)
    _first_s: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> str:
        """Listen, and return the address."""
        self._listener = socket.create_server(self.listen, backlog=512)
        threading.Thread(target=self._accept, daemon=True, name="fault-proxy").start()
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        """End all of it."""
        self._ended.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for each in tuple(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101  start made it
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(near,), daemon=True, name="fault-proxy").start()

    def _serve(self, near: socket.socket) -> None:
        caller = _Stream(near)
        try:
            with near, socket.create_connection(self.upstream) as far:
                far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open |= {near, far}
                server = _Stream(far)
                while self._exchange(caller, server):
                    pass
                self._open -= {near, far}
        except (OSError, ClosedError, ValueError):
            return  # a side hung up, or said what is no HTTP: the caller sees a closed connection

    def _exchange(self, caller: _Stream, server: _Stream) -> bool:
        """Pass one request on and its answer back; False when the connection is to be closed."""
        head, body = caller.message()
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        answer = server.ask(head + body, method)
        fault = self.due(target.decode("latin-1"))
        faulty = self._faulty(fault, answer, server, head) if fault is not None else None
        if faulty is None:
            caller.sock.sendall(_written(answer, len(answer.body)))
            return True
        return self._send(faulty, caller)

    def due(self, target: str) -> Fault | None:
        """Return the fault that this answer is to have."""
        fault = self.faults.get(target)
        if fault is None:
            return None
        with self._lock:
            self._done[target] += 1
            since_s = self.clock() - self._first_s.setdefault(target, self.clock())
            over = (fault.times is not None and self._done[target] > fault.times) or (
                fault.for_s is not None and since_s > fault.for_s
            )
            return None if over else fault

    def _faulty(self, fault: Fault, good: Answer, server: _Stream, head: bytes) -> Faulty | None:
        other = None
        if fault.other is not None:
            asked = head.replace(fault.target.encode("latin-1"), fault.other.encode("latin-1"), 1)
            other = server.ask(asked, b"GET")
        found = inject(fault.kind, good, random.Random(fault.seed), other=other)  # noqa: S311  a seed, no secret
        if found is not None:
            self.injected[fault.target] = Injection(fault.target, fault.kind, found.sign.kind, found.sign.place)
        return found

    def _send(self, faulty: Faulty, caller: _Stream) -> bool:
        body = faulty.answer.body
        if faulty.wire == "late":
            self._ended.wait(LATE_S)
            return False
        if faulty.wire == "reset":
            return False
        if faulty.wire == "cut":
            cut = Answer(faulty.answer.status, faulty.answer.headers, body[: len(body) // 2])
            caller.sock.sendall(_written(cut, len(body)))
            return False
        caller.sock.sendall(_written(faulty.answer, len(body)))
        return True


class _Stream:
    """One side's connection: messages with a Content-Length, in turn."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = b""

    def message(self) -> tuple[bytes, bytes]:
        """Return the next message's head, with its empty line, and its body."""
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self._rest = self._rest[: end + 4], self._rest[end + 4 :]
        return head, self._take(_length(head))

    def ask(self, message: bytes, method: bytes) -> Answer:
        """Send a request and return the answer."""
        self.sock.sendall(message)
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            self._more()
        head, self._rest = self._rest[: end + 4], self._rest[end + 4 :]
        status = int(head.split(b" ", 2)[1])
        bare = method == b"HEAD" or status in (204, 304)
        return Answer(status, _headers(head), b"" if bare else self._take(_length(head)))

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def _more(self) -> None:
        data = self.sock.recv(_BLOCK)
        if not data:
            raise ClosedError
        self._rest += data


def _headers(head: bytes) -> tuple[tuple[str, str], ...]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))


def _length(head: bytes) -> int:
    found = [value for name, value in _headers(head) if name == "content-length"]
    if any(name == "transfer-encoding" for name, _ in _headers(head)):
        raise ValueError("chunked messages are not passed on")
    return int(found[0]) if found else 0


def _written(answer: Answer, length: int) -> bytes:
    head = [f"HTTP/1.1 {answer.status} X"]
    head += [f"{name}: {value}" for name, value in answer.headers if name not in ("content-length", "connection")]
    return "\r\n".join([*head, f"content-length: {length}", "", ""]).encode("latin-1") + answer.body


def read_faults(path: Path) -> dict[str, Fault]:
    """Read a file of faults, by target."""
    found = (msgspec.json.decode(line, type=Fault) for line in path.read_bytes().splitlines())
    return {fault.target: fault for fault in found}


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0", type=_address)
    parser.add_argument("--upstream", required=True, type=_address)
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    faults = read_faults(options.faults) if options.faults else {}
    proxy = FaultProxy(options.upstream, faults, options.listen)
    sys.stdout.write(f"ready {proxy.start()}\n")
    sys.stdout.flush()
    sys.stdin.read()
    proxy.close()
    if options.out:
        options.out.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in proxy.injected.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
