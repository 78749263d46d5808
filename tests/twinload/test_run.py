"""Whole runs of a small real pair: what a run leaves, and the days on which something goes wrong."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import psutil
import pytest
from live_pair import Pair, wait_until

from clusters.ports import free_ports
from records.run_folder import REPORT_FILES, RunReader
from userpool import make_pool

pytestmark = pytest.mark.slow


def summary(pair: Pair) -> dict[str, Any]:
    return json.loads((pair.latest / "report" / "summary.json").read_text(encoding="utf-8"))


def stage_lines(pair: Pair) -> int:
    path = pair.runs / "latest" / "seconds.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_a_run_leaves_eleven_files_and_a_seal(finished: Pair) -> None:
    assert sorted(p.name for p in (finished.latest / "report").iterdir()) == sorted(REPORT_FILES)
    assert (finished.latest / "seal.json").is_file()
    assert set(summary(finished)["twins"]) == {"threads", "asyncio"}
    assert ET.parse(finished.latest / "report" / "junit.xml").getroot() is not None  # noqa: S314


def test_both_twins_get_the_planned_rates_and_every_request_is_counted(finished: Pair) -> None:
    reader = RunReader(finished.latest)
    lines = reader.stages()
    for twin in ("threads", "asyncio"):
        assert [line.stage.rate_rps for line in lines if line.stage.twin == twin] == [60.0, 120.0]
    for line in lines:
        start = line.start_second + line.stage.warmup_s
        window = range(start, start + line.stage.measure_s)
        measured = [s for s in reader.seconds() if s.stage == line.stage.id and s.second in window]
        assert sum(s.sent for s in measured) == line.sent
        assert sum(s.offered or 0 for s in measured) == line.offered
        # Poisson arrivals: 2 s at a rate r offer 2 r with a standard error of sqrt(2 r); six of them.
        planned = 2 * (line.stage.rate_rps or 0)
        assert line.offered == pytest.approx(planned, abs=6 * planned**0.5)
    for twin in ("threads", "asyncio"):
        seconds = [s for s in reader.seconds() if s.twin == twin]
        assert sum(s.offered or 0 for s in seconds) == sum(s.sent + s.dropped for s in seconds) > 300
        assert sum(s.sent for s in seconds) == sum(s.done for s in seconds)


def test_the_generator_proves_itself_in_every_stage(finished: Pair) -> None:
    for line in RunReader(finished.latest).stages():
        assert line.sender == "native-schedule"
        assert line.proof is not None
        assert line.proof.lag_p50_us is not None
        assert line.proof.cpu_ratio is not None
        assert 0 < line.proof.cpu_ratio < 0.9


def test_answers_under_load_are_compared_with_the_gates(finished: Pair) -> None:
    for twin, bodies in summary(finished)["run"]["bodies"].items():
        answered = sum(second.done for second in RunReader(finished.latest).seconds() if second.twin == twin)
        assert 0 < bodies["compared"] <= answered
        assert bodies["differed"] == 0


def test_a_report_is_drawn_again_from_the_folder_alone_and_a_changed_line_is_refused(
    finished: Pair, tmp_path: Path
) -> None:
    copy = tmp_path / finished.latest.name
    shutil.copytree(finished.latest, copy)
    before = (copy / "report" / "summary.json").read_bytes()
    assert finished.call("report", str(copy)).returncode == 0
    assert (copy / "report" / "summary.json").read_bytes() == before
    seconds = copy / "seconds.jsonl"
    seconds.write_bytes(seconds.read_bytes().replace(b'"sent":', b'"sent": ', 1))
    refused = finished.call("report", str(copy))
    assert refused.returncode == 2
    assert "changed since the run was sealed: seconds.jsonl" in refused.stderr


def test_a_gate_that_fails_sends_no_load(pair: Pair) -> None:
    source = pair.folder / "quotes_asyncio.py"
    text = source.read_text(encoding="utf-8")
    flip = "body.replace(b'\"cents\":1', b'\"cents\":2', 1)"
    source.write_text(text.replace("+ body)", f"+ {flip})").replace("else body))", f"else {flip}))"), encoding="utf-8")
    done = pair.call("run")
    assert done.returncode == 1, done.stderr
    assert "$.lines[" in done.stderr
    assert not (pair.runs / "latest").exists()


def test_a_taken_port_is_told_with_its_owner_before_anything_starts(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", pair.ports[1])):
        done = pair.call("run")
    assert done.returncode == 2
    assert f"{pair.ports[1]}" in done.stderr
    assert f"{os.getpid()}" in done.stderr
    assert pair.processes() == []


def test_a_missing_program_is_named(pair: Pair) -> None:
    done = pair.call("run", "--set", 'twins.asyncio.command=["./rewrite", "{port}"]')
    assert done.returncode == 2
    assert "rewrite" in done.stderr


def test_a_plan_for_more_cpus_than_there_are_is_refused(pair: Pair) -> None:
    done = pair.call("run", "--set", "twins.asyncio.cpu_set=[64]")
    assert done.returncode == 2
    assert "this machine offers the cores" in done.stderr


def test_a_stage_that_its_ramp_cannot_reach_is_refused(pair: Pair) -> None:
    done = pair.call("check", "--set", "swarm.spawn_rate=10.0")
    assert done.returncode == 2
    assert "its ramp takes" in done.stderr


def test_too_few_descriptors_are_refused(pair: Pair) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (140, 140))

    done = pair.call("run", preexec_fn=few)
    assert done.returncode == 2
    assert "the limit is 140" in done.stderr


def test_a_runs_folder_that_cannot_be_written_is_refused_before_anything_starts(pair: Pair) -> None:
    pair.runs.write_text("a file", encoding="utf-8")
    done = pair.call("run")
    assert done.returncode == 2
    assert "give another folder by --runs DIR" in done.stderr


def test_a_full_disk_ends_the_run_and_keeps_what_was_written(pair: Pair) -> None:
    pair.runs.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(pair.runs)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no permission to mount a small file system here")
    try:
        done = pair.call("run", "--no-gate", "--set", "stages.rates_rps=[400.0,400.0,400.0,400.0]")
        assert done.returncode == 2, done.stderr
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr
        assert sum(1 for _ in RunReader(pair.latest).seconds()) > 0
    finally:
        subprocess.run(["umount", str(pair.runs)], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_under_load_still_gives_a_report_marked_partial(pair: Pair, number: signal.Signals) -> None:
    process = pair.start("run", "--no-gate")
    wait_until(lambda: stage_lines(pair) >= 2, what="load")
    os.killpg(process.pid, number)
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 130, said
    assert summary(pair)["run"]["partial"] is True
    assert sorted(p.name for p in (pair.latest / "report").iterdir()) == sorted(REPORT_FILES)


@pytest.mark.parametrize("step", ["starting", "gate"])
def test_an_interrupt_before_the_load_leaves_nothing_running(pair: Pair, step: str) -> None:
    process = pair.start("run", "--set", "shadow.bound=0.0005")
    wait_until(lambda: len(pair.processes()) >= (2 if step == "starting" else 3), what=step)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 130, said
    assert "Traceback" not in said


def test_an_interrupt_before_the_first_stage_is_told_as_one(pair: Pair) -> None:
    process = pair.start("run", "--no-gate")
    wait_until((pair.runs / "latest" / "events.jsonl").exists, what="the run folder")
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 130, said
    assert [event.kind for event in RunReader(pair.latest).events()][-1] == "interrupted"
    assert sorted(p.name for p in (pair.latest / "report").iterdir()) == sorted(REPORT_FILES)


def test_imported_users_are_never_replaced_by_generated_ones(pair: Pair) -> None:
    (pair.folder / "ids.csv").write_text("id\nreal-1\nreal-2\n", encoding="utf-8")
    key = pair.folder / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    pool = str(pair.folder / ".twinload" / "pool")
    words = ["--import", str(pair.folder / "ids.csv"), "--key-file", str(key), "--out", pool]
    assert pair.call("pool", *words).returncode == 0
    done = pair.call("run")
    assert done.returncode == 2
    assert "add import_file and key_file" in done.stderr


def test_a_killed_run_leaves_no_orphan(pair: Pair) -> None:
    process = pair.start("run", "--no-gate")
    wait_until(lambda: stage_lines(pair) >= 1, what="load")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    wait_until(lambda: pair.processes() == [], timeout_s=60, what="the end of all children")


def test_an_instance_killed_under_load_is_named_and_the_other_twin_is_measured_to_the_end(pair: Pair) -> None:
    process = pair.start("run", "--no-gate", "--set", "search.pairs=2")
    wait_until(lambda: stage_lines(pair) >= 2, what="load")
    first = RunReader(pair.latest)
    twin = next(iter(first.seconds())).twin
    (victim,) = [i for i in first.manifest().instances if i.twin == twin]
    assert victim.pid is not None
    psutil.Process(victim.pid).kill()
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 2, said
    assert f"{twin}-1" in said
    events = RunReader(pair.latest).events()
    assert [event.instance for event in events if event.kind == "instance-died"] == [f"{twin}-1"]
    assert any(line.valid is False for line in RunReader(pair.latest).stages())
    assert summary(pair)["run"]["partial"] is True
    # The rest of the run is usable: two pairs of two rates of the other twin, and what was left out is told.
    measured = [line for line in RunReader(pair.latest).stages() if line.stage.twin != twin]
    assert [line.stage.rate_rps for line in measured] == [60.0, 120.0] * 2
    assert not any("died" in why for line in measured for why in line.why)
    assert f"sweep of {twin} left out" in said
    assert any(f"sweep of {twin} left out" in note for note in summary(pair)["run"]["notes"])


def test_raw_ids_stay_out_of_every_file_also_when_they_are_sent(pair: Pair) -> None:
    ids = [f"real-customer-{number:04d}" for number in range(300)]
    (pair.folder / "ids.csv").write_text("id\n" + "\n".join(ids) + "\n", encoding="utf-8")
    key = pair.folder / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    words = ['pool.import_file="ids.csv"', 'pool.key_file="key"', 'pool.send="raw"', "stages.rates_rps=[100.0]"]
    done = pair.call("run", "-v", *(word for text in words for word in ("--set", text)))
    assert done.returncode == 0, done.stderr
    said = (done.stdout + done.stderr).encode()
    files = [path for path in (*pair.runs.rglob("*"), *(pair.folder / ".twinload").rglob("*")) if path.is_file()]
    assert len(files) > 15
    for text in (said, *(path.read_bytes() for path in files)):
        assert [raw for raw in ids if raw.encode() in text] == []


def test_a_generator_that_is_too_slow_is_blamed_itself(pair: Pair) -> None:
    """Both twins answer far more than Locust's own client can send: no stage may say that a twin was saturated."""
    words = ["--set", "stages.rates_rps=[30000.0]", "--set", "swarm.spawn_rate=1e6"]
    words += ["--set", 'swarm.sender="fasthttp"', "--set", "swarm.seats=30"]
    done = pair.call("run", "--no-gate", *fast_pair(pair), *words)
    assert done.returncode == 0, done.stderr
    lines = RunReader(pair.latest).stages()
    assert lines
    assert [line.valid for line in lines] == [False] * len(lines)
    # Another program on the same cores may be to blame in one of them, a twin in none.
    assert any("the generator was the limit" in why for line in lines for why in line.why), lines


def fast_pair(pair: Pair) -> list[str]:
    """Return the words that put the reference pair's Rust service, which sends short answers, on both sides."""
    binary = Path(__file__).parents[2] / ".twinload" / "bin" / "wallet-rust"
    data = pair.folder / "small"
    make_pool(200, 1, data)
    ports = free_ports(2)
    words = []
    for name, port in zip(("threads", "asyncio"), ports, strict=True):
        argv = json.dumps([str(binary), "--listen", "{address}", "--data", str(data), "--serve", "hot", "--name", name])
        words += ["--set", f"twins.{name}.command={argv}", "--set", f'twins.{name}.ready="/readyz"']
        words += ["--set", f'twins.{name}.instances.0.address="127.0.0.1:{port}"']
    return [*words, "--set", 'workload.0.path="/fib?n=1"']
