"""Runs by hand, end to end: real Locust and sockets, counting servers. Bounded in requests and seconds."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from swarm_cases import Project, open_project

from clusters.ports import free_ports
from records.hdr import total

pytestmark = pytest.mark.slow

FAILING_RECORDER = """
from locust import events
from swarm.seat_user import SeatUser
from swarm.wiring import RampStages, connect
import swarm.recorder

class Seat(SeatUser):
    pass

class Ramp(RampStages):
    pass

def failing(*given):
    raise ValueError("the recorder is broken")

swarm.recorder.record = failing
connect(events, seat_classes={"fasthttp": Seat}, shape_class=Ramp)
"""


TO_PROCESS = ('[twins.one]\nstart = "external"', '[twins.one]\nstart = "process"\ncommand = ["false"]\ncpu_set = [0]')


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over."""

    project: Project
    code: int
    out: str
    err: str


def headless(project: Project) -> Ended:
    return Ended(project, *project.run("--headless", "--only-summary"))


def failing(project: Project) -> Ended:
    project.edit('path = "/front/{user_id}?tier={tier}"', 'path = "/fail/{user_id}"')
    overridden = ("--set", "stages.rates_rps=[60]", "--set", "stages.measure_s=2")
    return Ended(project, *project.run("--headless", "--only-summary", "--twins", "one", *overridden))


def two_processes(project: Project) -> Ended:
    return Ended(project, *project.run("--headless", "--only-summary", "--processes", "2", "--rates", "80"))


def master_and_worker(project: Project) -> Ended:
    port = str(free_ports(1)[0])
    master = project.start(
        "--headless", "--only-summary", "--master", "--master-bind-port", port, "--master-bind-host", "127.0.0.1",
        "--expect-workers", "1", "--twins", "two", "--endpoints", "mix", "--rates", "80",
    )  # fmt: skip
    worker = project.start("--worker", "--master-port", port)
    out, err = master.communicate(timeout=180)
    worker.communicate(timeout=60)
    return Ended(project, max(master.returncode, worker.returncode), out, err)


def broken_recorder(project: Project) -> Ended:
    project.locustfile = project.folder / "failing.py"
    project.locustfile.write_text(FAILING_RECORDER)
    return Ended(project, *project.run("--headless", "--only-summary", "--rates", "50", "--measure-s", "60"))


def interrupted(project: Project) -> Ended:
    return ended_by(signal.SIGINT, project)


def terminated(project: Project) -> Ended:
    return ended_by(signal.SIGTERM, project)


def ended_by(number: signal.Signals, project: Project) -> Ended:
    child = project.start("--headless", "--only-summary", "--rates", "50", "--measure-s", "60")
    seconds = project.folder / "runs" / "latest" / "seconds.jsonl"
    until = time.monotonic() + 30
    while time.monotonic() < until and not (seconds.exists() and seconds.read_text().count("\n") >= 2):
        time.sleep(0.1)
    os.kill(child.pid, number)
    out, err = child.communicate(timeout=120)
    return Ended(project, child.returncode, out, err)


def no_targets(project: Project) -> Ended:
    project.edit(*TO_PROCESS)
    return Ended(project, *project.run("--headless", "--only-summary", "--loglevel", "WARNING"))


def scraped(project: Project) -> Ended:
    words = ("--set", 'twins.one.metrics="/metrics"', "--rates", "50", "--measure-s", "3")
    return Ended(project, *project.run("--headless", "--only-summary", *words))


def no_page(project: Project) -> Ended:
    return Ended(project, *project.run("--headless", "--only-summary", "--set", 'watch.external="scrape"'))


def no_good_answer(project: Project) -> Ended:
    project.edit('path = "/back/{user_id}"', 'path = "/fail/{user_id}"\nhot = true')
    probes = ("--set", 'stages.kind="probe"', "--set", "stages.probe_s=2", "--endpoints", "back", "--twins", "one")
    return Ended(project, *project.run("--headless", "--only-summary", *probes))


BAD_USAGE = {
    "unknown twin": (("--twins", "three"), "there are: one, two"),
    "no number": (("--rates", "fast"), "is no number"),
    "too many seats": (("--seats", "30000"), "swarm.seats"),
    "no plan": (("--plan", "nowhere.toml"), "nowhere.toml"),
}


def bad_usage(name: str) -> Callable[[Project], Ended]:
    def run(project: Project) -> Ended:
        options = BAD_USAGE[name][0]
        return Ended(project, *project.run("--headless", "--only-summary", "--loglevel", "ERROR", *options))

    return run


SCENARIOS = {
    **{
        scenario.__name__: scenario
        for scenario in (
            two_processes, headless, master_and_worker, interrupted, terminated, failing, broken_recorder, no_targets,
            no_good_answer, scraped, no_page,
        )
    },
    **{name: bad_usage(name) for name in BAD_USAGE},
}  # fmt: skip


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, pool_folder: Path) -> Iterator[Callable[..., Ended]]:
    """Return what came of a scenario. They wait for seconds most of the time, so four go on at once."""
    with ExitStack() as stack, ThreadPoolExecutor(4) as threads:

        def run(scenario: Callable[[Project], Ended]) -> Ended:
            return scenario(stack.enter_context(open_project(tmp_path_factory.mktemp("project"), pool_folder)))

        futures = {name: threads.submit(run, scenario) for name, scenario in SCENARIOS.items()}
        yield lambda name: futures[getattr(name, "__name__", name)].result(timeout=150)


def assert_exact(project: Project) -> Counter[str]:
    """Assert that the run folder holds every request that the servers counted, once; return its counts by twin."""
    sent, done, timed = Counter[str](), Counter[str](), Counter[str]()
    for second in project.reader().seconds():
        sent[second.twin] += second.sent
        done[second.twin] += second.done
        timed[second.twin] += sum(total(count.service) for count in second.status.values())
    assert sent["one"] == project.one.count()
    assert sent["two"] == project.two.count()
    assert sent == done == timed
    return +sent


def test_a_run_folder_agrees_with_the_targets_to_the_request(
    ended: Callable[..., Ended],
) -> None:
    run = ended(headless)
    assert run.code == 0, run.err
    assert assert_exact(run.project).keys() == {"one", "two"}
    reader = run.project.reader()
    stages = reader.stages()
    assert Counter((line.stage.twin, line.stage.rate_rps) for line in stages) == Counter(
        [("one", 50), ("one", 100), ("two", 50), ("two", 100)]
    )
    assert all(line.complete and abs(line.sent - line.offered) <= 10 for line in stages if line.offered)
    assert reader.manifest().run_id.endswith("-tiny-by-hand")
    assert [event.kind for event in reader.events()] == ["finished"]
    assert len(list(reader.usage())) >= 8
    assert f"twinload report {reader.path.resolve()}" in run.out
    assert "one front" in run.err
    assert "two front" in run.err


def test_failed_requests_are_counted_by_cause_and_are_no_failure_of_the_job(ended: Callable[..., Ended]) -> None:
    run = ended(failing)
    assert run.code == 0, run.err
    sent = assert_exact(run.project)
    (line,) = run.project.reader().stages()
    assert (line.stage.rate_rps, line.stage.measure_s) == (60, 2)
    assert line.failed == {"status-500": line.done}
    classes = Counter[str]()
    for second in run.project.reader().seconds():
        for name, count in second.status.items():
            classes[name] += count.done
    assert classes == {"5xx": sent["one"]}


def test_two_processes_share_the_users_and_lose_no_request(ended: Callable[..., Ended]) -> None:
    run = ended(two_processes)
    assert run.code == 0, run.err
    assert_exact(run.project)
    assert [line.seats for line in run.project.reader().stages()] == [40, 40]
    assert all(line.complete for line in run.project.reader().stages())


def test_a_master_with_a_worker_counts_the_same_also_for_the_mix(ended: Callable[..., Ended]) -> None:
    run = ended(master_and_worker)
    assert run.code == 0, run.err
    assert assert_exact(run.project).keys() == {"two"}
    assert {second.endpoint for second in run.project.reader().seconds()} == {"mix"}
    assert "two mix front" in run.err
    assert "two mix back" in run.err


def test_a_recorder_that_raises_ends_the_run_with_code_3(ended: Callable[..., Ended]) -> None:
    run = ended(broken_recorder)
    assert run.code == 3
    assert "the recorder is broken" in run.err
    assert run.project.one.count() + run.project.two.count() < 500  # of 60 s and 3,000
    assert run.project.reader().events()[-1].kind == "failed"


@pytest.mark.parametrize("scenario", [interrupted, terminated], ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_keeps_what_was_counted_and_ends_with_code_130(
    ended: Callable[..., Ended], scenario: Callable[[Project], Ended]
) -> None:
    run = ended(scenario)
    assert run.code == 130, run.err
    assert_exact(run.project)
    (line,) = run.project.reader().stages()
    assert not line.complete
    assert run.project.reader().events()[-1].kind == "interrupted"


def test_probes_without_a_good_answer_end_the_run_as_failed_with_code_2(ended: Callable[..., Ended]) -> None:
    run = ended(no_good_answer)
    assert run.code == 2, run.err
    assert "back: no good answer to any probe of one" in run.err
    assert "Traceback" not in run.err
    assert run.project.reader().events()[-1].kind == "failed"


def test_external_twins_that_tell_their_cpu_are_scraped_and_the_others_are_not_known(
    ended: Callable[..., Ended],
) -> None:
    run = ended(scraped)
    assert run.code == 0, run.err
    assert "CPU and memory of one-1: its own page, every 1 s" in run.err
    assert_exact(run.project)
    reader = run.project.reader()
    assert [one.watch for one in reader.manifest().instances] == ["prometheus", "none", "process", "host"]
    last = list(reader.usage())[-1]
    assert last.memory_bytes[:2] == (1_234_567, None)
    assert (last.cpu_s[0] or 0.0) > 0.0
    assert last.cpu_s[1] is None


def test_what_cannot_be_watched_as_the_plan_asks_is_told_before_any_load(ended: Callable[..., Ended]) -> None:
    run = ended(no_page)
    assert run.code == 2, run.err
    assert "one-1 does not tell process_cpu_seconds_total (it has no metrics path)" in run.err
    assert "Traceback" not in run.err
    assert run.project.one.count() == 0


def test_without_targets_a_headless_run_ends_with_code_2_and_one_line(ended: Callable[..., Ended]) -> None:
    run = ended(no_targets)
    assert run.code == 2
    (line,) = run.err.strip().splitlines()
    assert "twin one is not running" in line
    assert "twinload up" in line


@pytest.mark.parametrize("name", BAD_USAGE)
def test_bad_usage_ends_with_code_2_and_says_what_is_wrong(ended: Callable[..., Ended], name: str) -> None:
    run = ended(name)
    assert run.code == 2
    assert BAD_USAGE[name][1] in run.err
