"""One whole capacity search over real sockets: `twinload run`, as a process, on two servers whose capacity is known.

Time limits the servers, not CPU (`bench-target --pace`). twinload knows nothing of them but their addresses; what it
found is read from its run folder by the product's own analysis.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.capacity import Capacity, CapacityRatio, block_capacities, capacity_of, capacity_ratio
from analysis.run import read_run
from benchmarks.sending.target import BINARY, ROOT
from benchmarks.truth import targets
from records.run_folder import RunReader

ENDPOINT = "known"
_LATEST_S = 480.0  # beyond its time limit, on a busy machine: for start, the first pair and the report


@dataclass(frozen=True, slots=True)
class Known:
    """A server of known capacity: its pace for `bench-target`, the SLO, and the truth, all by its speed (1: usual).

    `truth_rps` is NaN where there is none but that of a ratio.
    """

    limit_ms: float
    pace: Callable[[float], str]
    truth_rps: Callable[[float], float]
    arrivals: str = "constant"


KNOWN: dict[str, Known] = {
    "D/D/1": Known(50, lambda x: f"rate={1_000 * x}", lambda x: 1_000 * x),
    "c servers": Known(50, lambda x: f"rate={1_000 * x},servers=8", lambda x: 1_000 * x),
    "M/M/1": Known(
        40, lambda x: f"rate={1_200 * x},service=exponential",
        lambda x: targets.exponential(1_200 * x, 40).capacity_rps, "poisson",
    ),
    "M/M/4": Known(
        40, lambda x: f"rate={1_200 * x},service=exponential,servers=4",
        lambda x: targets.exponential_servers(1_200 * x, 4, 40).capacity_rps, "poisson",
    ),
    "stall": Known(
        25, lambda x: f"rate={1_000 * x},stall-ms=30,stall-every-s=2",
        lambda x: targets.stalling(1_000 * x, 25, stall_s=0.03, every_s=2.0).capacity_rps, "poisson",
    ),
    "limit falls": Known(50, lambda x: f"rate={1_000 * x},falls-to=0.8", lambda x: 1_000 * x),
    "slow drift": Known(50, lambda x: f"rate={1_000 * x},lost-an-hour=0.2", lambda _: float("nan")),
    "fails above": Known(50, lambda x: f"rate={1_600 * x},limit={700 * x},above=fail", lambda x: 700 * x),
    "wrong above": Known(50, lambda x: f"rate={1_600 * x},limit={900 * x},above=wrong", lambda x: 900 * x),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setup:
    """How a run is made: the servers' core and the generator's, seed, times, and a folder for all it leaves."""

    folder: Path
    seed: int
    time_limit_s: float
    ratio_width: float = 0.05
    trial_s: int = 2
    server_core: int = 0
    generator_core: int = 1
    binary: Path = BINARY


@dataclass(frozen=True, slots=True)
class Blind:
    """What twinload found without knowing the truth; None where it found nothing."""

    baseline: Capacity | None
    candidate: Capacity | None
    ratio: CapacityRatio | None
    trials: int
    invalid: int
    ended: str


def find(known: Known, factor: float, setup: Setup) -> Blind:
    """Start a baseline and a candidate that is `factor` times as fast, let twinload search, and read what it found.

    Raises: RuntimeError with the end of what twinload printed when it did not end with 0.
    """
    setup.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        addresses = [
            stack.enter_context(_server(f"{known.pace(speed)},seed={2 * setup.seed + place}", setup))
            for place, speed in enumerate((1.0, factor))
        ]
        plan = setup.folder / "twinload.toml"
        plan.write_text(plan_text(known, addresses, setup), encoding="utf-8")
        argv = [sys.executable, "-m", "twinload.cli", "run", "--plan", str(plan), "--runs", str(setup.folder / "runs")]
        told = subprocess.run(
            [*argv, "--no-gate"], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            timeout=setup.time_limit_s + _LATEST_S, check=False,
        )  # fmt: skip
    if told.returncode:
        raise RuntimeError(f"twinload ended with {told.returncode}:\n{told.stdout[-2000:]}\n{told.stderr[-4000:]}")
    return found_in(setup.folder / "runs" / "latest")


def found_in(folder: Path) -> Blind:
    """Read what a run found."""
    run = read_run(RunReader(folder))
    blocks = block_capacities(run.trials, run.plan)
    baseline, candidate = (capacity_of(blocks, twin, ENDPOINT, run.plan) for twin in run.twins)
    ended = [event.text for event in run.events if event.kind == "search"]
    return Blind(
        baseline, candidate, capacity_ratio(blocks, ENDPOINT, run.plan), len(run.trials),
        sum(not trial.valid for trial in run.trials), ended[-1] if ended else "",
    )  # fmt: skip


@contextmanager
def _server(pace: str, setup: Setup) -> Iterator[str]:
    """Start a server; yield its address."""
    argv = [str(setup.binary), "--port", "0", "--pace", pace]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            os.sched_setaffinity(process.pid, {setup.server_core})
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def plan_text(known: Known, addresses: list[str], setup: Setup) -> str:
    """Return a plan of two external twins that nobody watches; a late generator does not spoil a trial at once.

    No failure ends a run: above their limits these servers fail as they should.
    """
    twins = "\n".join(
        f'[twins.{name}]\nstart = "external"\ncpu_set = [{setup.server_core}]\n'
        f'instances = [{{ name = "{name}-1", address = "{address}", serves = ["{ENDPOINT}"] }}]'
        for name, address in zip(("baseline", "candidate"), addresses, strict=True)
    )
    return f"""schema = 1
label = "truth"
{twins}
[watch]
external = "none"
[pool]
users = 500
folder = "{setup.folder / "pool"}"
ledgers = false
[[workload]]
name = "{ENDPOINT}"
path = "/{{user_id}}"
hot = true
expect = {{ status = 200, headers = {{ content-type = "application/json" }} }}
[swarm]
cpu_set = [{setup.generator_core}]
[engine]
arrivals = "{known.arrivals}"
connections = 400
check_ratio = 0.0
send_lag_p99_ms = {known.limit_ms / 4}
[stages]
kind = "probe"
probe_s = 2
warmup_s = 1
measure_s = 2
fractions = [0.3]
[slo]
p99_ms = {known.limit_ms}
[search]
mode = "capacity"
seed = {setup.seed}
trial_s = {setup.trial_s}
ratio_width = {setup.ratio_width}
time_limit_s = {float(setup.time_limit_s)}
[verdict]
ask = ["capacity"]
[safety]
stop_when = []
"""
