"""Stands between one instance and its store and stops the world at a step of an append.

An append is a script: its request is the only one that begins with EVAL once an instance is ready. At the chosen step
the hook runs (it kills the instance, say) before anything else passes.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

from clusters.contract.wire import Address

Step = Literal["before the append", "after the append", "after the reply"]
TAKEN = b":1\r\n"


@dataclass(slots=True)
class StoreProxy:
    """A forwarder of TCP connections; `arm` chooses the step and what happens there."""

    target: Address
    listener: socket.socket
    step: Step | None = None
    hook: Callable[[], None] = lambda: None
    reached: threading.Event = field(default_factory=threading.Event)
    sockets: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What `--store` takes."""
        return f"redis://127.0.0.1:{self.listener.getsockname()[1]}"

    def arm(self, step: Step, hook: Callable[[], None]) -> None:
        """Have the hook run once, at the next append's step."""
        self.hook, self.step = hook, step

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                self.sockets += [client, server]
                appending = threading.Event()
                for work in ((self._requests, client, server), (self._replies, server, client)):
                    thread = threading.Thread(target=work[0], args=(*work[1:], appending))
                    self.threads.append(thread)
                    thread.start()

    def _requests(self, client: socket.socket, server: socket.socket, appending: threading.Event) -> None:
        with _ending(client, server):
            while data := client.recv(65_536):
                if self.step is not None and (b"\r\nevalsha\r\n" in data.lower() or b"\r\neval\r\n" in data.lower()):
                    appending.set()
                    self._at("before the append")
                server.sendall(data)

    def _replies(self, server: socket.socket, client: socket.socket, appending: threading.Event) -> None:
        with _ending(client, server):
            while data := server.recv(65_536):
                taken = appending.is_set() and data == TAKEN
                if taken:
                    self._at("after the append")
                client.sendall(data)
                if taken:
                    self._at("after the reply")

    def close(self) -> None:
        """End all connections; the listener is closed already."""
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for one in self.sockets:
            one.close()

    def _at(self, step: Step) -> None:
        if self.step == step and not self.reached.is_set():
            self.hook()
            self.reached.set()
            raise OSError("the connection ends here")


@contextmanager
def _ending(*sockets: socket.socket) -> Iterator[None]:
    """When one side ends, or the world stops, both do."""
    try:
        with suppress(OSError):
            yield
    finally:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def store_proxy(target: Address) -> Iterator[StoreProxy]:
    """Run a proxy until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = StoreProxy(target, listener)
    accepting = threading.Thread(target=proxy.serve)
    accepting.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
        proxy.close()
