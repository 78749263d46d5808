"""What a command runs, by content: the program, its script, the sources beside it, and nothing else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from clusters.program import MOST_SOURCES, Files, files_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an interpreter, a binary, and a script among other files."""
    (tmp_path / "bin").mkdir()
    for name in ("python", "app"):
        (tmp_path / "bin" / name).write_text(name)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "src").mkdir()
    for name in ("server.py", "rules.py", "notes.txt"):
        (tmp_path / "src" / name).write_text(name)
    return tmp_path


def files(folder: Path, *argv: str) -> Files | None:
    return files_of(argv, folder, str(folder / "bin"), {})


def names(folder: Path, *argv: str) -> list[str]:
    found = files(folder, *argv)
    assert found is not None
    return [name for name, _ in found]


def test_a_binary_is_its_own_hash(folder: Path) -> None:
    assert files(folder, "bin/app", "--listen", "127.0.0.1:1") == (("app", hashlib.sha256(b"app").hexdigest()),)


def test_a_script_brings_the_sources_beside_it(folder: Path) -> None:
    expected = ["python", "server.py", "rules.py"]
    assert names(folder, "python", "-u", "src/server.py", "--port", "1") == expected
    assert names(folder, "python", "-X", "dev", "src/server.py") == expected
    assert names(folder, "python", "-m", "src.server") == expected
    assert names(folder, "src/server.py") == ["server.py", "rules.py"]


def test_a_package_is_known_by_its_main_module(folder: Path) -> None:
    (folder / "src/__main__.py").write_text("main")
    assert names(folder, "python", "-m", "src") == ["python", "__main__.py", "rules.py", "server.py"]


def test_folders_below_a_script_do_not_count(folder: Path) -> None:
    (folder / "src/deep").mkdir()
    (folder / "src/deep/more.py").write_text("more")
    assert names(folder, "python", "src/server.py") == ["python", "server.py", "rules.py"]


def test_a_file_that_is_no_source_counts_alone(folder: Path) -> None:
    assert names(folder, "bin/app", "src/notes.txt") == ["app", "notes.txt"]


def test_an_edited_an_added_and_a_renamed_module_each_change_the_files(folder: Path) -> None:
    command = ("python", "src/server.py")
    seen = {files(folder, *command)}
    (folder / "src/rules.py").write_text("other rules")
    seen.add(files(folder, *command))
    (folder / "src/more.py").write_text("more")
    seen.add(files(folder, *command))
    (folder / "src/more.py").rename(folder / "src/most.py")
    seen.add(files(folder, *command))
    assert len(seen) == 4


def test_beyond_the_bound_size_and_time_of_change_count(folder: Path) -> None:
    for number in range(MOST_SOURCES + 1):
        (folder / f"src/s{number:03}.py").write_text("x")
    before = files(folder, "python", "src/server.py")
    assert before is not None
    assert len(before) == 2 + MOST_SOURCES + 2  # rules.py is one of those beside it
    os.utime(folder / f"src/s{MOST_SOURCES:03}.py", (1, 1))
    assert files(folder, "python", "src/server.py") != before


def test_a_program_that_does_not_exist_has_no_files(folder: Path) -> None:
    assert files(folder, "bin/none") is None
    assert files(folder, "none") is None
    assert files(folder) is None
