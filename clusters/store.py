"""The store of a run: the distribution's redis-server, started before the instances that share it.

On a free loopback port, in memory alone, in a folder of its own, on the twins' cores. It is a child as the instances
are: recorded before it is waited for, killed with its owner whatever happens, its death told as theirs.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from clusters.child import Child, Program
from clusters.command import INHERITED, LOGS, MARK, split_address
from clusters.errors import NotReady, StoreMissing
from clusters.ready import log_text
from clusters.record import FOLDER, Entry
from records.instance import Instance
from records.plan import Plan

NAME: Final = "store"
PROGRAM: Final = "redis-server"
READY_WITHIN_S: Final = 20.0
_STEP_S: Final = 0.02


def recorded_store(entries: Sequence[Entry]) -> Entry | None:
    """Return the store among what is recorded."""
    return next((entry for entry in entries if entry.instance.role == NAME), None)


def faults_of_store(plan: Plan) -> tuple[StoreMissing, ...]:
    """Return what speaks against starting a plan's store."""
    if not plan.store.is_started or shutil.which(PROGRAM) is not None:
        return ()
    remedy = "`apt-get install redis-server`, or give store.redis the address of one that runs"
    return (StoreMissing(f"store.start: {PROGRAM} is not found in PATH; {remedy}"),)


def store_program(plan: Plan, folder: Path, address: str, mark: str) -> tuple[Instance, Program]:
    """Return what the store is and what it runs; makes its folder."""
    path = shutil.which(PROGRAM) or PROGRAM
    own = folder / FOLDER / NAME
    own.mkdir(parents=True, exist_ok=True)
    log = f"{LOGS}/{NAME}.log"
    cores = tuple(sorted({core for twin in plan.twins.values() for core in twin.cpu_set}))
    memory_bytes = plan.store.memory_mib << 20
    argv = (
        PROGRAM, "--port", str(split_address(address)[1]), "--bind", "127.0.0.1", "--protected-mode", "yes",
        "--save", "", "--appendonly", "no", "--dir", str(own), "--maxmemory", str(memory_bytes),
        "--maxmemory-policy", "noeviction", "--daemonize", "no", "--set-proc-title", "no",
    )  # fmt: skip
    instance = Instance(NAME, NAME, address=address, cpu_set=cores, memory_limit_bytes=memory_bytes, log=log)
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return instance, Program(path, argv, {**env, MARK: mark}, own, cores, folder / log)


def wait_store(child: Child, instance: Instance, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
    """Come back when the store answers.

    Raises: NotReady when it ended, or did not answer in time.
    """
    end = clock() + READY_WITHIN_S
    while not _answers(instance.address or ""):
        ended = child.poll()
        if ended is not None or clock() > end:
            how = f"{ended} before it was ready" if ended is not None else f"did not answer in {READY_WITHIN_S:g} s"
            log = folder / instance.log if instance.log else None
            raise NotReady(f"{NAME} {how}{log_text(log)}")
        time.sleep(_STEP_S)


def _answers(address: str) -> bool:
    try:
        with socket.create_connection(split_address(address), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
