"""The manifest of a run by hand: what is known before its first request."""

from __future__ import annotations

import os
import platform
import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from records.clock import Clock
from records.instance import Instance
from records.manifest import SCHEMA, HostFacts, Manifest, PoolFacts
from records.plan_file import plan_digest, plan_tree
from swarm.options import Choice
from userpool.reading import Pool

_VERSIONS = ("twinload", "locust", "gevent", "geventhttpclient", "numpy")


def run_id(label: str, clock: Clock) -> str:
    """Return the name of a run's folder: when and what."""
    moment = clock.utc(clock.mono_ns)[:19].replace(":", "").replace("-", "")
    return f"{moment}Z-{label}"


def manifest(
    choice: Choice, pool: Pool, instances: Sequence[Instance], *, label: str, seats: int, clock: Clock
) -> Manifest:
    """Return the manifest; what a run by hand does not know (binaries, gate) is left empty."""
    commit = _git(choice.root, "rev-parse", "HEAD")
    changes = _git(choice.root, "status", "--porcelain")
    return Manifest(
        schema=SCHEMA, run_id=run_id(label, clock), label=label, utc=clock.utc(clock.mono_ns), mono_ns=clock.mono_ns,
        wall_ns=clock.wall_ns, argv=tuple(sys.argv), commit=commit, dirty=None if changes is None else bool(changes),
        versions={"python": platform.python_version(), **{name: version(name) for name in _VERSIONS}}, binaries={},
        host=_host(), plan=plan_tree(choice.plan), plan_digest=plan_digest(choice.plan),
        pool=PoolFacts(len(pool), pool.record.recipe.seed, pool.record.entries, pool.digest, pool.record.imported),
        gate=None, instances=tuple(instances), seats=seats, sender=choice.plan.swarm.sender,
        limits={"time_limit_s": choice.plan.search.time_limit_s},
    )  # fmt: skip


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _host() -> HostFacts:
    return HostFacts(
        hostname=socket.gethostname(), kernel=platform.release(), cpu_model=_cpu_model(), cpus=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total, descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        ephemeral_ports=_ephemeral_ports(), load_1m=os.getloadavg()[0],
    )  # fmt: skip


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _ephemeral_ports() -> int:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return 0
    return int(high) - int(low) + 1
