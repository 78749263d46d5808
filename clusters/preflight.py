"""Can it start? Every fault that would stop an instance, found before the first one is started."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from clusters.command import LOGS, Launch, split_address
from clusters.errors import (
    AddressUnusable,
    BinaryMissing,
    ClusterError,
    CoresMissing,
    FolderUnwritable,
    PortTaken,
    VariableMissing,
)

BUILT: Final = ".twinload/bin/"  # where the reference pair's programs are built to


def faults_before_start(launches: Sequence[Launch], folder: Path) -> tuple[ClusterError, ...]:
    """Return every fault of what is about to be started; makes the folder of the logs, leaves nothing else behind."""
    started = [launch for launch in launches if launch.argv]
    return (
        *(_unwritable(folder / LOGS) if started else ()),
        *(fault for launch in started for fault in _faults(launch)),
        *_cores([launch for launch in started if launch.image is None]),
    )


def unreachable(launches: Sequence[Launch]) -> Iterator[ClusterError]:
    """Yield what speaks against containers on this machine: ports that are taken, cores that are not there."""
    for launch in launches:
        yield from _port(launch)
    yield from _cores_beyond(launches, set(range(os.cpu_count() or 1)))


def _faults(launch: Launch) -> Iterator[ClusterError]:
    for name in launch.missing:
        yield VariableMissing(f"{launch.name}: its env wants ${{{name}}}, which is not set; set it, or change `env`")
    if launch.image is None:  # of a container only its engine's machine can say the rest
        yield from _program(launch)
        yield from _port(launch)


def program_path(launch: Launch) -> str | None:
    """Return the program's path: beside the plan when argv[0] has a slash, else from PATH; None when there is none."""
    name = launch.argv[0]
    if "/" in name:
        path = launch.folder / name
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    return shutil.which(name, path=launch.env.get("PATH", os.defpath))


def _program(launch: Launch) -> Iterator[BinaryMissing]:
    if program_path(launch) is not None:
        return
    name = launch.argv[0]
    there = "/" in name and (launch.folder / name).exists()
    what = "may not be executed" if there else "does not exist" if "/" in name else "is not found in PATH"
    remedy = "`make setup` builds it" if name.startswith(BUILT) else "check `command` in the plan"
    yield BinaryMissing(f"{launch.name}: {name} {what}; {remedy}")


def _cores(launches: Sequence[Launch]) -> Iterator[CoresMissing]:
    yield from _cores_beyond(launches, os.sched_getaffinity(0))


def _cores_beyond(launches: Sequence[Launch], there: set[int]) -> Iterator[CoresMissing]:
    names = {launch.instance.twin: launch.instance.cpu_set for launch in launches}
    for twin, cores in names.items():
        if missing := sorted(set(cores) - there):
            yield CoresMissing(
                f"twins.{twin}.cpu_set names {_cores_text(missing)}, but there are only {_cores_text(sorted(there))}; "
                "change cpu_set and cpus"
            )


def _cores_text(cores: Sequence[int]) -> str:
    return ("core " if len(cores) == 1 else "cores ") + ", ".join(map(str, cores))


def _unwritable(folder: Path) -> Iterator[FolderUnwritable]:
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        yield FolderUnwritable(f"logs cannot be written to {folder}: {error.strerror}; give it write permission")


def _port(launch: Launch) -> Iterator[ClusterError]:
    host, port = split_address(launch.address)
    try:
        family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as probe:
            # Without it a connection that is still in TIME_WAIT would look like an owner.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield PortTaken(
                f"{launch.name}: port {port} at {host} is taken by {port_owner(port)}; end it, or change `address`"
            )
        else:
            yield AddressUnusable(
                f"{launch.name}: {launch.address} cannot be bound here: {error.strerror}; change `address`"
            )


def port_owner(port: int) -> str:
    """Return who listens at a TCP port, in words; other users' processes are not visible to everyone."""
    try:
        pids = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        }
    except psutil.AccessDenied:
        pids = set()
    known = [_described(pid) for pid in sorted(pid for pid in pids if pid is not None)]
    return " and ".join(known) or "an unknown process (another user's)"


def _described(pid: int) -> str:
    try:
        return f"process {pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return f"process {pid}"
