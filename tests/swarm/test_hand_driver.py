"""The end of a run by hand on a disk that takes no more: the watch ends and the files are closed all the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from swarm_cases import make_plan

from records.clock import NS
from records.errors import RunFolderError
from records.run_folder import RunReader, RunWriter
from swarm.hand_driver import HandDriver
from swarm.options import Choice
from swarm.schedule import Scope
from userpool import read_pool


class Watch:
    """A watch that only knows whether it goes on."""

    going = False

    def start(self) -> None:
        self.going = True

    def set_pids(self, name: str, pids: Iterable[int]) -> None:
        pass

    def stop(self) -> None:
        self.going = False


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
