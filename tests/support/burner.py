"""Containers with load of known size, on a real engine: for tests of the watch."""

from __future__ import annotations

import io
import os
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from clusters.engine import Engine, connect
from clusters.errors import ClusterError
from records.instance import Instance

SOURCE = Path(__file__).parent / "burn" / "main.go"
DOCKERFILE = b'FROM scratch\nCOPY burn /burn\nENTRYPOINT ["/burn"]\n'


@dataclass
class Burner:
    """Starts containers of the image `burn`, and removes them."""

    engine: Engine
    image: str
    started: list[Container] = field(default_factory=list)

    def start(self, *words: str, **options: Any) -> Container:
        """Start a container with arguments of burn and options of the engine's; by default in the host's network."""
        host = {} if {"network", "network_mode"} & options.keys() else {"network_mode": "host"}
        container = self.engine.client.containers.create(
            self.image, list(words), environment={"GOMAXPROCS": "1"}, **{**host, **options}
        )
        self.started.append(container)
        container.start()
        container.reload()
        return container

    def instance(self, name: str, container: Container, **known: Any) -> Instance:
        """Return a container as a watched instance."""
        return Instance(
            name, "target", twin="go", watch="container", container=container.id,
            pid=container.attrs["State"]["Pid"] or None, **known,
        )  # fmt: skip

    def remove(self) -> None:
        """Remove all containers, running or not."""
        for container in self.started:
            container.remove(force=True, v=True)
        self.started.clear()


@contextmanager
def burner_or_skip(folder: Path) -> Iterator[Burner]:
    """Build the program and its image; skip with the reason without an engine or Go."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("needs Go, to build load of known size")
    try:
        engine = connect()
    except ClusterError as fault:
        pytest.skip(f"needs a Docker engine: {fault}")
    if not engine.local:
        pytest.skip(f"needs an engine on this machine, not one at {engine.where}")
    binary = folder / "burn"
    subprocess.run(
        [go, "build", "-trimpath", "-o", str(binary), str(SOURCE)],
        check=True, cwd=folder, env={**os.environ, "CGO_ENABLED": "0"},
    )  # fmt: skip
    image = f"burn-{secrets.token_hex(4)}:local"
    engine.client.images.build(fileobj=_context(binary), custom_context=True, tag=image, rm=True)
    burner = Burner(engine, image)
    try:
        yield burner
    finally:
        burner.remove()
        engine.client.images.remove(image, force=True)
        engine.close()


def _context(binary: Path) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(binary, "burn")
        dockerfile = tarfile.TarInfo("Dockerfile")
        dockerfile.size = len(DOCKERFILE)
        archive.addfile(dockerfile, io.BytesIO(DOCKERFILE))
    packed.seek(0)
    return packed
