"""The run folder: what is written is read back, whatever a crash or a hand did to it."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.errors import RunFolderError
from records.event import Event
from records.hdr import BUCKETS
from records.instance import Instance
from records.manifest import SCHEMA, GateRecord, HostFacts, Manifest, PoolFacts
from records.run_folder import RAW, RunReader, RunWriter, broken_seals, point_latest, seal
from records.second import Second, StatusCount, merge_status
from records.stage import Stage, StageLine
from records.usage import HostUsage, UsageLine

MANIFEST = Manifest(
    SCHEMA, "20260101T000000Z-test", "test", "2026-01-01T00:00:00.000Z", 5, 7, ("twinload", "run"), None, None, {}, {},
    HostFacts("box", "6.1", "cpu", 2, 1 << 30, 20_000, 28_000, 0.5), {"schema": 1}, "d",
    PoolFacts(16_000, 1, None, "p", False), GateRecord("k", "t", True, {"a": 3_000}, {"a": 0}, {"a": 0.001}),
    (Instance("go-1", "target", "go", "127.0.0.1:1", serves=("a",), cpu_set=(0,), watch="process", pid=7),),
    800, "fasthttp", {"descriptors": 20_000.0},
)  # fmt: skip
STAGE = StageLine(
    9, "t", Stage(1, "s-1", "measure", "go", "a", 0, 0, 100.0, 1, 2, 0.5, users=400), "fasthttp", 800, 3, 200.0, 200,
    199, {"timeout": 1}, valid=False, why=("because",),
)  # fmt: skip
SECOND = Second(
    9, "t", 3, 1, "go", "a", "measure", 100.0, 100, 1, ((5, 2),), 4,
    {"2xx": StatusCount(99, {}, ((5, 99),), ((6, 99),), 1_000), "none": StatusCount(1, {"timeout": 1})},
)  # fmt: skip
USAGE = UsageLine(9, "t", 3, (1.5, None), (1 << 20, None), (3, None), (None, 2), HostUsage(2.0, 0.1, (1.0, 1.0), 5))
EVENT = Event(9, "t", "instance-died", "go-1 died", 1, "go-1", {"code": -9.0})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with one line of each kind."""
    with RunWriter(tmp_path / "run", MANIFEST) as writer:
        for line in (STAGE, SECOND, USAGE, EVENT):
            writer.write(line)
    return tmp_path / "run"


def test_everything_written_is_read_back(run: Path) -> None:
    reader = RunReader(run)
    assert reader.manifest() == MANIFEST
    assert reader.stages() == (STAGE,)
    assert list(reader.seconds()) == [SECOND]
    assert list(reader.usage()) == [USAGE]
    assert reader.events() == (EVENT,)
    assert (SECOND.done, SECOND.failed) == (100, 1)


def test_lines_are_on_disk_before_the_writer_closes(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run", MANIFEST)
    writer.write(EVENT)
    assert RunReader(tmp_path / "run").events() == (EVENT,)
    writer.close()


COUNTS = st.integers(0, 2**40)
CELLS = st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 2**40), max_size=8)
SPARSE = CELLS.map(lambda cells: tuple(sorted(cells.items())))
Lag = tuple[tuple[int, int], ...] | None
STATUS = st.builds(
    StatusCount, COUNTS, st.dictionaries(st.text(max_size=8), COUNTS, max_size=3), SPARSE, st.none() | SPARSE, COUNTS
)


@given(STATUS, st.none() | SPARSE, st.text(max_size=20), st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_second_survives_its_codec(status: StatusCount, lag: Lag, name: str, offered: float | None) -> None:
    second = replace(SECOND, endpoint=name, offered=offered, send_lag=lag, status={"2xx": status})
    line = msgspec.json.encode(second)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Second) == second


@given(STATUS, STATUS)
def test_merging_counts_is_the_same_either_way(one: StatusCount, two: StatusCount) -> None:
    assert merge_status(one, two) == merge_status(two, one)
    assert merge_status(one, two).done == one.done + two.done


@pytest.mark.parametrize("kept", [1, 10, -2])
def test_a_last_line_cut_by_a_crash_is_left_out(run: Path, kept: int) -> None:
    path = run / "seconds.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:kept])
    assert list(RunReader(run).seconds()) == [SECOND]


def test_a_broken_line_is_an_error_that_names_file_and_line(run: Path) -> None:
    with (run / "usage.jsonl").open("a") as file:
        file.write('{"t_ns": "soon"}\n')
    with pytest.raises(RunFolderError, match=r"usage\.jsonl, line 2: .*changed or is damaged"):
        list(RunReader(run).usage())


def test_a_missing_file_is_an_error_that_names_it(run: Path) -> None:
    (run / "events.jsonl").unlink()
    with pytest.raises(RunFolderError, match=r"events\.jsonl is missing"):
        RunReader(run).events()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="is no run folder"):
        RunReader(tmp_path)


def test_a_manifest_that_is_damaged_is_an_error(run: Path) -> None:
    (run / "manifest.json").write_text("{}")
    with pytest.raises(RunFolderError, match=r"cannot read .*manifest\.json"):
        RunReader(run).manifest()


def test_a_run_folder_is_never_written_over(run: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot make"):
        RunWriter(run, MANIFEST)
    assert RunReader(run).events() == (EVENT,)


def test_the_seal_holds_every_file_and_finds_a_changed_byte(run: Path) -> None:
    (run / "report").mkdir()
    (run / "report" / "summary.json").write_text("{}")
    hashes = seal(run)
    assert set(hashes) == {"manifest.json", *RAW, "report/summary.json"}
    assert json.loads((run / "seal.json").read_text()) == hashes
    assert broken_seals(run) == ()
    for name in ("manifest.json", *RAW):
        whole = (run / name).read_bytes()
        (run / name).write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        assert broken_seals(run) == (name,)
        (run / name).write_bytes(whole)
    (run / "usage.jsonl").unlink()
    assert broken_seals(run) == ("usage.jsonl",)


def test_a_rewritten_report_breaks_no_seal(run: Path) -> None:
    (run / "report").mkdir()
    (run / "report" / "summary.md").write_text("old")
    seal(run)
    (run / "report" / "summary.md").write_text("new")
    assert broken_seals(run) == ()


def test_a_run_without_a_seal_has_no_broken_one(run: Path) -> None:
    assert broken_seals(run) == ()


@pytest.mark.parametrize("text", [b"", b"{", b'["a"]', b'{"manifest.json": 1}', b'{"a": "\xff"}'])
def test_a_damaged_seal_is_an_error_with_its_remedy(run: Path, text: bytes) -> None:
    (run / "seal.json").write_bytes(text)
    with pytest.raises(RunFolderError, match=r"seal\.json: .*the seal is damaged .*remove seal\.json"):
        broken_seals(run)


def test_latest_points_to_the_newest_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point_latest(tmp_path, tmp_path / name)
        assert (tmp_path / "latest").readlink() == Path(name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "one", "two"]


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"cannot make .*file/run.*--runs DIR"):
        RunWriter(tmp_path / "file" / "run", MANIFEST)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, where this machine lets us mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = _mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder))
    if made.returncode != 0:
        pytest.skip(f"cannot mount a small tmpfs: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write where the mode forbids it; a read-only mount is below")
def test_a_folder_without_write_permission_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunFolderError, match=r"cannot make .*Permission denied"):
            RunWriter(tmp_path / "run", MANIFEST)
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_disk_is_an_error(small_disk: Path) -> None:
    assert _mount("-o", "remount,ro", str(small_disk)).returncode == 0
    with pytest.raises(RunFolderError, match=r"cannot make .*Read-only file system; give a folder with room"):
        RunWriter(small_disk / "run", MANIFEST)


def test_a_full_disk_is_an_error_and_keeps_what_was_written(small_disk: Path) -> None:
    writer = RunWriter(small_disk / "run", MANIFEST)
    written = _write_until_full(writer)
    kept = len(list(RunReader(small_disk / "run").seconds()))
    with contextlib.suppress(RunFolderError):
        writer.close()
    assert all(file.closed for file in writer._files.values())
    assert written > 10
    assert kept in (written, written - 1)


def test_a_file_that_takes_no_more_is_an_error_that_names_it(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run", MANIFEST)
    writer._files["events.jsonl"].close()
    with contextlib.suppress(OSError), Path("/dev/full").open("a", encoding="utf-8", buffering=1) as full:
        writer._files["events.jsonl"] = full
        with pytest.raises(RunFolderError, match=r"cannot write .*events\.jsonl: No space left on device"):
            writer.write(EVENT)
    with contextlib.suppress(RunFolderError):
        writer.close()
    assert all(file.closed for file in writer._files.values())


def _write_until_full(writer: RunWriter) -> int:
    """Write seconds until the disk is full, and return how many went through."""
    for written in range(10_000):
        try:
            writer.write(SECOND)
        except RunFolderError as error:
            if "seconds.jsonl: No space left on device" not in str(error):
                raise
            return written
    pytest.fail("10,000 lines fitted on a disk of 64 KiB")
