"""Which runs can go on, and what opening one again writes: over drawn folders, nothing is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from drawn_folder import write_run
from drawn_run import Drawn

from records.clock import NS, Clock
from records.errors import RunFolderError
from records.event import Event
from records.run_folder import SEAL, RunReader, RunWriter, seal
from twinload.errors import BadEnvironment
from twinload.resume import read_cut_short, refuse_unlike_parts, reopen

DRAWN = Drawn(endpoints=("balance",), ends=(), cut_after=9, counters_s=1_001)
REBOOTED = Clock(7 * NS + 5, 1_767_300_000 * NS)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run of seven stages each sweep that was killed in its second one: its last stage has seconds and no line."""
    path = write_run(tmp_path / "run", DRAWN)
    stages = (path / "stages.jsonl").read_bytes().splitlines(keepends=True)
    (path / "stages.jsonl").write_bytes(b"".join(stages[:-1]) + stages[-1][:40])
    return path


def test_what_stands_is_counted_and_what_was_under_way_is_named(killed: Path) -> None:
    run = read_cut_short(killed)
    assert run.past.stages == 8
    assert [one.stage for one in run.aborted] == [8]
    seconds = [s for s in RunReader(killed).seconds() if s.stage == 8]
    assert (run.aborted[0].sent, run.aborted[0].done) == (sum(s.sent for s in seconds), sum(s.done for s in seconds))
    assert run.past.next_id == 9
    assert run.last_ns == max(u.t_ns for u in RunReader(killed).usage())


def test_the_next_segment_begins_behind_the_last_line_whatever_its_clock_shows(killed: Path) -> None:
    seal(killed)
    run = read_cut_short(killed)
    manifest = (killed / "manifest.json").read_bytes()
    with reopen(run, run.manifest, REBOOTED) as writer:
        writer.write(Event(REBOOTED.mono_ns + NS, "u", "finished", "done"))
    reader = RunReader(killed)
    (segment,) = reader.segments()
    assert (segment.number, segment.aborted, segment.mono_ns) == (2, (8,), REBOOTED.mono_ns)
    assert segment.t_ns == REBOOTED.mono_ns + segment.shift_s * NS > run.last_ns
    assert segment.set_aside == {"stages.jsonl": "set-aside/stages.jsonl"}
    assert (killed / "set-aside" / "stages.jsonl").stat().st_size == 40
    events = reader.events()[-4:]
    assert [event.kind for event in events] == ["resumed", "set-aside", "stage-aborted", "finished"]
    assert events[2].stage == 8
    assert events[3].t_ns == segment.t_ns + NS
    assert (killed / "manifest.json").read_bytes() == manifest
    assert not (killed / SEAL).exists()


def test_a_kill_right_after_the_beginning_is_resumed_as_well(killed: Path) -> None:
    run = read_cut_short(killed)
    reopen(run, run.manifest, REBOOTED).close()
    again = read_cut_short(killed)
    assert (again.past.stages, again.aborted, again.segments) == (8, (), 2)
    reopen(again, again.manifest, Clock(3 * NS, 1_767_300_900 * NS)).close()
    one, two = RunReader(killed).segments()
    assert two.t_ns > one.t_ns
    assert [e.stage for e in RunReader(killed).events() if e.kind == "stage-aborted"] == [8]


def test_a_complete_run_is_refused_also_without_its_report(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", Drawn(endpoints=("balance",)))
    with pytest.raises(BadEnvironment, match=r"complete, there is nothing to resume; `twinload report"):
        read_cut_short(path)
    seal(path)
    with pytest.raises(BadEnvironment, match=r"nothing to resume$"):
        read_cut_short(path)


def test_changed_lines_and_what_is_no_run_are_refused(killed: Path, tmp_path: Path) -> None:
    seal(killed)
    with (killed / "events.jsonl").open("ab") as file:
        file.write(b"\n")
    with pytest.raises(BadEnvironment, match=r"changed since the run was sealed: events\.jsonl"):
        read_cut_short(killed)
    with pytest.raises(RunFolderError, match="is no run folder"):
        read_cut_short(tmp_path)


def test_a_folder_that_grew_is_somebody_elses(killed: Path) -> None:
    run = read_cut_short(killed)
    with RunWriter(killed, None) as writer:
        writer.write(Event(1, "u", "finished", "done"))
    with pytest.raises(BadEnvironment, match="the run is under way"):
        reopen(run, run.manifest, REBOOTED)


def test_all_that_differs_is_named_at_once(killed: Path) -> None:
    run = read_cut_short(killed)
    old = run.manifest
    refuse_unlike_parts(run, old, ())
    plan = {**old.plan, "slo": {**old.plan["slo"], "p99_ms": 50.0}}
    new = replace(
        old, plan=plan, plan_digest="other", binaries={**old.binaries, "go-1": "bb" * 32}, commit="4567",
        host=replace(old.host, kernel="6.2"),
    )  # fmt: skip
    with pytest.raises(BadEnvironment) as refused:
        refuse_unlike_parts(run, new, ("kernel",))
    said = str(refused.value).splitlines()
    assert said[1:] == [
        "  plan.slo.p99_ms: 100.0 against 50.0 (cannot be waived)",
        "  program of go-1: aa against bbbbbbbbbbbb (cannot be waived)",
        "  commit of twinload: 0123abcd against 4567",
        "the run was begun by: twinload twinload run",
        "where that changes nothing that is measured: --anyway commit",
    ]
