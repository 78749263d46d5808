"""Reading a run: stages with their counts, costs and reasons; idle memory; holes in the watch."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.findings import Findings
from analysis.run import read_run
from analysis.timeline import LoadTrace
from records.clock import NS
from records.errors import RunFolderError
from records.hdr import Histogram
from records.run_folder import RunReader
from records.second import Second, StatusCount

FindDrawn = Callable[..., Findings]
WriteDrawn = Callable[..., Path]


def test_a_twin_that_idles_though_it_falls_short_makes_the_stage_invalid(find_drawn: FindDrawn) -> None:
    points = find_drawn(idle_cpu=frozenset({3})).curves["go", "balance"].points  # stage 3: 600 rps of block 0
    point = points[2]
    assert point.valid  # the other block stands for it
    assert point.blocks == 1
    assert point.achieved_rps == 600.0
    assert point.why == (
        "block 0: the generator was the limit: answered 300 of 600 requests a second offered "
        "while the twin's CPU stood at 30 %",
    )


def test_a_busy_generator_makes_the_stage_invalid(find_drawn: FindDrawn) -> None:
    run = find_drawn(busy_generator=frozenset({1})).run
    assert run.stages[1].why == ("the generator was the limit: its CPU was at 95 % of its cores (limit 90 %)",)


def test_a_gap_in_the_watch_is_a_gap_and_no_zero(find_drawn: FindDrawn) -> None:
    run = find_drawn(gap_stages=frozenset({4})).run
    gone = run.stages[4]
    assert gone.figures.cpu_cores[:3] == (None, None, None)
    assert gone.figures.target_percent is None
    assert [reason.split(":")[0] for reason in gone.why] == ["no usage samples of go-1", "no usage samples of go-2"]
    assert np.isnan(run.cpu.cores["go"]).any()


def test_a_dead_instance_is_named_in_every_stage_after_it(find_drawn: FindDrawn) -> None:
    run = find_drawn(dead="go-2", dead_from_stage=4).run
    own = [s for s in run.stages if s.line.stage.twin == "go" and s.measured]
    assert [s.why[0] if s.why else "" for s in own[:3]] == ["", "", ""]
    assert all("instance go-2 died" in s.why for s in own[3:])
    assert all(not s.why for s in run.stages if s.line.stage.twin == "rust")


def test_a_stage_cut_short_is_invalid(find_drawn: FindDrawn) -> None:
    assert "the stage was cut short" in find_drawn(short_stages=frozenset({2})).run.stages[2].why


def test_a_judgement_on_record_stands(find_drawn: FindDrawn) -> None:
    assert find_drawn(busy_generator=frozenset({1}), judged=True).run.stages[1].valid


def test_probes_are_in_no_curve(find_drawn: FindDrawn) -> None:
    findings = find_drawn()
    assert sum(not s.measured for s in findings.run.stages) == 8
    assert all(len(curve.points) == 6 for curve in findings.curves.values())


def test_idle_memory_is_the_last_sample_before_the_seats_connect(find_drawn: FindDrawn) -> None:
    # samples on 1,000 and 1,001, load from 1,002, seats from 1,000.5: what 1,001 shows is no rest any more
    assert find_drawn(memory_grows_s=(1_001,)).run.idle_memory_bytes[:3] == (200 << 20, 200 << 20, 50 << 20)


def test_idle_memory_is_read_until_the_counters_were_where_they_were(find_drawn: FindDrawn) -> None:
    grows = (1_001, 1_002)
    run = find_drawn(memory_grows_s=grows, counters_s=1_001).run
    assert run.idle_memory_bytes[:2] == (201 << 20, 201 << 20)
    late = find_drawn(memory_grows_s=grows, counters_s=1_100).run  # those after the load say nothing of the rest
    assert late.idle_memory_bytes[:2] == (200 << 20, 200 << 20)


def test_a_run_without_stages_reads_as_empty(find_drawn: FindDrawn) -> None:
    findings = find_drawn(order=(), ends=("interrupted",))
    assert findings.run.stages == ()
    assert findings.endpoints == ("balance", "statistics")
    assert findings.saturation["go", "balance"] is None
    assert findings.same_load["balance"] is None


def test_a_broken_line_is_an_error_that_names_it(write_drawn: WriteDrawn) -> None:
    path = write_drawn(cut_after=2)
    with (path / "seconds.jsonl").open("a") as file:
        file.write("{broken}\n")
    with pytest.raises(RunFolderError, match=r"seconds\.jsonl, line \d+"):
        read_run(RunReader(path))


def test_a_plan_that_cannot_be_read_is_an_error_that_names_its_key(write_drawn: WriteDrawn) -> None:
    path = write_drawn(cut_after=2)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["plan"]["swarm"]["seats"] = "many"
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFolderError, match=r"plan\.swarm\.seats"):
        read_run(RunReader(path))


def test_an_answer_counts_in_the_second_of_its_end_whichever_stage_asked() -> None:
    trace = LoadTrace()
    for stage, second, phase, done, bad in (
        (1, 10, "drain", 50, 5),
        (2, 10, "measure", 100, 0),
        (2, 11, "measure", 70, 0),
    ):
        status = {"2xx": StatusCount(done, {"status": bad} if bad else {})}
        trace.add(Second(second * NS, "", second, stage, "go", "balance", phase, None, 0, status=status))  # type: ignore[arg-type]
    assert trace.rates_rps("go", 10 * NS, 12 * NS) == (110.0, 107.5)
    assert trace.rates_rps("rust", 10 * NS, 12 * NS) == (0.0, 0.0)
    assert trace.rates_rps("go", 10 * NS, 10 * NS) == (0.0, 0.0)


def test_a_p99_of_the_timeline_stands_on_a_thousand_answers() -> None:
    trace = LoadTrace()
    times = Histogram([(1_000, 400)]).sparse()
    for second in range(10, 16):
        status = {"2xx": StatusCount(400, service=times)}
        trace.add(Second(second * NS, "", second, 1, "go", "balance", "measure", None, 400, status=status))
    assert [(span.from_s, span.to_s, span.p99_ms) for span in trace.spans] == [(10, 13, 1.0), (13, 16, 1.0)]
