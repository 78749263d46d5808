"""The Docker engine: is one there, may it be used, is it new enough, and does its kernel offer what the plan limits?

`DOCKER_HOST` says where, as for every Docker program; without it, this machine's usual socket. Contexts of the docker
program are not read.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import docker
import requests
from docker.errors import DockerException

from clusters.command import Launch
from clusters.errors import ClusterError, EngineDenied, EngineMissing, EngineTooOld, LimitMissing

USUAL: Final = "unix:///var/run/docker.sock"
LEAST_API: Final = (1, 41)  # engine 20.10: the first that knows cgroup v2
_ANSWER_S: Final = 60
_START = "start one (dockerd, or Docker Desktop), or set DOCKER_HOST to where one answers"


@dataclass(frozen=True, slots=True)
class Engine:
    """A connection to an engine and what it said of itself; `local` when it is asked through a socket of this host."""

    client: docker.DockerClient
    where: str
    local: bool

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def connect(environ: Mapping[str, str] = os.environ) -> Engine:
    """Return a connection to the engine that the environment names.

    Raises: EngineMissing, EngineDenied, EngineTooOld.
    """
    where = environ.get("DOCKER_HOST") or USUAL
    local = where.startswith("unix://")
    if local:
        _knock(Path(where.removeprefix("unix://")), where)
    try:
        client = docker.DockerClient.from_env(
            environment=dict(environ), timeout=_ANSWER_S, use_ssh_client=where.startswith("ssh://")
        )
        version = client.version()
    except (DockerException, requests.RequestException, OSError) as error:
        raise EngineMissing(f"no Docker engine answers at {where}: {_reason(error)}; {_START}") from error
    api = str(version["ApiVersion"])
    if tuple(int(part) for part in api.split(".")) < LEAST_API:
        least = ".".join(map(str, LEAST_API))
        client.close()
        raise EngineTooOld(
            f"the Docker engine at {where} is {version.get('Version')} (API {api}): "
            f"install 20.10 (API {least}) or newer"
        )
    return Engine(client, where, local)


def _knock(path: Path, where: str) -> None:
    """Connect once to a socket: the system's own error tells a missing engine from a missing permission."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_ANSWER_S)
            probe.connect(str(path))
    except PermissionError:
        raise EngineDenied(
            f"no permission to use the Docker engine at {where}: "
            "join the group that owns the socket (usually docker) and log in again, or run as its owner"
        ) from None
    except OSError as error:
        raise EngineMissing(f"no Docker engine at {where}: {error.strerror or error}; {_START}") from None


def limits_missing(info: Mapping[str, Any], launches: Sequence[Launch]) -> Iterator[ClusterError]:
    """Yield every limit of these containers that the engine says its kernel does not offer.

    Args:
        info: what the engine answers to `docker info`.
        launches: containers about to be started.
    """
    asked = {
        "MemoryLimit": ("memory", "memory", any(one.instance.memory_limit_bytes is not None for one in launches)),
        "CpuCfsQuota": ("cpus", "cpu", any(one.instance.cpus is not None for one in launches)),
        "CPUSet": ("cpu_set", "cpuset", any(one.instance.cpu_set for one in launches)),
        "PidsLimit": ("compose.pids", "pids", True),
    }
    for key, (name, controller, wanted) in asked.items():
        if wanted and info.get(key) is False:
            yield LimitMissing(
                f"the kernel under the Docker engine offers no limit for {name}: enable its cgroup controller "
                f"{controller}; without it the twins are not held to equal limits"
            )


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text or type(error).__name__
