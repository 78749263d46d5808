"""Runs of the native schedule, end to end: real Locust, engine and sockets, counting servers. Bounded in requests."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from swarm_cases import Project, open_project

from clusters.ports import free_ports
from records.hdr import total
from records.second import Second
from userpool import make_pool

pytestmark = pytest.mark.slow

NATIVE = ("--set", 'swarm.sender="native-schedule"')
HEADLESS = ("--headless", "--only-summary", *NATIVE)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over."""

    project: Project
    code: int
    out: str
    err: str
    noted: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> list[Second]:
        return list(self.project.reader().seconds())


def rates(*rates_rps: int, measure_s: int = 2) -> tuple[str, ...]:
    return ("--rates", ",".join(map(str, rates_rps)), "--measure-s", str(measure_s))


def seconds_written(project: Project) -> int:
    path = project.folder / "runs" / "latest" / "seconds.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def until_loaded(project: Project, seconds: int = 2) -> None:
    end = time.monotonic() + 150
    while seconds_written(project) < seconds and time.monotonic() < end:
        time.sleep(0.1)


def alone(project: Project) -> Ended:
    return Ended(project, *project.run(*HEADLESS, "--csv", "figures", *rates(200, 400)))


def closed_loop(project: Project) -> Ended:
    listed = '[{name="few",users=20,measure_s=2}]'
    closed = ('engine.loop="closed"', "engine.think_s=0.05", 'stages.kind="list"', f"stages.list={listed}")
    sets = [word for text in closed for word in ("--set", text)]
    return Ended(project, *project.run(*HEADLESS, "--twins", "one", *sets))


def probed(project: Project) -> Ended:
    sets = ("--set", 'stages.kind="probe"', "--set", "stages.probe_s=2", "--set", "stages.fractions=[0.05]")
    few = ("--set", "engine.connections=2")
    return Ended(project, *project.run(*HEADLESS, "--twins", "one", *sets, *few))


def failing(project: Project) -> Ended:
    project.edit('path = "/front/{user_id}?tier={tier}"', 'path = "/fail/{user_id}"')
    return Ended(project, *project.run(*HEADLESS, "--twins", "one", *rates(100)))


def overloaded(project: Project) -> Ended:
    """One connection to a target that cannot follow: arrivals wait, and are dropped after half a second."""
    few = ("engine.connections=1", "engine.queue_limit_s=0.5", "engine.max_pending=10000")
    sets = [word for text in few for word in ("--set", text)]
    project.edit('path = "/front/{user_id}?tier={tier}"', 'path = "/slow/{user_id}"')
    return Ended(project, *project.run(*HEADLESS, "--twins", "one", *sets, *rates(200)))


def _distributed(project: Project, *options: str) -> tuple[Any, list[Any]]:
    port = str(free_ports(1)[0])
    master = project.start(
        *HEADLESS, "--master", "--master-bind-port", port, "--master-bind-host", "127.0.0.1", "--expect-workers", "2",
        *options,
    )  # fmt: skip
    return master, [project.start("--worker", "--master-port", port) for _ in range(2)]


def mixed(project: Project) -> Ended:
    master, workers = _distributed(project, "--endpoints", "mix", "--csv", "figures", *rates(300, 600))
    out, err = master.communicate(timeout=180)
    codes = [master.returncode]
    for worker in workers:
        worker.communicate(timeout=60)
        codes.append(worker.returncode)
    return Ended(project, max(codes), out, err)


def killed(project: Project) -> Ended:
    master, workers = _distributed(project, "--twins", "two", *rates(400, 600, measure_s=8))
    until_loaded(project, 3)
    workers[1].kill()
    out, err = master.communicate(timeout=180)
    workers[0].communicate(timeout=60)
    return Ended(project, master.returncode, out, err)


def stopped(project: Project) -> Ended:
    child = project.start(*HEADLESS, *rates(300, measure_s=60))
    until_loaded(project)
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = child.communicate(timeout=120)
    return Ended(project, child.returncode, out, err, {"took_s": time.monotonic() - began})


def live(project: Project) -> Ended:
    sets = ("--set", 'stages.kind="live"', "--set", "stages.measure_s=6", "--set", "swarm.user_rate_rps=2.0")
    users = ("--users", "100", "--spawn-rate", "50")
    return Ended(project, *project.run(*HEADLESS, "--twins", "one", *sets, *users))


def run_time(project: Project) -> Ended:
    sets = ("--set", 'stages.kind="live"', "--set", "stages.measure_s=60", "--set", "swarm.user_rate_rps=2.0")
    users = ("--users", "50", "--spawn-rate", "50", "--run-time", "7s")
    return Ended(project, *project.run(*HEADLESS, "--twins", "one", *sets, *users))


def many_seats(project: Project) -> Ended:
    make_pool(16_000, 7, project.folder / "many", ledgers=False)
    text = project.plan_file.read_text().replace("seats = 20\n", "").replace('folder = "pool"', 'folder = "many"')
    project.plan_file.write_text(text.replace("users = 300", "users = 16000"))
    return Ended(project, *project.run(*HEADLESS, "--twins", "one", *rates(200)))


def native_users(project: Project) -> Ended:
    words = ("--headless", "--only-summary", "--set", 'swarm.sender="native-users"', "--csv", "figures")
    return Ended(project, *project.run(*words, "--endpoints", "mix", "--processes", "2", *rates(80)))


SCENARIOS = (
    native_users, mixed, killed, many_seats, stopped, live, run_time, alone, closed_loop, probed, failing, overloaded,
)  # fmt: skip


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, pool_folder: Path) -> Iterator[Callable[..., Ended]]:
    """Return what came of a scenario. They wait for seconds most of the time, so three go on at once."""
    with ExitStack() as stack, ThreadPoolExecutor(3) as threads:

        def run(scenario: Callable[[Project], Ended]) -> Ended:
            return scenario(stack.enter_context(open_project(tmp_path_factory.mktemp("project"), pool_folder)))

        futures = {scenario.__name__: threads.submit(run, scenario) for scenario in SCENARIOS}
        yield lambda scenario: futures[scenario.__name__].result(timeout=600)


def assert_exact(run: Ended) -> Counter[str]:
    """Assert that the folder holds every request that the servers counted; return what was offered by twin."""
    offered, sent, done, dropped, timed = (Counter[str]() for _ in range(5))
    for second in run.seconds:
        offered[second.twin] += int(second.offered or 0)
        sent[second.twin] += second.sent
        done[second.twin] += second.done
        dropped[second.twin] += second.dropped
        timed[second.twin] += sum(total(count.service) for count in second.status.values())
    assert +offered == sent + dropped
    assert sent == done == timed
    assert (sent["one"], sent["two"]) == (run.project.one.count(), run.project.two.count())
    return +offered


def shown(run: Ended) -> dict[str, int]:
    """Return the requests of each name in Locust's CSV."""
    header, *rows = (run.project.folder / "figures_stats.csv").read_text().splitlines()
    at = header.split(",").index("Request Count")
    return {row.split(",")[1]: int(row.split(",")[at]) for row in rows}


def test_a_run_alone_agrees_with_the_targets_and_with_locusts_figures(ended: Callable[..., Ended]) -> None:
    run = ended(alone)
    assert run.code == 0, run.err
    offered = assert_exact(run)
    assert offered["one"] == offered["two"]  # both twins get the same draws
    assert shown(run) == {"one front": offered["one"], "two front": offered["two"], "Aggregated": offered.total()}
    lines = run.project.reader().stages()
    assert [line.stage.loop for line in lines] == ["open"] * 4
    for line in lines:
        assert line.complete
        # Poisson: the standard error of n arrivals is sqrt(n); six of them.
        assert line.offered == pytest.approx(
            2 * (line.stage.rate_rps or 0), abs=6 * (2 * (line.stage.rate_rps or 0)) ** 0.5
        )
        assert line.proof is not None
        assert line.proof.lag_p50_us is not None
        assert line.proof.cpu_ratio is not None
        assert 0 < line.proof.cpu_ratio < 1
    opened = Counter[str]()
    for second in run.seconds:
        opened[second.twin] += second.opened or 0
    assert all(count >= 1 for count in opened.values())
    latency = [count.latency for second in run.seconds for count in second.status.values()]
    assert all(latency)


def test_a_mixed_run_with_a_master_and_two_workers_adds_up_to_the_request(ended: Callable[..., Ended]) -> None:
    run = ended(mixed)
    assert run.code == 0, run.err
    offered = assert_exact(run)
    figures = shown(run)
    assert figures["Aggregated"] == offered.total() == run.project.one.count() + run.project.two.count()
    assert set(figures) == {"one mix front", "one mix back", "two mix front", "two mix back", "Aggregated"}
    assert all(line.complete and line.seats == 40 for line in run.project.reader().stages())


def test_a_killed_worker_is_named_and_the_other_carries_the_rest(ended: Callable[..., Ended]) -> None:
    run = ended(killed)
    assert run.code == 0, run.err
    (lost,) = [event for event in run.project.reader().events() if event.kind == "worker-lost"]
    first, second = run.project.reader().stages()
    assert lost.stage == first.stage.id
    assert not first.complete
    assert any("was lost" in why for why in first.why)
    assert (second.complete, second.why) == (True, ())
    # 600 a second over 8 s, carried by one worker alone: six standard errors.
    assert second.offered == pytest.approx(4_800, abs=6 * 4_800**0.5)
    sent = sum(one.sent for one in run.seconds)
    assert sent == sum(one.done for one in run.seconds)
    # What the dead worker had sent (200 a second) and not told: a report interval and the second under way, at most.
    assert 0 <= run.project.two.count() - sent <= 2 * 200 + 6 * 400**0.5


def test_a_stop_in_mid_stage_keeps_every_request(ended: Callable[..., Ended]) -> None:
    run = ended(stopped)
    assert run.code == 130, run.err
    assert_exact(run)
    (line,) = run.project.reader().stages()
    assert not line.complete
    assert run.noted["took_s"] < 30


def test_a_live_stage_follows_locusts_own_users(ended: Callable[..., Ended]) -> None:
    run = ended(live)
    assert run.code == 0, run.err
    assert_exact(run)
    (line,) = run.project.reader().stages()
    assert (line.stage.live, line.stage.rate_rps, line.complete) == (True, None, True)
    last = [second.sent for second in run.seconds if second.phase == "measure"][-4:]
    # 100 users at 2 a second: 800 in the last four seconds, six standard errors.
    assert sum(last) == pytest.approx(800, abs=6 * 800**0.5)


def test_a_live_run_that_had_its_run_time_is_finished(ended: Callable[..., Ended]) -> None:
    run = ended(run_time)
    assert run.code == 0, run.err
    assert assert_exact(run)["one"] > 0
    assert run.project.reader().events()[-1].kind == "finished"


def test_a_closed_loop_thinks_between_requests(ended: Callable[..., Ended]) -> None:
    run = ended(closed_loop)
    assert run.code == 0, run.err
    (line,) = run.project.reader().stages()
    assert (line.stage.loop, line.stage.users, line.offered) == ("closed", 20, None)
    assert 0 < line.sent <= 20 * 2 / 0.05 + 20  # 20 users, 20 a second each at most
    assert {count.latency for second in run.seconds for count in second.status.values()} == {None}
    assert sum(second.sent for second in run.seconds) == run.project.one.count()


def test_a_probe_finds_a_limit_and_the_stages_stand_below_it(ended: Callable[..., Ended]) -> None:
    run = ended(probed)
    assert run.code == 0, run.err
    probe, stage = run.project.reader().stages()
    assert (probe.stage.kind, probe.stage.users, probe.proof) == ("probe", 2, None)
    assert stage.stage.rate_rps == pytest.approx(probe.done / probe.stage.measure_s * 0.05, rel=0.01)


def test_failures_are_counted_by_cause(ended: Callable[..., Ended]) -> None:
    run = ended(failing)
    assert run.code == 0, run.err
    offered = assert_exact(run)
    causes = Counter[str]()
    for second in run.seconds:
        for count in second.status.values():
            causes.update(count.failed)
    assert causes == {"status-500": offered["one"]}
    assert f"{offered['one']}(100.00%)" in run.err.replace(" ", "")


def test_native_users_are_counted_to_the_request_too(ended: Callable[..., Ended]) -> None:
    run = ended(native_users)
    assert run.code == 0, run.err
    assert "Traceback" not in run.err
    sent, done = Counter[str](), Counter[str]()
    for second in run.seconds:
        sent[second.twin] += second.sent
        done[second.twin] += second.done
    assert sent == done == {"one": run.project.one.count(), "two": run.project.two.count()}
    assert shown(run)["Aggregated"] == sent.total() > 200
    assert [(line.sender, line.stage.loop, line.failed) for line in run.project.reader().stages()] == [
        ("native-users", "closed", {})
    ] * 2


def test_what_waits_too_long_is_dropped_and_counted(ended: Callable[..., Ended]) -> None:
    run = ended(overloaded)
    assert run.code == 0, run.err
    assert_exact(run)
    (line,) = run.project.reader().stages()
    assert line.dropped > 0
    assert line.proof is not None
    assert line.proof.backlog_max > 0


def test_sixteen_thousand_seats_stand_in_one_process(ended: Callable[..., Ended]) -> None:
    run = ended(many_seats)
    assert run.code == 0, run.err
    assert_exact(run)
    assert [line.seats for line in run.project.reader().stages()] == [16_000]
    marks = ("Ramping to 16000 users", "All users spawned")
    at = [text[12:24] for mark in marks for text in run.err.splitlines() if mark in text]
    assert len(at) == 2, run.err
    print("16,000 seats, from and to:", *at)
