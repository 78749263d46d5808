"""A run in several segments, as its events tell it and as its figures are read."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from drawn_folder import write_run
from drawn_run import Drawn, manifest_for

from analysis.findings import find
from analysis.run import partial_reason, read_run
from analysis.segments import aborted_stages, of_last_segment, pairs_apart, segment_texts
from analysis.summary import notes_of, summarise
from analysis.timeline import CpuTrace
from records.clock import NS
from records.event import Event, EventKind
from records.run_folder import RunReader, RunWriter
from records.stage import StageLine
from records.usage import HostUsage, UsageLine

DRAWN = Drawn(endpoints=("balance",), order=("go", "rust") * 2, factors=(1.0,) * 4)


def event(at_s: float, kind: EventKind, stage: int | None = None) -> Event:
    return Event(int(at_s * NS), "u", kind, f"it {kind}", stage)


def test_the_last_segment_says_whether_a_run_is_whole() -> None:
    killed = [event(1, "counters")]
    assert partial_reason(killed) == "the run never told of its end: it is under way, or was killed"
    stopped = [*killed, event(2, "interrupted")]
    assert partial_reason(stopped) == "interrupted: it interrupted"
    again = [*stopped, event(3, "resumed")]
    assert "never told" in str(partial_reason(again))
    assert partial_reason([*again, event(4, "finished")]) is None
    assert [one.kind for one in of_last_segment([*again, event(4, "finished")])] == ["resumed", "finished"]
    assert partial_reason([event(1, "safety-stop")]) == "safety-stop: it safety-stop"


def test_pairs_that_were_measured_in_two_segments_are_named(tmp_path: Path) -> None:
    lines = RunReader(write_run(tmp_path / "run", DRAWN)).stages()
    firsts: dict[int, list[StageLine]] = {}
    for line in lines:
        firsts.setdefault(line.stage.block, []).append(line)
    between = firsts[1][0].start_second * NS  # block 1 is the second one of pair 0
    assert pairs_apart(lines, [between]) == (0,)
    assert pairs_apart(lines, [firsts[2][0].start_second * NS]) == ()
    assert pairs_apart(lines, []) == ()
    texts = segment_texts(lines, [Event(between, "u", "resumed", "on"), event(0, "stage-aborted", 9)])
    assert texts == [
        "the run was cut short and resumed once; 1 unfinished stage left out; of pair 1 not all was measured in one "
        "go: twins were started anew in between"
    ]
    assert segment_texts(lines, [event(1, "finished")]) == []


def test_what_an_aborted_stage_counted_is_in_no_figure(tmp_path: Path) -> None:
    whole = RunReader(write_run(tmp_path / "whole", DRAWN))
    path = write_run(tmp_path / "cut", DRAWN)
    reader = RunReader(path)
    line = reader.stages()[3]
    seconds = [one for one in reader.seconds() if one.stage == line.stage.id]
    with RunWriter(path, None) as writer:  # the same stage once more, under ids of its own: one torn off, one cut short
        for stage in (900, 901):
            for one in seconds:
                writer.write(replace(one, stage=stage))
        writer.write(replace(line, stage=replace(line.stage, id=901), complete=False))
        writer.write(event(1, "stage-aborted", 900))
        writer.write(event(1, "stage-aborted", 901))
    assert aborted_stages(reader.events()) == {900, 901}
    one, two = (summarise(find(read_run(RunReader(run)))) for run in (whole.path, path))
    assert two.twins == one.twins
    assert two.ratios == one.ratios


def test_seconds_of_a_stage_without_a_line_are_in_no_figure_of_a_killed_run(tmp_path: Path) -> None:
    path = write_run(tmp_path / "killed", replace(DRAWN, ends=()))
    reader = RunReader(path)
    line = reader.stages()[-1]
    before = read_run(reader)
    with RunWriter(path, None) as writer:
        for one in [s for s in reader.seconds() if s.stage == line.stage.id]:
            writer.write(replace(one, stage=950))
    after = read_run(RunReader(path))
    assert after.load.seconds == before.load.seconds
    assert after.partial is not None


def test_cut_stages_left_out_then_and_made_up_later_are_told_no_more(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", replace(DRAWN, ends=()))
    manifest = manifest_for(DRAWN)
    with RunWriter(path, None) as writer:
        writer.write(Event(manifest.mono_ns, "u", "schedule-cut", "1 sweep of go left out"))
        writer.write(Event(manifest.mono_ns, "u", "resumed", "segment 2 begins"))
        writer.write(Event(manifest.mono_ns, "u", "finished", "done"))
    notes = notes_of(find(read_run(RunReader(path))))
    assert not any("left out" in note and "sweep" in note for note in notes)
    assert any("resumed once" in note for note in notes)


def test_there_is_no_cpu_across_a_break() -> None:
    trace = CpuTrace({"go": (0,)}, breaks_ns=(15 * NS,))
    for at, cpu_s in ((9, 5.0), (10, 5.5), (16, 6.0), (17, 6.25)):
        host = HostUsage(0.0, 0.0, (0.0,), 1)
        trace.add(UsageLine(at * NS, "u", at, (cpu_s,), (1,), (None,), (None,), host))
    first, gap, last = trace.cores["go"]
    assert (first, last) == (0.5, 0.25)
    assert math.isnan(gap)
