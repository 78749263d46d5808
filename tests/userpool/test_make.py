"""Pools in their folder: same seed same bytes, whole or not at all, kept when they stand."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from userpool import PoolCorrupt, PoolError, PoolMissing, PoolShape, PoolSummary, PoolTaken, make_pool, read_pool
from userpool.record import versions

SEED = 20_260_101
GOLDEN = Path(__file__).parent / "golden_pool.txt"
DIGEST_IN_A_PROCESS = """
import sys
from pathlib import Path
from userpool import make_pool
print(make_pool(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])).digest)
"""
MILLION_IN_A_PROCESS = """
import sys
from pathlib import Path
from userpool import make_pool
make_pool(1_000_000, 1, Path(sys.argv[1]), ledgers=False)
status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss would remember the parent's
print(status.split("VmHWM:")[1].split()[0])
"""


def run(script: str, *arguments: str, hash_seed: str = "0") -> str:
    """Return what a script prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def golden_lines(summary: PoolSummary) -> list[str]:
    """Return the golden file's lines: what the bytes depend on, then the bytes' hashes."""
    record = read_pool(summary.folder).record
    lines = [f"{name} {number}" for name, number in versions().items()]
    lines += [f"users {summary.users}", f"seed {summary.seed}", f"digest {summary.digest}"]
    return lines + [f"{file.sha256} {file.name}" for file in record.files]


def test_a_pool_of_500_has_the_bytes_of_the_golden_file(tmp_path: Path) -> None:
    wanted = [line for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]
    assert golden_lines(make_pool(500, SEED, tmp_path / "pool")) == wanted


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_same_seed_same_bytes_in_another_process(tmp_path: Path, hash_seed: str) -> None:
    here = make_pool(300, 7, tmp_path / "here").digest
    assert run(DIGEST_IN_A_PROCESS, "300", "7", str(tmp_path / "there"), hash_seed=hash_seed) == here
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_another_seed_changes_users_and_ledgers(tmp_path: Path) -> None:
    one, other = (contents(make_pool(100, seed, tmp_path / str(seed)).folder) for seed in (1, 2))
    assert {name for name in one if one[name] == other[name]} == set()


def test_the_digest_is_the_hash_of_what_sha256sum_prints(tmp_path: Path) -> None:
    summary = make_pool(20, 1, tmp_path / "pool")
    files = {name: data for name, data in contents(summary.folder).items() if name != "pool.json"}
    listing = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    assert summary.digest == hashlib.sha256(listing.encode()).hexdigest()


def test_the_readable_form_has_one_header_and_one_unquoted_line_a_user(reference_pool: PoolSummary) -> None:
    header, *lines = (reference_pool.folder / "userpool.csv").read_text("utf-8").removesuffix("\n").split("\n")
    assert header == "user_id,name,locale,tier,activity,first_seen_ms,until_ms,entries"
    assert len(lines) == 16_000
    assert len({line.split(",")[0] for line in lines}) == 16_000
    assert all(line.count(",") == 7 and '"' not in line and all(line.split(",")) for line in lines)


def test_users_are_the_same_without_ledgers(tmp_path: Path) -> None:
    full = read_pool(make_pool(200, 3, tmp_path / "full").folder)
    bare = read_pool(make_pool(200, 3, tmp_path / "bare", ledgers=False).folder)
    for name in ("user_id", "name", "locale", "tier", "activity"):
        assert full.columns[name] == bare.columns[name]
    assert bare.entries is None
    assert not (bare.folder / "ledger").exists()


def test_a_standing_pool_is_kept_and_another_recipe_replaces_it(tmp_path: Path) -> None:
    out = tmp_path / "pool"
    told: list[str] = []
    first = make_pool(50, 1, out)
    again = make_pool(50, 1, out, progress=told.append)
    assert (first.kept, again.kept, again.digest) == (False, True, first.digest)
    assert told == [f"pool kept: {out} holds 50 users of seed 1 already"]
    recipes = [(50, 2, True, None), (51, 2, True, None), (51, 2, False, None), (51, 2, True, PoolShape(rank_offset=99))]
    for users, seed, ledgers, shape in recipes:
        other = make_pool(users, seed, out, ledgers=ledgers, shape=shape)
        assert not other.kept
        assert read_pool(out).digest == other.digest
    assert [path.name for path in tmp_path.iterdir()] == ["pool"]


def test_a_pool_with_a_file_cut_short_is_made_again(tmp_path: Path) -> None:
    out = make_pool(50, 1, tmp_path / "pool").folder
    column = out / "ledger" / "amount.npy"
    column.write_bytes(column.read_bytes()[:-4])
    with pytest.raises(PoolCorrupt, match=r"amount\.npy: \d+ bytes, pool\.json says"):
        read_pool(out)
    assert not make_pool(50, 1, out).kept
    assert len(read_pool(out)) == 50


def test_a_folder_that_is_not_a_pool_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PoolTaken, match="holds something that is not a pool"):
        make_pool(5, 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_and_missing_parents_are_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert make_pool(5, 1, tmp_path / "empty").users == 5
    assert make_pool(5, 1, tmp_path / "a" / "b" / "pool").users == 5


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_pool_half_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException] | BaseException
) -> None:
    def broken(*_: object) -> None:
        raise fault

    monkeypatch.setattr("userpool.make.csv_chunks", broken)
    with pytest.raises((KeyboardInterrupt, PoolError)) as caught:
        make_pool(5, 1, tmp_path / "pool")
    assert list(tmp_path.iterdir()) == []
    if isinstance(fault, OSError):
        assert "No space left on device" in str(caught.value)


def test_what_a_killed_maker_left_is_swept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".pool.{dead.pid}.partial").mkdir()
    living = tmp_path / f".pool.{os.getppid()}.partial"
    living.mkdir()
    make_pool(5, 1, tmp_path / "pool")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, "pool"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda out: make_pool(0, 1, out), "users = 0"),
        (lambda out: make_pool(5, -1, out), "seed = -1"),
        (lambda out: make_pool(200_001, 1, out), "make the pool without them"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, call: Callable[[Path], object], message: str) -> None:
    with pytest.raises(PoolError, match=message):
        call(tmp_path / "pool")


@pytest.mark.parametrize("users", [1, 2, 3, 15, 16, 17])
def test_the_smallest_pools_are_whole(tmp_path: Path, users: int) -> None:
    pool = read_pool(make_pool(users, 1, tmp_path / "pool").folder)
    assert len(pool) == len(set(pool.ids)) == users
    assert pool.entries is not None
    assert int(pool.entries.sum()) == pool.record.entries


def test_a_million_users_stream_in_less_than_500_mb(tmp_path: Path) -> None:
    peak_kib = int(run(MILLION_IN_A_PROCESS, str(tmp_path / "pool")))
    assert peak_kib * 1024 < 500_000_000
    with (tmp_path / "pool" / "userpool.csv").open("rb") as file:
        assert sum(1 for _ in file) == 1_000_001


def test_a_pool_read_back_has_what_was_made(reference_pool: PoolSummary) -> None:
    pool = read_pool(reference_pool.folder)
    assert pool.digest == reference_pool.digest
    assert (len(pool), pool.ids) == (16_000, pool.columns["user_id"])
    assert set(pool.tiers) == {"viewer", "fan", "whale", "host"}
    assert pool.activity.min() >= 1
    assert "name" in pool.columns
    assert "surname" not in pool.columns


def test_no_pool_and_a_changed_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(PoolMissing, match="make it with `twinload pool`"):
        read_pool(tmp_path)
    out = make_pool(20, 1, tmp_path / "pool").folder
    table = out / "userpool.csv"
    table.write_bytes(table.read_bytes().replace(b"viewer", b"Viewer", 1))
    with pytest.raises(PoolCorrupt, match="changed after the pool was made"):
        read_pool(out)
    (out / "pool.json").write_text("{}")
    with pytest.raises(PoolCorrupt, match="cannot be read"):
        read_pool(out)
