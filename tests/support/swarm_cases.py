"""What the swarm's tests share: plans, stages, counting servers, and a project folder that Locust runs in."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from records.plan import Plan
from records.plan_file import check_plan
from records.run_folder import RunReader
from records.stage import Stage

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "tests" / "swarm" / "counting_server.py"

PLAN = """
schema = 1
label = "tiny"
[pool]
users = 300
folder = "pool"
ledgers = false
[twins.one]
start = "external"
[[twins.one.instances]]
name = "one-1"
address = "127.0.0.1:{one}"
serves = ["front", "back"]
[twins.two]
start = "external"
[[twins.two.instances]]
name = "two-1"
address = "127.0.0.1:{two}"
serves = ["front", "back"]
[[workload]]
name = "front"
path = "/front/{{user_id}}?tier={{tier}}"
weight = 3.0
hot = true
expect = {{ status = 200, headers = {{ content-type = "application/json" }} }}
[[workload]]
name = "back"
path = "/back/{{user_id}}"
[swarm]
sender = "fasthttp"
seats = 20
spawn_rate = 100000.0
timeout_s = 5.0
[stages]
kind = "steps"
rates_rps = [50.0, 100.0]
warmup_s = 1
measure_s = 1
[search]
pairs = 1
time_limit_s = 60.0
"""


def make_plan(**sections: dict[str, Any]) -> Plan:
    """Return a plan of two external twins with hot entries `front` and `back`; sections override it."""
    tree: dict[str, Any] = {
        "schema": 1,
        "twins": {"one": _twin(18001), "two": _twin(18002)},
        "workload": [{"name": n, "path": f"/{n}/{{user_id}}", "hot": True} for n in ("front", "back")],
        "swarm": {"sender": "fasthttp", "spawn_rate": 100_000.0},
    }
    for name, values in sections.items():
        tree[name] = {**tree.get(name, {}), **values}
    return check_plan(tree, "test")


def _twin(port: int) -> dict[str, Any]:
    instance = {"name": f"i{port}", "address": f"127.0.0.1:{port}", "serves": ["front", "back"]}
    return {"start": "external", "instances": [instance]}


def make_stage(number: int = 0, rate_rps: float | None = 100.0, **fields: Any) -> Stage:
    """Return a stage of 1 + 2 s on twin `one`, endpoint `front`."""
    values: dict[str, Any] = {
        "id": number, "name": f"s{number}", "kind": "probe" if rate_rps is None else "measure", "twin": "one",
        "endpoint": "front", "pair": 0, "block": 0, "rate_rps": rate_rps, "warmup_s": 1, "measure_s": 2,
    }  # fmt: skip
    return Stage(**{**values, **fields})


@dataclass(slots=True)
class Target:
    """A counting server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def count(self) -> int:
        """Return how many requests it has answered, this one apart."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            client.request("GET", "/count")
            return int(client.getresponse().read())
        finally:
            client.close()

    def end(self) -> None:
        """End the server."""
        self.process.kill()
        self.process.communicate()


@dataclass(slots=True)
class Project:
    """A folder with a plan and a pool, in which Locust is started."""

    folder: Path
    one: Target
    two: Target
    locustfile: Path = ROOT / "locustfile.py"
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def plan_file(self) -> Path:
        return self.folder / "twinload.toml"

    def edit(self, old: str, new: str) -> None:
        """Change the plan."""
        text = self.plan_file.read_text()
        assert old in text
        self.plan_file.write_text(text.replace(old, new))

    def start(self, *options: str, **popen: Any) -> subprocess.Popen[str]:
        """Start Locust with the real locustfile; output goes to `locust.log`."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST", "TWINLOAD"))}
        environ |= {"PYTHONPATH": str(ROOT), **popen.pop("env", {})}
        child = subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", str(self.locustfile), *options], cwd=self.folder, env=environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen,
        )  # fmt: skip
        self.children.append(child)
        return child

    def run(self, *options: str, timeout_s: float = 180.0, **popen: Any) -> tuple[int, str, str]:
        """Start Locust, wait for its end, and return exit code, stdout and stderr."""
        child = self.start(*options, **popen)
        out, err = child.communicate(timeout=timeout_s)
        return child.returncode, out, err

    def reader(self) -> RunReader:
        """Return the newest run."""
        return RunReader(self.folder / "runs" / "latest")


def start_target(answer_ms: float = 0.0) -> Target:
    """Start a counting server; the caller ends it."""
    process = subprocess.Popen([sys.executable, str(SERVER), str(answer_ms)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Target(process, int(process.stdout.readline()))


@contextmanager
def open_project(folder: Path, pool: Path) -> Iterator[Project]:
    """Make a project with a copy of a pool against two quick counting servers; all its processes end with it."""
    project = Project(folder, start_target(), start_target())
    try:
        project.plan_file.write_text(PLAN.format(one=project.one.port, two=project.two.port))
        shutil.copytree(pool, folder / "pool")
        yield project
    finally:
        for child in project.children:
            if child.poll() is None:
                child.kill()
            child.communicate()
        for target in (project.one, project.two):
            target.end()
