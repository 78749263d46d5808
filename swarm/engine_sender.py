"""Starts the engine's schedules: the one place where the extension meets the swarm.

The pool's columns are handed to the engine once a run; a sweep only brings other weights. The extension makes no thread
before a schedule starts.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import twinload_engine

from records.plan import Plan
from swarm.engine_plan import EngineSchedule, encode
from swarm.native_station import Running, Weights
from swarm.targets import SwarmError


class EngineSender:
    """Starts schedules for the users of one pool.

    Args:
        columns: the pool's columns.
        plan: its workload names the columns that the engine needs.
        users: how many there are.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]], plan: Plan, users: int) -> None:
        named = {column for entry in plan.workload for column in entry.columns}
        known = {name: columns[name] for name in sorted(named & set(columns))}
        self._pool = twinload_engine.Pool(known, [0] * users)
        self._weights: Weights = np.zeros(users, dtype=np.int64)

    def start(self, schedule: EngineSchedule, weights: Weights, start_ns: int, from_ns: int | None) -> Running:
        """Start a schedule; ValueError or OSError when it cannot be."""
        if not np.array_equal(weights, self._weights):
            self._pool = self._pool.reweighted(weights.tolist())
            self._weights = weights
        return twinload_engine.Schedule(encode(schedule), self._pool, start_ns, from_ns)


def numeric_address(host: str, port: int) -> str:
    """Return an address as the engine takes it: numbers alone.

    Raises: SwarmError when the name is not known.
    """
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise SwarmError(f"{host}:{port}: the name is not known ({error}); give an address that is") from None
    return f"[{where[0]}]:{port}" if family == socket.AF_INET6 else f"{where[0]}:{port}"


def file_text(name: str) -> str:
    """Return the text of a file that the plan names; SwarmError when it cannot be read."""
    try:
        return Path(name).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise SwarmError(f"{name}: cannot be read as PEM ({error}); name a file that can") from None
