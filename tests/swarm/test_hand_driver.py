"""The driver of a run by hand without Locust: what it does when an instance dies, and when the disk takes no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from swarm_cases import make_plan

from records.clock import NS
from records.errors import RunFolderError
from records.event import Event, EventKind
from records.instance import Instance
from records.run_folder import RunReader, RunWriter
from records.usage import UsageLine
from swarm.hand_driver import HandDriver
from swarm.options import Choice
from swarm.schedule import Scope
from swarm.targets import SwarmError, planned_instances
from userpool import read_pool


class Watch:
    """A watch that knows whether it goes on, and tells what a test lets happen."""

    going = False

    def __init__(self, instances: Sequence[Instance] = ()) -> None:
        self.instances = tuple(instances)
        self.ways: Mapping[str, str] = {}
        self.happened: list[Event] = []

    def start(self, _: Callable[[UsageLine], None], __: Mapping[str, Iterable[int]]) -> None:
        self.going = True

    def news(self) -> tuple[Event, ...]:
        happened, self.happened = self.happened, []
        return tuple(happened)

    def stop(self) -> None:
        self.going = False

    def let(self, kind: EventKind, instance: str) -> None:
        self.happened.append(Event(NS, "", kind, f"{instance}: {kind}", None, instance))


class Case:
    """A driver of two pairs of two twins, with one endpoint, two rates and one instance each."""

    def __init__(self, folder: Path, pool_folder: Path) -> None:
        plan = make_plan(stages={"kind": "steps", "rates_rps": [50.0, 100.0]}, search={"pairs": 2})
        self.watch, self.ready = Watch(), True
        scope = Scope(("one", "two"), ("front",))

        def make_watch(_: object, __: object, instances: Sequence[Instance], ___: object) -> Watch:
            self.watch.instances = tuple(instances)
            return self.watch

        self.driver = HandDriver(
            Choice(folder / "twinload.toml", plan, scope), read_pool(pool_folder), planned_instances(plan, plan.twins),
            now_ns=lambda: NS, say=lambda _: None, make_watch=make_watch,
        )  # fmt: skip
        self.driver.is_ready = lambda _: self.ready
        self.driver.ready((1,), 4)
        self.folder = folder / "runs" / "latest"

    def twins(self, count: int) -> list[str]:
        """Return the twins of the next sweeps."""
        return [sweep[0].twin for _ in range(count) if (sweep := self.driver.next_sweep()) is not None]

    @property
    def kinds(self) -> list[tuple[str, str | None]]:
        return [(event.kind, event.instance) for event in RunReader(self.folder).events()]


NAMES = {"one": "i18001", "two": "i18002"}


@pytest.fixture
def case(tmp_path: Path, pool_folder: Path) -> Iterator[Case]:
    made = Case(tmp_path, pool_folder)
    yield made
    made.driver.closed("finished", "the test is over")


def test_a_death_ends_the_sweep_under_way_and_leaves_its_twin_out_of_what_follows(case: Case) -> None:
    (first,) = case.twins(1)
    assert case.driver.stop_wanted() is None
    case.watch.let("instance-oom", NAMES[first])
    case.watch.let("instance-died", NAMES[first])
    case.watch.let("instance-died", NAMES[first])
    assert case.driver.stop_wanted() == f"{NAMES[first]} died"
    other = "two" if first == "one" else "one"
    assert case.twins(2) == [other, other]
    assert case.driver.stop_wanted() is None
    with pytest.raises(SwarmError, match=f"{NAMES[first]} died under load; all else was driven"):
        case.driver.next_sweep()
    assert case.kinds == [("instance-oom", NAMES[first]), ("instance-died", NAMES[first]), ("schedule-cut", None)]


def test_a_death_of_the_twin_that_rests_leaves_the_sweep_under_way_alone(case: Case) -> None:
    (first,) = case.twins(1)
    other = "two" if first == "one" else "one"
    case.watch.let("instance-died", NAMES[other])
    assert case.driver.stop_wanted() is None
    assert case.twins(1) == [first]


def test_an_instance_that_is_back_and_ready_gets_its_sweeps_again(case: Case) -> None:
    (first,) = case.twins(1)
    other = "two" if first == "one" else "one"
    case.watch.let("instance-died", NAMES[first])
    case.watch.let("instance-restarted", NAMES[first])
    case.ready = False
    assert case.twins(1) == [other]
    case.ready = True
    assert sorted(case.twins(2)) == ["one", "two"]


def test_a_restart_that_nobody_saw_coming_is_a_death_too(case: Case) -> None:
    (first,) = case.twins(1)
    case.watch.let("instance-restarted", NAMES[first])
    assert case.driver.stop_wanted() == f"{NAMES[first]} died"
    assert case.kinds == [("instance-died", NAMES[first]), ("instance-restarted", NAMES[first])]


def test_what_is_watched_and_how_stands_in_the_manifest(case: Case) -> None:
    names = [one.name for one in RunReader(case.folder).manifest().instances]
    assert names == ["i18001", "i18002", "generator", "host"]


def test_a_full_disk_leaves_no_watch_and_no_file_open(
    tmp_path: Path, pool_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, watch, said, writers = make_plan(), Watch(), list[str](), list[RunWriter]()
    driver = HandDriver(
        Choice(tmp_path / "twinload.toml", plan, Scope.of(plan)), read_pool(pool_folder), (), now_ns=lambda: NS,
        say=said.append, make_watch=lambda *_: watch,
    )  # fmt: skip
    driver.ready((1,), 4)
    assert watch.going
    watch.let("instance-died", "i18001")

    def full(writer: RunWriter, _: object) -> None:
        writers.append(writer)
        raise RunFolderError("cannot write events.jsonl: no space left")

    monkeypatch.setattr(RunWriter, "write", full)
    with pytest.raises(RunFolderError, match="no space left"):
        driver.closed("finished", "all sweeps were driven")
    assert not watch.going
    assert all(file.closed for file in writers[0]._files.values())
    assert said[0].startswith("run folder: ")


def test_a_plan_that_searches_the_capacity_drives_its_stages_by_hand_and_says_so(
    tmp_path: Path, pool_folder: Path
) -> None:
    plan = make_plan(search={"mode": "capacity"}, stages={"kind": "steps", "rates_rps": [10.0, 20.0]})
    driver = HandDriver(
        Choice(tmp_path / "twinload.toml", plan, Scope.of(plan)), read_pool(pool_folder), (), now_ns=lambda: NS,
        say=lambda _: None,
    )  # fmt: skip
    driver.ready((1,), 4)
    driven = []
    while (sweep := driver.next_sweep()) is not None:
        driven.append(sweep)
    driver.closed("finished", "all sweeps were driven")
    assert {stage.kind for sweep in driven for stage in sweep} == {"measure"}
    # Both twins, every endpoint and pair of the plan: as many sweeps as a curve has.
    assert len(driven) == 2 * len(plan.sweeps) * plan.search.pairs
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if not path.is_symlink())
    told = [event for event in RunReader(folder).events() if event.kind == "search"]
    assert [event.text for event in told] == [
        "by hand the plan's stages are driven, no capacity is searched: `twinload run` does that"
    ]
