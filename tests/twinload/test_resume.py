"""Whole runs that are killed at random points and go on: nothing is lost, nothing counted twice."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from live_pair import Pair, wait_until
from wallet_pair import BINARIES, wallet_pair

from analysis.setting import plan_of
from records.run_folder import REPORT_FILES, RunReader
from records.segment import Segment
from records.stage import StageLine
from swarm.capacity_pairs import Standing
from swarm.schedule import Answers, Scope, campaign
from twinload.resume import read_cut_short

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1_200),
    pytest.mark.skipif(not all(one.is_file() for one in BINARIES.values()), reason="the wallet is not built"),
]
Victim = Literal["parent", "generator", "everything", "interrupt"]
ANYWAY = ("--anyway", "commit")  # a checkout with changes is unlike itself


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = wallet_pair(tmp_path / "pair")
    yield made
    for process in made.processes():
        process.kill()


def lines_of(pair: Pair, name: str) -> int:
    path = pair.runs / "latest" / name
    return path.read_bytes().count(b"\n") if path.exists() else 0


def strike(pair: Pair, pid: int, victim: Victim) -> None:
    """Kill a part of a run, or ask for its end."""
    generators = [one for one in pair.processes() if "locust" in " ".join(one.cmdline())]
    if victim == "interrupt":
        os.kill(pid, signal.SIGINT)
    if victim in ("generator", "everything"):
        for one in generators:
            one.kill()
    if victim in ("parent", "everything"):
        os.kill(pid, signal.SIGKILL)


def run_and_strike(pair: Pair, words: tuple[str, ...], victim: Victim, *, seconds: int) -> int:
    """Run until so many more seconds were counted, strike, and return the exit code."""
    before = lines_of(pair, "seconds.jsonl")
    process = pair.start(*words)
    said: list[str] = []
    wait_until(
        lambda: process.poll() is not None or lines_of(pair, "seconds.jsonl") >= before + seconds,
        timeout_s=240, what="load",
    )  # fmt: skip
    if process.poll() is None:
        strike(pair, process.pid, victim)
    said.append(process.communicate(timeout=240)[0])
    wait_until(lambda: pair.processes() == [], timeout_s=60, what="the end of all children")
    print(victim, process.returncode, said[0][-6_000:])
    return process.returncode


def segment_of(line_ns: int, segments: tuple[Segment, ...]) -> int:
    return sum(one.t_ns <= line_ns for one in segments)


def check_counts(folder: Path) -> int:
    """Hold what was counted against the targets' own counters, segment by segment; return how many were held.

    A wallet counts the reading of its metrics page, too: each reading is in the next one.
    """
    reader = RunReader(folder)
    segments, events = reader.segments(), reader.events()
    seconds = list(reader.seconds())
    held = 0
    for number in range(len(segments) + 1):
        counted = [e for e in events if e.kind == "counters" and segment_of(e.t_ns, segments) == number]
        if not counted:
            continue
        before = counted[0].figures
        for twin in ("go", "rust"):
            readings = [e for e in counted[1:] if e.stage is not None and f"{twin}-1" in e.figures]
            mine = [s for s in seconds if s.twin == twin and segment_of(s.t_ns, segments) == number]
            if not readings:
                continue
            last = readings[-1].stage or 0
            answered = sum(s.done for s in mine if s.stage <= last)
            grown = readings[-1].figures[f"{twin}-1"] - before[f"{twin}-1"]
            assert answered == grown - len(readings), (number, twin)
            held += 1
            end = [e for e in events if e.kind == "interrupted" and segment_of(e.t_ns, segments) == number]
            if end:  # in an orderly end also the stage that was cut short is counted to its last request
                assert counted[-1].stage is None
                answered = sum(s.done for s in mine)
                assert answered == counted[-1].figures[f"{twin}-1"] - before[f"{twin}-1"] - len(readings) - 1
    return held


def check_folder(folder: Path) -> tuple[StageLine, ...]:
    """Hold that every stage that began has a line or is named as aborted, and return the lines that count."""
    reader = RunReader(folder)
    aborted = [e.stage for e in reader.events() if e.kind == "stage-aborted"]
    assert len(aborted) == len(set(aborted))
    assert set(aborted) == {stage for one in reader.segments() for stage in one.aborted}
    lines = tuple(line for line in reader.stages() if line.stage.id not in aborted)
    assert all(line.complete for line in lines)
    assert {s.stage for s in reader.seconds()} - set(aborted) == {line.stage.id for line in lines}
    stamps = [event.t_ns for event in reader.events()]
    assert stamps == sorted(stamps)
    assert len({line.stage.id for line in reader.stages()}) == len(reader.stages())
    return lines


def test_a_run_killed_again_and_again_ends_with_a_whole_report(pair: Pair) -> None:
    rng = random.Random(20_261)
    strikes: list[Victim] = ["parent", "interrupt", "generator", "everything"]
    rng.shuffle(strikes)
    points = [rng.randint(1, 9) for _ in strikes]
    print("seed 20261", list(zip(strikes, points, strict=True)))
    words: tuple[str, ...] = ("run", "--no-gate")
    for victim, seconds in zip(strikes, points, strict=True):
        code = run_and_strike(pair, words, victim, seconds=seconds)
        assert code == {"parent": -9, "everything": -9, "interrupt": 130, "generator": 3}[victim]
        words = ("run", "--no-gate", "--resume", str(pair.latest), *ANYWAY)
        if victim == "parent":
            drawn = pair.call("report", str(pair.latest))
            assert drawn.returncode == 0, drawn.stderr
            assert json.loads((pair.latest / "report" / "summary.json").read_bytes())["run"]["partial"] is True
    with (pair.latest / "seconds.jsonl").open("ab") as file:
        file.write(b'{"t_ns": 12')  # what a crash amid a write leaves
    (pair.latest / "seal.json").unlink(missing_ok=True)
    done = pair.call(*words, timeout=600)
    assert done.returncode == 0, done.stderr
    folder = pair.latest
    lines = check_folder(folder)
    assert len(RunReader(folder).segments()) == len(strikes)
    # Each stage of the plan once: 2 twins, 2 pairs, 3 rates.
    found = Counter((line.stage.twin, line.stage.pair, line.stage.rate_rps) for line in lines)
    assert len(found) == 12
    assert set(found.values()) == {1}
    assert check_counts(folder) >= 2
    assert sorted(p.name for p in (folder / "report").iterdir()) == sorted(REPORT_FILES)
    run = json.loads((folder / "report" / "summary.json").read_bytes())["run"]
    assert (run["partial"], run["pairs_measured"]) == (False, 2)
    assert any("resumed 4 times" in note for note in run["notes"])
    assert (folder / "set-aside" / "seconds.jsonl").read_bytes() == b'{"t_ns": 12'
    assert any(e.kind == "set-aside" and "seconds.jsonl" in e.text for e in RunReader(folder).events())
    audited = pair.call("audit", str(folder))
    assert audited.returncode == 0, audited.stdout
    again = pair.call("run", "--no-gate", "--resume", str(folder), *ANYWAY)
    assert again.returncode == 2
    assert "the run is complete" in again.stderr


def test_a_capacity_search_goes_on_from_its_last_trial(pair: Pair) -> None:
    sets = ("search.mode=capacity", "search.trial_s=1", "search.time_limit_s=300.0", "stages.rates_rps=[600.0]")
    words = ("run", "--no-gate", *(word for one in sets for word in ("--set", one)))
    resumed = (*words, "--resume", str(pair.runs / "latest"), *ANYWAY)
    rng = random.Random(7)
    assert run_and_strike(pair, words, "parent", seconds=rng.randint(24, 32)) == -9
    first = RunReader(pair.latest).stages()
    assert run_and_strike(pair, resumed, "everything", seconds=rng.randint(24, 32)) == -9
    assert run_and_strike(pair, resumed, "interrupt", seconds=rng.randint(24, 32)) == 130
    lines = RunReader(pair.latest).stages()
    assert {line.stage.id for line in first if line.complete} < {line.stage.id for line in lines if line.complete}
    assert any(line.stage.kind == "trial" for line in lines)
    assert check_counts(pair.latest) >= 2
    assert sum(left_over(pair.latest)) == 0


def left_over(folder: Path) -> list[int]:
    """Begin the schedule of a run anew and return how many finished stages it did not ask for, if it went on."""
    run = read_cut_short(folder)
    plan, past, load_s = plan_of(run.manifest), run.past, 0.0
    answers = Answers(
        lambda line: past.counts(line.stage.id) or pytest.fail("no counts"), lambda _: Standing(False, "")
    )
    scope = replace(Scope.of(plan), first_id=past.next_id)
    schedule = campaign(plan, scope, clock=lambda: load_s, tell=lambda _: None, answers=answers)
    asked = next(schedule)
    while len(given := past.take(asked)) == len(asked):
        load_s = max(load_s, *(past.load_s_of(line.stage.id) for line in given))
        asked = schedule.send(given)
    return [len(waiting) for waiting in past.waiting.values()]


def test_what_differs_is_named_and_nothing_is_started(pair: Pair) -> None:
    run_and_strike(pair, ("run", "--no-gate"), "parent", seconds=1)
    before = {path: path.read_bytes() for path in pair.latest.iterdir() if path.is_file()}
    refused = pair.call("run", "--resume", str(pair.latest), "--set", "stages.measure_s=2", *ANYWAY)
    assert refused.returncode == 2
    assert "plan.stages.measure_s: 1 against 2 (cannot be waived)" in refused.stderr
    assert "twinload run --no-gate" in refused.stderr
    assert {path: path.read_bytes() for path in pair.latest.iterdir() if path.is_file()} == before
