"""Where a run comes from: host, versions, commit of the suite: read once for the manifest, before the first request."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from records.manifest import HostFacts

_PACKAGES = ("twinload", "locust", "gevent", "geventhttpclient", "numpy", "scipy", "faker", "psutil", "matplotlib")
_GIT_TIMEOUT_S = 10.0


def host_facts() -> HostFacts:
    """Describe this machine: all its cores, also those that this process may not use, and this process's own limits."""
    return HostFacts(
        hostname=socket.gethostname(),
        kernel=f"{platform.system()} {platform.release()}",
        cpu_model=_cpu_model(),
        cpus=os.cpu_count() or 1,
        memory_bytes=memory_bytes(),
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        ephemeral_ports=_ephemeral_ports(),
        load_1m=psutil.getloadavg()[0],
    )


def memory_bytes() -> int:
    """Return this machine's memory."""
    return int(psutil.virtual_memory().total)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a figure may depend on; those not installed are absent."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit(source: Path = Path(__file__)) -> tuple[str | None, bool | None]:
    """Return the commit of the checkout that a source file belongs to, and whether tracked files were changed since.

    (None, None) without git, and for a file that no checkout tracks: a package installed below someone's repository
    does not come from that repository's commit.
    """
    git = shutil.which("git")
    if git is None or _ask(git, source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None, None
    head = _ask(git, source.parent, "rev-parse", "HEAD")
    changes = _ask(git, source.parent, "status", "--porcelain", "--untracked-files=no")
    return (head, None if changes is None else bool(changes)) if head else (None, None)


def _ask(git: str, folder: Path, *words: str) -> str | None:
    command = [git, "--no-optional-locks", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "unknown"


def _ephemeral_ports() -> int | None:
    try:
        low, high = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(high) - int(low) + 1
