"""The wire: the engine's client in gevent's loop, one per process.

A greenlet leaves a request with a `Turn` as its token and switches to the hub; the engine's thread exchanges it and
makes a descriptor readable; the hub then switches to every greenlet whose answer came, in one batch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from gevent import get_hub
from greenlet import greenlet  # type: ignore[import-untyped]
from twinload_engine import Client, Tls

from swarm.native.roots import root_certificates
from swarm.native.targets import Targets

if TYPE_CHECKING:
    from geventhttpclient.client import HTTPClientPool

    from swarm.native.lines import Lines


class Turn:
    """A greenlet that waits for one answer; nobody's when the greenlet was stopped in the meantime."""

    __slots__ = ("greenlet",)

    def __init__(self) -> None:
        self.greenlet: Any = None


class Wire:
    """The engine's client of this process, and who waits for it."""

    _of_process: ClassVar[dict[int, Wire]] = {}

    def __init__(self) -> None:
        self.client = Client()
        self.hub = get_hub()
        self.switch: Callable[[], Any] = greenlet.switch.__get__(self.hub)
        """Switch to the hub until somebody switches back; without gevent's question whether the greenlet minds."""
        self.pools: WeakKeyDictionary[HTTPClientPool, Lines] = WeakKeyDictionary()
        """The lines of pools that several sessions share."""
        self._targets: dict[str, Targets] = {}
        self._tls: dict[tuple[str, bool, str | None], Tls] = {}
        self._watcher = self.hub.loop.io(self.client.fileno(), 1)
        self._watcher.start(self._wake)

    @classmethod
    def here(cls) -> Wire:
        """Return this process's wire, made now if need be: a thread and a descriptor do not survive a fork."""
        process = os.getpid()
        wire = cls._of_process.get(process)
        if wire is None:
            wire = cls._of_process[process] = cls()
        return wire

    def tls(self, server_name: str, *, verify: bool, ca_file: str | None = None) -> Tls:
        """Return how to speak TLS with a server, made once; `verify` checks it against a file or the machine's roots.

        Raises: OSError when the file cannot be read.
        """
        key = (server_name, verify, ca_file)
        if key not in self._tls:
            roots = root_certificates() if ca_file is None else Path(ca_file).read_bytes()
            self._tls[key] = Tls(server_name, ca_pem=roots if verify else None, verify=verify)
        return self._tls[key]

    def targets(self, base_url: str) -> Targets:
        """Return the targets below a base URL, which all sessions with that base share.

        Raises: ValueError when it is no base to send to.
        """
        if base_url not in self._targets:
            self._targets[base_url] = Targets(base_url)
        return self._targets[base_url]

    def _wake(self) -> None:
        for turn, reply in self.client.completed():
            waiting = turn.greenlet  # type: ignore[attr-defined]
            if waiting is None:
                continue
            try:
                waiting.switch(reply)
            except BaseException:  # the other greenlets of the batch wait still
                self.hub.handle_error(waiting, *sys.exc_info())
