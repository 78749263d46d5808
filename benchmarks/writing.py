"""Someone who writes to the wallet at a steady rate, while something else is measured."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from clusters.contract.answers import Request
from clusters.contract.wire import Address, Connection

_STRIDE = 7_919
"""So that neighbours in the pool are not written to one after the other."""
_BODY = b'{"coins":50,"valid_hours":720}'


@dataclass(slots=True)
class Writer:
    """Counts of the writes so far; `fault` is what ended them early."""

    taken: int = 0
    refused: int = 0
    fault: Exception | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self, address: Address, users: Sequence[str], rate_rps: float) -> None:
        """Recharge one user after the other until the end; the body of a thread."""
        try:
            with Connection(address, timeout_s=60.0) as connection:
                while not self._ended.wait(1 / rate_rps):
                    number = self.taken + self.refused
                    path = f"/v1/users/{users[number * _STRIDE % len(users)]}/recharges"
                    headers = (("Content-Type", "application/json"), ("Idempotency-Key", f"{number:032x}"))
                    taken = connection.ask(Request("POST", path, headers), _BODY).status == 201
                    self.taken += taken
                    self.refused += not taken
        except Exception as error:  # the edge of the thread: told to the one who waits
            self.fault = error

    def end(self) -> None:
        """Ask it to end."""
        self._ended.set()


@contextmanager
def writing(address: Address, users: Sequence[str], rate_rps: float) -> Iterator[Writer]:
    """Have users recharged, about `rate_rps` a second, until the block ends.

    Raises: whatever kept it from writing.
    """
    writer = Writer()
    thread = threading.Thread(target=writer.run, args=(address, users, rate_rps), daemon=True, name="writer")
    thread.start()
    try:
        yield writer
    finally:
        writer.end()
        thread.join()
    if writer.fault is not None:
        raise writer.fault
