"""The end of a run by hand on a disk that takes no more: the watch ends and the files are closed all the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from swarm_cases import make_plan

from records.clock import NS
from records.errors import RunFolderError
from records.run_folder import RunWriter
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
