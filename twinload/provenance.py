"""Where a run comes from: versions, commit, host: read once, before the first request."""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from records.manifest import HostFacts
from twinload.preflight import HostLimits

_PACKAGES = ("twinload", "locust", "gevent", "geventhttpclient", "numpy", "scipy", "faker", "psutil", "matplotlib")


def host_facts(limits: HostLimits) -> HostFacts:
    """Describe this machine."""
    return HostFacts(
        hostname=socket.gethostname(),
        kernel=f"{platform.system()} {platform.release()}",
        cpu_model=_cpu_model(),
        cpus=len(limits.cpus),
        memory_bytes=psutil.virtual_memory().total,
        descriptors=limits.descriptors,
        ephemeral_ports=limits.ephemeral_ports,
        load_1m=psutil.getloadavg()[0],
    )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a figure may depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def commit(root: Path) -> tuple[str | None, bool | None]:
    """Return the commit of the checkout and whether it was changed since; (None, None) outside one."""
    git = shutil.which("git")
    if git is None:
        return None, None
    head = _git(git, root, "rev-parse", "HEAD")
    changes = _git(git, root, "status", "--porcelain", "--untracked-files=no")
    return (head, None if changes is None else bool(changes)) if head else (None, None)


def _git(git: str, root: Path, *words: str) -> str | None:
    done = subprocess.run([git, "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
