"""One trial: a fault befalls the candidate of a gateway in mode canary, at one share, under load.

baseline, candidate, gateway and callers start; when the candidate has answered well for a while it is struck; the
callers go on until it has been sent nothing for a second, or it was given up waiting for that.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.faults.callers import Callers
from benchmarks.faults.candidate import ROOT, Candidate, Fault, running_candidate, running_program
from clusters.ports import free_ports
from records.instance import Instance
from records.plan import Plan
from records.plan_file import check_plan
from twinload.gateway import Admin, Gateway

USERS: Final = tuple(f"u{number:04d}" for number in range(2_000))
BINARY: Final = ROOT / ".twinload" / "bin" / "gateway"
_WARM_S: Final = 2.0
_WARM_REQUESTS: Final = 20
_WARM_WITHIN_S: Final = 60.0
_QUIET_S: Final = 1.0
_WATCHED_S: Final = 8.0
"""How long a fault may take to be answered; shorter than the breaker stays open."""
_LOOK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    `fallback_ms`: from the fault to the last request of a caller that the candidate was sent, None when they did not
    end. `failed`: reads that callers did not get; `how` counts all ends of reads and `unsafe` those of writes.
    `twice`: writes that came more than once. `reason`: why the breaker opened, None when it did not.
    """

    fault: str
    share: float
    fallback_ms: float | None
    requests: int
    failed: int
    how: Counter[str]
    unsafe: Counter[str]
    twice: int
    reason: str | None
    to_candidate: int


class OpenedEarly(Exception):  # noqa: N818  it is no error of ours, and told as what happened
    """The breaker opened before the candidate was struck: on a machine that is too busy it was slow all the same."""


def plan_of(baseline: str, candidate: str) -> Plan:
    """Return a plan of two such services, with the gateway's own values for all that is not said here.

    Nothing of the baseline's users is copied: all that the candidate is sent while the breaker is closed is callers'.
    """
    entries = [
        {"name": "balance", "path": "/v1/users/{user_id}/balance", "weight": 95.0, "hot": True},
        {"name": "recharge", "method": "POST", "path": "/v1/users/{user_id}/recharges", "weight": 5.0, "body": "{}"},
    ]

    def twin(name: str, address: str) -> dict[str, Any]:
        one = {"name": f"{name}-1", "address": address, "serves": ["balance", "recharge"]}
        return {"start": "external", "ready": "/readyz", "instances": [one]}

    listen, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    tree = {
        "schema": 1, "label": "faults", "workload": entries,
        "twins": {"baseline": twin("baseline", baseline), "candidate": twin("candidate", candidate)},
        "shadow": {"gateway": {
            "command": [str(BINARY), "--config", "{config}"], "listen": listen, "admin": admin,
        }},
        "canary": {"shadow_share": 0.0},
    }  # fmt: skip
    return check_plan(tree, "the plan of the faults")


def instances_of(plan: Plan) -> tuple[Instance, ...]:
    """Return the instances as they run."""
    return tuple(
        Instance(one.name, "target", twin=name, address=one.address, serves=tuple(one.serves))
        for name, twin in plan.twins.items()
        for one in twin.instances
    )


@contextmanager
def running_gateway(plan: Plan, folder: Path, share: float) -> Iterator[Admin]:
    """Start the gateway in mode canary at a share; yield its admin interface."""
    with Gateway(plan, instances_of(plan), folder, mode="canary") as gateway:
        gateway.wait_ready()
        gateway.admin.canary(share)
        yield gateway.admin


def run_trial(fault: Fault, share: float, rate_rps: float, folder: Path, *, seed: int = 1) -> Outcome:
    """Let a fault befall a candidate; everything is started for it and ended after it.

    Raises: RuntimeError when the candidate is not asked within a minute, OpenedEarly when it is left before its fault.
    """
    base = [f"--board={folder / 'baseline'}", f"--writes={folder / 'baseline-writes'}"]
    with running_program("service", base) as (_, baseline), running_candidate(fault, folder) as candidate:
        plan = plan_of(baseline, candidate.address)
        with running_gateway(plan, folder, share) as admin:
            callers = Callers(plan.shadow.gateway.listen, USERS, rate_rps, seed)
            callers.start()
            try:
                _warm(admin)
                last_ns, struck_ns = _watch(fault, candidate, admin)
                breaker = admin.status()["canary"]["breaker"]
            finally:
                callers.stop()
            to_candidate = _asked(admin.status())
    return Outcome(
        fault.name, share, None if last_ns is None else max(last_ns - struck_ns, 0) / 1e6, callers.safe.total(),
        callers.failed, callers.safe, callers.unsafe, _twice(folder), breaker["reason"], to_candidate,
    )  # fmt: skip


def _asked(status: dict[str, Any]) -> int:
    """Return how many requests of callers the gateway has sent, or tried to send, to the candidate."""
    return sum(route["candidate"]["requests"] for route in status["canary"]["routes"].values())


def _warm(admin: Admin) -> None:
    begin_s = time.monotonic()
    while time.monotonic() < begin_s + _WARM_WITHIN_S:
        time.sleep(0.05)
        status = admin.status()
        if status["canary"]["breaker"]["state"] != "closed":
            raise OpenedEarly(status["canary"]["breaker"]["reason"])
        if time.monotonic() > begin_s + _WARM_S and _asked(status) >= _WARM_REQUESTS:
            return
    raise RuntimeError(f"the candidate was asked {_asked(admin.status())} times in {_WARM_WITHIN_S:g} s")


def _watch(fault: Fault, candidate: Candidate, admin: Admin) -> tuple[int | None, int]:
    """Strike; return when the candidate was sent the last request, None when that went on, and when it was struck.

    What only the gateway knows is asked of it every 10 ms, and dated when it was seen.
    """
    known = _asked(admin.status())
    last_ns = struck_ns = fault.strike(candidate)
    while (now_ns := time.monotonic_ns()) < struck_ns + _WATCHED_S * 1e9:
        status = admin.status()
        if candidate.sent is not None:
            last_ns = max(candidate.sent.seen()[1], struck_ns)
        elif (asked := _asked(status)) > known:
            known, last_ns = asked, time.monotonic_ns()
        is_open = status["canary"]["breaker"]["state"] != "closed"
        if is_open and now_ns - last_ns > _QUIET_S * 1e9:
            return last_ns, struck_ns
        time.sleep(_LOOK_S)
    return None, struck_ns


def _twice(folder: Path) -> int:
    """Return how many writes came more than once, at either side."""
    files = (folder / "baseline-writes", folder / "candidate-writes")
    came = Counter(line for file in files if file.exists() for line in file.read_text(encoding="ascii").splitlines())
    return sum(1 for count in came.values() if count > 1)
