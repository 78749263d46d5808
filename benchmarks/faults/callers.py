"""Callers of a service: an open loop over kept connections that counts every status, reset and wrong byte.

Reads and, one in twenty, writes, of users drawn by seed, on a thread of its own. A read is good when it is 200 with the
bytes that this user must get, whoever gave them; anything else is counted by its name.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Sequence

from benchmarks.faults.service import body_of, length_of

GOOD = "good"
_TIMEOUT_S = 10.0
_WRITES = 0.05
_MOST = 400
"""Connections at once; who finds none free waits for one."""


class Caller(asyncio.Protocol):
    """One connection and the request that is under way on it."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._data = b""
        self._wanted: bytes | None = None
        self.is_safe = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, user: str, number: int | None) -> None:
        """Send a read, or the write of this number."""
        self.is_safe = number is None
        if number is None:
            self._wanted = self._callers.bodies[user]
            self._transport.write(f"GET /v1/users/{user}/balance HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        else:
            self._wanted = b""
            head = f"POST /v1/users/{user}/recharges?n={number} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}"
            self._transport.write(head.encode())
        self._timer = self._callers.loop.call_later(_TIMEOUT_S, self._late)

    def data_received(self, data: bytes) -> None:
        """Judge an answer once it is whole."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or len(body) < length_of(head):
            return
        self._data = b""
        status = int(head[9:12])
        if status != (200 if self.is_safe else 201):
            self._end(f"status-{status}")
        else:
            self._end("wrong-bytes" if self.is_safe and body != self._wanted else GOOD)
        if b"connection: close" in head.lower():
            self._transport.close()
        else:
            self._callers.is_free(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Count what was under way."""
        self._callers.is_gone(self)
        if self._wanted is not None:
            self._end("reset")

    def close(self) -> None:
        """Close it; nothing is under way."""
        self._transport.close()

    def _late(self) -> None:
        self._end("timeout")
        self._transport.abort()

    def _end(self, how: str) -> None:
        self._wanted = None
        if self._timer is not None:
            self._timer.cancel()
        self._callers.count(how, is_safe=self.is_safe)


class Callers:
    """Sends at a rate until `stop`; `safe` and `unsafe` count how requests ended."""

    def __init__(self, address: str, users: Sequence[str], rate_rps: float, seed: int) -> None:
        host, _, port = address.rpartition(":")
        self._where = host, int(port)
        self._users = users
        self.bodies = {user: body_of(user) for user in users}
        self._gap_s = 1 / rate_rps
        self._rng = random.Random(seed)
        self.safe: Counter[str] = Counter()
        self.unsafe: Counter[str] = Counter()
        self._sent = 0
        self._ended = 0
        self._free: list[Caller] = []
        self._open: set[Caller] = set()
        self._opening = 0
        self._ending = threading.Event()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="callers")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and return once everything under way has ended."""
        self._ending.set()
        self._thread.join()

    @property
    def failed(self) -> int:
        """Reads that were not good."""
        return sum(count for how, count in self.safe.items() if how != GOOD)

    def count(self, how: str, *, is_safe: bool) -> None:
        """Count the end of a request."""
        self._ended += 1
        (self.safe if is_safe else self.unsafe)[how] += 1

    def is_free(self, caller: Caller) -> None:
        """Take a connection back."""
        self._free.append(caller)

    def is_gone(self, caller: Caller) -> None:
        """Forget a connection."""
        self._open.discard(caller)
        if caller in self._free:
            self._free.remove(caller)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._send())
        self.loop.close()

    async def _send(self) -> None:
        due_s = self.loop.time()
        tasks: set[asyncio.Task[None]] = set()
        while not self._ending.is_set():
            due_s += self._gap_s
            wait_s = due_s - self.loop.time()
            await asyncio.sleep(max(wait_s, 0))
            user = self._rng.choice(self._users)
            number = self._sent if self._rng.random() < _WRITES else None
            self._sent += 1
            if self._free:
                self._free.pop().ask(user, number)
            else:
                task = self.loop.create_task(self._on_a_new_one(user, number))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        while self._ended < self._sent:
            await asyncio.sleep(0.01)
        for caller in self._open:
            caller.close()
        while self._open:
            await asyncio.sleep(0.01)

    async def _on_a_new_one(self, user: str, number: int | None) -> None:
        while not self._free and len(self._open) + self._opening >= _MOST:
            await asyncio.sleep(0.005)
        if self._free:
            self._free.pop().ask(user, number)
            return
        self._opening += 1
        try:
            _, caller = await self.loop.create_connection(lambda: Caller(self), *self._where)
        except OSError:
            self.count("refused", is_safe=number is None)
        else:
            self._open.add(caller)
            caller.ask(user, number)
        finally:
            self._opening -= 1
