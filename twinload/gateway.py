"""The gateway as a process: its files written, started, asked by its admin interface, and ended with a drain.

Its configuration and token lie in `.twinload/shadow/`, readable by their owner alone: both hold secrets.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import urllib3
from urllib3.exceptions import HTTPError

from clusters.child import Child, Program, last_lines, stop_all
from clusters.command import split_address
from records.instance import Instance
from records.plan import Plan
from shadow.gateway_config import GatewayFiles, gateway_config
from shadow.gateway_events import EventPage, EventsError, event_page
from shadow.mirrored import COVERAGE, PAIRS
from twinload.errors import BadEnvironment, OwnFault

FOLDER: Final = ".twinload/shadow"
TOKEN: Final = "token"  # noqa: S105  a file's name
CONFIG: Final = "gateway.json"
LOG: Final = "gateway.log"
STATE: Final = "state.json"
_READY_S: Final = 30.0
_QUICK_S: Final = 10.0
_FLUSH_S: Final = 120.0
_OVERTAKEN: Final = 412
_DRAIN_S: Final = 20.0
_STEP_S: Final = 0.05


Mode = Literal["off", "shadow", "canary", "full"]
Order = Literal["step", "hold", "resume", "back"]


class Overtaken(BadEnvironment):
    """All users were taken back after what the caller had seen: the share stays, and the events say why."""


class Admin:
    """The admin interface of a running gateway.

    Raises (all methods): BadEnvironment when it does not answer as it should.
    """

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        host, port = split_address(address)
        self._pool = urllib3.HTTPConnectionPool(host, port, headers={"Authorization": f"Bearer {token}"}, retries=False)

    def status(self) -> dict[str, Any]:
        """Return mode, sides and counts."""
        return self._ask("GET", "/status", _QUICK_S)

    def flush(self) -> dict[str, Any]:
        """Wait until every copy was compared, and return the status."""
        return self._ask("POST", "/flush", _FLUSH_S)

    def mode(self, name: Mode) -> dict[str, Any]:
        """Switch who answers; return the status after. A mode that the configuration does not allow is refused."""
        return self._ask("POST", "/mode", _QUICK_S, {"mode": name})

    def canary(self, share: float, *, seen: int | None = None) -> dict[str, Any]:
        """Give the candidate a share of the users, 0 to 1, and return the status after; above 0 it ends a latch.

        Args:
            seen: the number of the last event that the caller knows. When all users were taken back after it, the share
                stays: who decided without knowing must not undo that.
        Raises: Overtaken when that happened.
        """
        return self._ask(
            "POST", "/canary", _QUICK_S, {"share": share} if seen is None else {"share": share, "seen": seen}
        )

    def operator(self, do: Order, why: str = "") -> dict[str, Any]:
        """Say an order, with its reason of at most 200 characters, and return the status after.

        `back` is done at once by the gateway; the rest are events, which a controller obeys.
        """
        return self._ask("POST", "/operator", _QUICK_S, {"do": do, "why": why})

    def events(self, after: int = 0) -> EventPage:
        """Return what happened after an event's number."""
        try:
            return event_page(self._ask("GET", f"/events?after={after}", _QUICK_S), after)
        except EventsError as error:
            raise BadEnvironment(f"{self._address}: {error}") from error

    def close(self) -> None:
        """Close its connections."""
        self._pool.close()

    def _ask(
        self, method: str, path: str, timeout_s: float, tree: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        body = None if tree is None else json.dumps(tree)
        try:
            answer = self._pool.urlopen(method, path, body=body, timeout=timeout_s)
        except HTTPError as error:
            raise BadEnvironment(f"no gateway answers at {self._address}: {type(error).__name__}") from error
        if answer.status == _OVERTAKEN:
            raise Overtaken(f"the gateway at {self._address}: {_detail(answer.data)}")
        if answer.status != 200:
            said = f"answered {answer.status} to {method} {path}: {_detail(answer.data)}"
            raise BadEnvironment(f"the gateway at {self._address} {said}")
        try:
            found: dict[str, Any] = json.loads(answer.data)
        except ValueError as error:
            raise BadEnvironment(f"what answers at {self._address} is no gateway: {error}") from error
        return found


def _detail(document: bytes) -> str:
    """Return the sentence of a problem document; what is none is shown as it came, cut short."""
    try:
        return str(json.loads(document)["detail"])
    except (ValueError, KeyError, TypeError):
        return repr(document[:200])


def running_admin(plan: Plan, root: Path, *, folders: Sequence[str] = (FOLDER,)) -> Admin:
    """Return the admin interface of the gateway that runs here; the first of `folders` that has a token tells it.

    Raises: BadEnvironment when none was started from this folder.
    """
    for folder in folders:
        token = root / folder / TOKEN
        if token.is_file():
            return Admin(plan.shadow.gateway.admin, token.read_text(encoding="ascii").strip())
    raise BadEnvironment("no gateway runs here: `twinload shadow run` starts one")


class Gateway:
    """A running gateway; a context manager that ends it and takes its secrets away. `folder` is where it writes."""

    def __init__(self, plan: Plan, instances: Sequence[Instance], root: Path, *, mode: Mode | None = None) -> None:
        self.folder = root / FOLDER
        gateway = plan.shadow.gateway
        program = _program_of(plan, root)
        for address in (gateway.listen, gateway.admin):
            _check_free(address)
        _clean(self.folder)
        token = write_files(self.folder, plan, instances, mode)
        words = [word.replace("{config}", str(self.folder / CONFIG)) for word in gateway.command]
        self.admin = Admin(gateway.admin, token)
        self.log = self.folder / LOG
        self._program = Program(program, tuple(words), dict(os.environ), root, tuple(gateway.cpu_set), self.log)
        self._start()

    def _start(self) -> None:
        self._log_began = self.log.stat().st_size if self.log.exists() else 0
        self._child = Child.start(self._program)

    def restart(self) -> None:
        """Start it again after it ended; with a state file it goes on where it was. Raises as `wait_ready` does."""
        self._child.collect()
        self._start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return once it listens.

        Raises: BadEnvironment with the last lines of its log when it ends, OwnFault when it does not come.
        """
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self.ended is not None:
                raise BadEnvironment(f"the gateway {self.ended}:\n{self._tail()}")
            if any(line.startswith(b"ready ") for line in self._told()):
                return
            time.sleep(_STEP_S)
        raise OwnFault(f"the gateway was not ready after {_READY_S:.0f} s:\n{self._tail()}")

    def _told(self) -> list[bytes]:
        """Return the lines of its log since it was started last."""
        return self.log.read_bytes()[self._log_began :].splitlines()

    @property
    def ended(self) -> str | None:
        """How it ended, None while it runs."""
        found = self._child.poll()
        return None if found is None else str(found)

    def close(self) -> None:
        """End it: asked first, so that no request in flight fails. Safe to call twice."""
        self.admin.close()
        stop_all([self._child], _DRAIN_S)
        for name in (TOKEN, CONFIG, STATE):
            (self.folder / name).unlink(missing_ok=True)

    def _tail(self) -> str:
        return "\n".join(f"  | {line}" for line in last_lines(self.log))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def write_files(folder: Path, plan: Plan, instances: Sequence[Instance], mode: Mode | None) -> str:
    """Write a gateway's configuration and token into a folder, and return the token; one that is there stays.

    A gateway in mode canary keeps its state there too.
    Raises: TargetError with every reason why a gateway cannot stand before these twins.
    """
    state = folder / STATE if mode == "canary" else None
    files = GatewayFiles(folder / TOKEN, folder / PAIRS, state)
    config = gateway_config(plan, instances, files, environ=os.environ, resolve=_numeric, mode=mode)
    if not files.token.exists():
        _write_secret(files.token, secrets.token_urlsafe(32) + "\n")
    (folder / CONFIG).unlink(missing_ok=True)
    _write_secret(folder / CONFIG, json.dumps(config, indent=1) + "\n")
    return files.token.read_text(encoding="ascii").strip()


def _program_of(plan: Plan, root: Path) -> str:
    word = plan.shadow.gateway.command[0]
    found = str(root / word) if "/" in word else shutil.which(word)
    if found is None or not os.access(found, os.X_OK):
        raise BadEnvironment(f"shadow.gateway.command: {word} does not exist; `make setup` builds the gateway")
    return found


def _check_free(address: str) -> None:
    host, port = split_address(address)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise BadEnvironment(
            f"{address} cannot be listened at ({error.strerror}): end what has it, or set another in shadow.gateway"
        ) from None


def _numeric(address: str) -> str:
    host, port = split_address(address)
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise BadEnvironment(f"{address}: the name is not known ({error}); give an address that is") from None
    return f"[{where[0]}]:{port}" if family == socket.AF_INET6 else f"{where[0]}:{port}"


def _clean(folder: Path) -> None:
    """Make the folder, for its owner alone, and take away what a gateway before wrote."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for name in (PAIRS, COVERAGE, LOG, TOKEN, CONFIG, STATE):
        (folder / name).unlink(missing_ok=True)


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
