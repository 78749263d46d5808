from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clusters.errors import Held, RecordUnreadable
from clusters.record import RECORD, Entry, Lock, read_entries, write_entries
from records.instance import Instance

ENTRY = Entry(Instance("go-1", "target", twin="go", pid=7), "/readyz", ("a", "b"), "boot:1", "mark", True)


def test_entries_come_back_as_they_were_written_and_nothing_recorded_is_no_file(tmp_path: Path) -> None:
    assert read_entries(tmp_path) == ()
    with Lock(tmp_path):
        write_entries(tmp_path, [ENTRY])
        assert read_entries(tmp_path) == (ENTRY,)
        write_entries(tmp_path, [])
    assert not (tmp_path / RECORD).exists()


def test_a_damaged_record_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with Lock(tmp_path):
        (tmp_path / RECORD).write_text("[{")
    with pytest.raises(RecordUnreadable, match=r"up\.json cannot be read"):
        read_entries(tmp_path)


def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with Lock(tmp_path), pytest.raises(Held, match=f"held by process {os.getpid()} "):
        Lock(tmp_path)
    Lock(tmp_path).release()


def test_the_lock_of_a_killed_owner_is_free(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from clusters.record import Lock\n"
        f"lock = Lock(Path({str(tmp_path)!r})); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=30, cwd=Path(__file__).parents[2])
    Lock(tmp_path).release()
