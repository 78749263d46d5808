"""Where a run comes from: this machine, these versions, this checkout and no other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from records import provenance


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_host_is_described_whole() -> None:
    facts = provenance.host_facts()
    assert facts.cpus == os.cpu_count()
    assert facts.memory_bytes > 0
    assert facts.hostname
    assert facts.cpu_model


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "twinload", "locust", "numpy"} <= set(provenance.versions())


def test_a_commit_is_that_of_the_checkout_which_tracks_the_file(tmp_path: Path) -> None:
    source, stray = tmp_path / "source.py", tmp_path / "installed.py"
    for path in (source, stray):
        path.write_text("x = 1\n")
    assert provenance.commit(source) == (None, None)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "source.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.commit(source) == (head, False)  # the untracked neighbour is no change
    assert provenance.commit(stray) == (None, None)
    source.write_text("x = 2\n")
    assert provenance.commit(source) == (head, True)
