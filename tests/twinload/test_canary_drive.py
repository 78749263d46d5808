"""Driving a gray release with a gateway that fails: orders arrive in the end, nothing is decided without figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from records.clock import NS
from records.manifest import HostFacts, Manifest, PoolFacts
from shadow.gateway_events import EventPage, GatewayEvent
from shadow.gray.counts import CanaryStatus
from shadow.gray.judge import Judge, Rules
from shadow.gray.rollout import Decision, Rollout, RolloutRules
from twinload.canary_drive import RESTARTS, Drive
from twinload.canary_folder import EVENTS, POLLS, CanaryWriter, last_poll
from twinload.errors import BadEnvironment, OwnFault
from twinload.gateway import Admin, Gateway, Overtaken


class FakeAdmin:
    """A gateway's admin interface as a record of what it was told; `down` makes every call fail."""

    def __init__(self) -> None:
        self.down = False
        self.is_overtaken = False
        self.refuses_orders = False
        self.seen: int | None = None
        self.mode_now = "shadow"
        self.share = 0.0
        self.latched = False
        self.requests = 0
        self.begun_ns = 1
        self.told: list[tuple[str, Any]] = []
        self.happened: list[GatewayEvent] = []

    def status(self) -> dict[str, Any]:
        if self.down:
            raise BadEnvironment("no gateway answers at 127.0.0.1:9")
        side = {"requests": self.requests, "failed": {}, "fell_back": 0, "caller_failed": 0, "latency": []}
        breaker = {"state": "closed", "opens": 0, "reason": None, "reopens_in_s": None, "probes_ok": 0}
        canary = {
            "share": self.share, "latched": self.latched, "breaker": breaker, "whitelist": 0, "retry_budget": 1.0,
            "unknown_user": 0, "routes": {"r": {"baseline": side, "candidate": side, "compared": {}}},
        }  # fmt: skip
        return {"mode": self.mode_now, "canary": canary}

    def mode(self, name: str) -> dict[str, Any]:
        self.mode_now = name
        return self.status()

    def canary(self, share: float, *, seen: int | None = None) -> dict[str, Any]:
        found = self.status()
        self.seen = seen
        if self.is_overtaken:
            raise Overtaken("all users were taken back after event 0")
        self.share, self.latched = share, False
        self.told.append(("share", share))
        return found

    def operator(self, do: str, why: str = "") -> dict[str, Any]:
        found = self.status()
        if self.refuses_orders:
            raise BadEnvironment("it takes no order")
        self.share, self.latched = 0.0, True
        self.told.append((do, why))
        return found

    def events(self, after: int = 0) -> EventPage:
        self.status()
        return EventPage(
            after, tuple(one for one in self.happened if one.n > after), 1, len(self.happened) + 1, self.begun_ns
        )


class FakeGateway:
    """A gateway process that can be dead."""

    def __init__(self, admin: FakeAdmin) -> None:
        self._admin = admin
        self.ended: str | None = None
        self.log = Path("gateway.log")
        self.started = 0

    def die(self) -> None:
        self.ended = "was killed by SIGKILL"
        self._admin.down = True

    def restart(self) -> None:
        self.ended, self._admin.down = None, False
        self._admin.begun_ns += 1
        self._admin.requests = 0
        self.started += 1


class Screen:
    def show(self, t_s: float, rollout: Rollout, status: CanaryStatus | None) -> None:
        pass

    def decided(self, decision: Decision) -> None:
        pass


class Bench:
    """A drive over fakes, on a clock that a test moves."""

    def __init__(self, folder: Path) -> None:
        host = HostFacts("here", "Linux", "cpu", 2, 1, 1, None, 0.0)
        manifest = Manifest(
            1, "id", "label", "2026-01-01T00:00:00Z", 0, 1_767_225_600 * NS, (), None, None, {}, {}, host, {}, "",
            PoolFacts(0, None, None, "", False), None, (), 1, "native-schedule",
        )  # fmt: skip
        self.folder = folder
        self.admin = FakeAdmin()
        self.gateway = FakeGateway(self.admin)
        self.writer = CanaryWriter(folder, manifest)
        self.now_ns = NS
        judge = Judge(Rules(soak_s=1.0, min_requests=1, failure_margin=0.5))
        self.drive = Drive(
            Rollout(RolloutRules((0.1, 1.0), 1.0, 60.0), judge), cast(Admin, self.admin), self.writer, Screen(),
            cast(Gateway, self.gateway), clock_ns=lambda: self.now_ns,
        )  # fmt: skip

    def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_ns += NS // 2
            self.admin.requests += 50
            self.drive.poll()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / EVENTS).read_text(encoding="utf-8").splitlines()]

    def kinds(self) -> list[tuple[str, str]]:
        return [(one["by"], one["kind"]) for one in self.events()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.drive.begin()
    yield made
    made.writer.close()


def test_it_switches_the_mode_and_orders_the_first_share(bench: Bench) -> None:
    assert bench.admin.mode_now == "canary"
    assert bench.admin.told == [("share", 0.1)]
    assert bench.kinds() == [("controller", "step")]


def test_every_poll_is_a_line_at_once(bench: Bench) -> None:
    bench.poll(2)
    polls = (bench.folder / POLLS).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["t_s"] for line in polls] == [1.0, 1.5, 2.0]
    last = last_poll(bench.folder)
    assert last is not None
    assert last.candidate.requests == 100
    assert last.routes["r"].candidate.requests == 100


def test_it_walks_to_the_end(bench: Bench) -> None:
    for _ in range(100):
        bench.poll()
    assert bench.drive.rollout.outcome == "done"
    assert bench.admin.told == [("share", 0.1), ("share", 1.0)]
    assert bench.drive.reached_share == 1.0


def test_an_order_that_does_not_arrive_is_sent_again(bench: Bench) -> None:
    bench.poll()
    bench.admin.refuses_orders = True
    bench.admin.happened.append(GatewayEvent(1, "", NS, "breaker", {"from": "closed", "to": "open", "reason": "slow"}))
    bench.poll(2)
    assert bench.drive.rollout.outcome == "back"
    assert "takes no order" in bench.drive.unsent
    assert bench.admin.told == [("share", 0.1)]
    bench.admin.refuses_orders = False
    bench.poll()
    assert bench.admin.told[-1] == ("back", "the breaker opened (slow)")
    assert bench.drive.unsent == ""


def test_without_figures_no_line_is_written_and_no_step_taken(bench: Bench) -> None:
    bench.admin.down = True
    bench.poll(20)
    assert len((bench.folder / POLLS).read_text(encoding="utf-8").splitlines()) == 1
    assert bench.kinds() == [("controller", "step"), ("controller", "hold")]
    assert "no gateway answers" in bench.events()[-1]["reasons"][0]


def test_a_gateway_in_another_mode_holds(bench: Bench) -> None:
    bench.admin.mode_now = "off"
    bench.poll()
    assert "the gateway is in mode off, not in canary" in bench.events()[-1]["reasons"][0]


def test_an_order_that_was_overtaken_by_an_operators_back_is_dropped(bench: Bench) -> None:
    bench.poll(20)
    told = len(bench.admin.told)
    bench.admin.is_overtaken = True
    bench.admin.latched, bench.admin.share = True, 0.0
    bench.admin.happened.append(GatewayEvent(1, "", 5 * NS, "operator", {"do": "back", "why": "by hand"}))
    bench.poll()
    assert bench.drive.rollout.outcome in ("back", "done")
    assert len(bench.admin.told) == told


def test_a_dead_gateway_is_started_again_twice_and_then_given_up(bench: Bench) -> None:
    for times in range(1, RESTARTS + 1):
        bench.gateway.die()
        bench.poll(2)
        assert bench.gateway.started == times
        assert bench.drive.rollout.outcome is None
    bench.gateway.die()
    bench.poll()
    assert bench.gateway.started == RESTARTS
    assert isinstance(bench.drive.ended, OwnFault)
    assert bench.drive.rollout.outcome == "stopped"
    said = [one["reasons"][0] for one in bench.events() if one["kind"] == "gateway"]
    assert said[0] == "the gateway was killed by SIGKILL: started again from its state (1 of 2)"
    assert "counts began anew" in said[1]


def test_what_the_gateway_tells_is_written_with_its_own_time(bench: Bench) -> None:
    bench.admin.happened.append(
        GatewayEvent(1, "", 1_250_000_000, "instance", {"side": "baseline", "instance": "b-1", "healthy": False})
    )
    bench.poll()
    line = bench.events()[-1]
    assert (line["t_s"], line["by"], line["kind"]) == (1.25, "gateway", "instance")
    assert line["figures"]["instance"] == "b-1"
    assert msgspec.json.encode(line)


def test_a_gateway_without_the_section_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.admin.status = lambda: {"mode": "canary", "canary": None}  # type: ignore[method-assign]
    with pytest.raises(BadEnvironment, match="twinload canary config"):
        bench.drive.begin()
    bench.writer.close()
