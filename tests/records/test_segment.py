"""A run's clock over its segments, and the half lines that a crash leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from drawn_run import Drawn, manifest_for
from hypothesis import given
from hypothesis import strategies as st

from records.clock import NS
from records.event import Event
from records.manifest import Manifest
from records.run_folder import RAW, SEGMENTS, RunReader, RunWriter, broken_seals, seal, set_torn_aside
from records.second import Second
from records.segment import PAUSE_S, Segment, moved, shift_after
from records.stage import Stage, StageLine
from records.usage import HostUsage, UsageLine

TIMES = st.integers(min_value=0, max_value=10**18)
STAGE = Stage(3, "at-0.5", "measure", "go", "a", 0, 0, 100.0, 1, 2)


@pytest.fixture
def manifest() -> Manifest:
    return manifest_for(Drawn())


def event(t_ns: int) -> Event:
    return Event(t_ns, "2026-01-01T00:00:00.000Z", "probe", "found")


def segment(manifest: Manifest) -> Segment:
    return Segment(2, 9, "u", 1, 2, 3, ("twinload",), None, None, {}, manifest.host, manifest.instances, (4,))


def test_a_shift_puts_now_behind_the_last_line() -> None:
    # After a reboot: the last line at 100.2 s, the clock at 7.9 s. 101 + 5 - 7 = 99, and 7.9 + 99 = 106.9.
    assert shift_after(100_200_000_000, 7_900_000_000) == 99
    # The same boot, an hour later: 101 + 5 - 3,700.
    assert shift_after(100_200_000_000, 3_700 * NS) == -3_594


@given(last_ns=TIMES, now_ns=TIMES)
def test_a_shifted_now_is_between_a_pause_and_two_seconds_more_behind(last_ns: int, now_ns: int) -> None:
    gap_ns = now_ns + shift_after(last_ns, now_ns) * NS - last_ns
    assert PAUSE_S * NS <= gap_ns < (PAUSE_S + 2) * NS


def test_all_monotonic_times_of_a_line_move_together_and_utc_stays() -> None:
    line = StageLine(9 * NS, "utc", STAGE, "fasthttp", 8, 5, 200.0, 200, 200)
    assert moved(line, 100) == replace(line, t_ns=109 * NS, start_second=105)
    second = Second(9 * NS, "utc", 9, 3, "go", "a", "measure", 100.0, 100)
    assert moved(second, -4) == replace(second, t_ns=5 * NS, second=5)
    usage = UsageLine(9 * NS, "utc", 9, (1.0,), (1,), (None,), (None,), HostUsage(1.0, 0.0, (1.0,), 5), (8 * NS, None))
    assert moved(usage, 1) == replace(usage, t_ns=10 * NS, second=10, sampled_ns=(9 * NS, None))
    assert moved(event(9), 0) == event(9)


def test_a_later_segment_writes_on_the_runs_clock(tmp_path: Path, manifest: Manifest) -> None:
    with RunWriter(tmp_path / "run", manifest) as writer:
        writer.write(event(100 * NS))
    with RunWriter(tmp_path / "run", None, shift_s=99) as writer:
        writer.write(segment(manifest))
        writer.write(event(7 * NS))
    reader = RunReader(tmp_path / "run")
    assert [one.t_ns for one in reader.events()] == [100 * NS, 106 * NS]
    assert reader.segments() == (segment(manifest),)
    assert reader.manifest() == manifest


def test_a_run_that_was_never_resumed_has_no_segments(tmp_path: Path, manifest: Manifest) -> None:
    RunWriter(tmp_path / "run", manifest).close()
    assert RunReader(tmp_path / "run").segments() == ()
    assert not (tmp_path / "run" / SEGMENTS).exists()


@pytest.mark.parametrize("size", [1, 100, 1 << 16, 200_000])
def test_a_half_line_is_set_aside_and_the_file_goes_on_whole(tmp_path: Path, manifest: Manifest, size: int) -> None:
    path = tmp_path / "run"
    with RunWriter(path, manifest) as writer:
        writer.write(event(1))
    for _ in range(2):  # a run may be killed more than once
        with (path / "events.jsonl").open("ab") as file:
            file.write(b"{" * size)
        assert set_torn_aside(path)["events.jsonl"].startswith("set-aside/events.jsonl")
    assert (path / "set-aside" / "events.jsonl").read_bytes() == b"{" * size
    assert (path / "set-aside" / "events.jsonl.2").read_bytes() == b"{" * size
    assert set_torn_aside(path) == {}
    with RunWriter(path, None) as writer:
        writer.write(event(2))
    assert [one.t_ns for one in RunReader(path).events()] == [1, 2]


def test_a_file_without_one_whole_line_is_emptied(tmp_path: Path, manifest: Manifest) -> None:
    RunWriter(tmp_path / "run", manifest).close()
    (tmp_path / "run" / "seconds.jsonl").write_bytes(b'{"t_ns": 1')
    assert set_torn_aside(tmp_path / "run") == {"seconds.jsonl": "set-aside/seconds.jsonl"}
    assert (tmp_path / "run" / "seconds.jsonl").read_bytes() == b""


@given(cuts=st.lists(st.integers(min_value=0, max_value=400), min_size=4, max_size=4))
def test_wherever_the_files_were_cut_the_whole_lines_stay(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("cut") / "run"
    with RunWriter(path, manifest_for(Drawn())) as writer:
        for t_ns in range(3):
            writer.write(event(t_ns))
    for name, cut in zip(RAW, cuts, strict=True):
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[:cut])
    whole = (path / "events.jsonl").read_bytes().count(b"\n")
    set_torn_aside(path)
    assert [one.t_ns for one in RunReader(path).events()] == list(range(whole))


def test_a_seal_holds_the_segments_too(tmp_path: Path, manifest: Manifest) -> None:
    path = tmp_path / "run"
    RunWriter(path, manifest).close()
    with RunWriter(path, None) as writer:
        writer.write(segment(manifest))
    seal(path)
    assert broken_seals(path) == ()
    (path / SEGMENTS).write_bytes(b"")
    assert broken_seals(path) == (SEGMENTS,)
