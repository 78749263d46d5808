"""A real Docker engine for the tests that need one, and a small image for them, built without a hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound

from clusters.compose import find_compose
from clusters.engine import connect
from clusters.errors import ClusterError
from clusters.ports import free_ports
from records.plan import Plan
from records.plan_compose import image_of
from records.plan_file import check_plan

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".twinload" / "bin" / "wallet-go"  # static: it runs in an image from scratch
PROGRAM = f"wallet-test-{os.getpid()}"  # of this process alone: its image is of this build, whoever tests beside


@contextmanager
def engine_or_skip() -> Iterator[DockerClient]:
    """Yield a client of the engine that DOCKER_HOST names; skip with the reason when there is none or no compose.

    The image that tests made is removed before and after.
    """
    try:
        find_compose()
        engine = connect()
    except ClusterError as fault:
        pytest.skip(f"needs a Docker engine and compose: {fault}")
    if not BUILT.exists():
        pytest.skip("needs the Go twin: `make setup` builds it")
    try:
        _remove_image(engine.client)
        yield engine.client
        _remove_image(engine.client)
    finally:
        engine.close()


def _remove_image(client: DockerClient) -> None:
    with suppress(ImageNotFound):
        client.images.remove(image_of(PROGRAM), force=True)


def make_folder(folder: Path) -> Path:
    """Put a small pool, the program and its Dockerfiles into a folder, and return it."""
    (folder / "image").mkdir(parents=True)
    shutil.copy(BUILT, folder / "image" / PROGRAM)
    lines = ["FROM scratch", f"COPY image/{PROGRAM} /{PROGRAM}", f'ENTRYPOINT ["/{PROGRAM}"]', ""]
    dockerfile = os.environ.get("TWIN_DOCKERFILE") or "Dockerfile"  # a person's shell may name another for the twins
    (folder / "image" / dockerfile).write_text("\n".join(lines), encoding="utf-8")
    words = ["pool", "--plan", str(ROOT / "twinload.toml"), "--users", "20", "--out", str(folder / "pool")]
    subprocess.run([sys.executable, "-m", "twinload.cli", *words], check=True, capture_output=True, cwd=ROOT)
    return folder


@dataclass(frozen=True, slots=True)
class Case:
    """A plan of two twins with an instance each, in a folder of its own, and its project's containers."""

    plan: Plan
    tree: dict[str, Any]
    folder: Path
    client: DockerClient

    def write_plan(self, **sections: Any) -> Path:
        """Write the plan, with further sections, into its folder as a file, and return it."""
        path = self.folder / f"{self.plan.compose.project}.toml"
        text = "".join(f"{key} = {_toml(value)}\n" for key, value in (self.tree | sections).items())
        path.write_text(text, encoding="utf-8")
        return path

    def containers(self) -> list[Any]:
        """Return what there is of the project, ended ones too."""
        label = f"twinload.project={self.plan.compose.project}"
        return list(self.client.containers.list(all=True, filters={"label": label}, ignore_removed=True))


def make_case(client: DockerClient, folder: Path, name: str, **twin: Any) -> Case:
    """Return a plan for the folder of `make_folder`; `twin` overrides keys of both twins."""
    core = min(os.sched_getaffinity(0))
    ports = free_ports(2)

    def one(name: str, port: int) -> dict[str, Any]:
        return {
            "start": "compose",
            "command": [f"bin/{PROGRAM}", "--listen", "{address}", "--data", "{pool}", "--name", "{name}"],
            "env": {"GOMAXPROCS": "1"},
            "cpu_set": [core],
            "cpus": 1.0,
            "memory": "64MiB",
            "ready": "/readyz",
            "ready_timeout_s": 20.0,
            "metrics": "/metrics",
            "instances": [{"name": name, "address": f"127.0.0.1:{port}", "serves": ["balance"]}],
            **twin,
        }

    tree = {
        "schema": 1,
        "pool": {"folder": "pool"},
        "twins": {"go": one("go-1", ports[0]), "rust": one("rust-1", ports[1])},
        "workload": [{"name": "balance", "path": "/v1/users/{user_id}/balance", "hot": True}],
        "compose": {"project": name, "images": {PROGRAM: "image"}, "check": ["--check", "{url}"]},
    }
    return Case(check_plan(tree, "test"), tree, folder, client)


def _toml(value: Any) -> str:
    """Return a value in TOML, tables in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
