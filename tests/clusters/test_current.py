"""What `twinload up` left running is refused once the plan would start something else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters import Outdated, check_current, recorded, start_clusters, stop_recorded
from clusters.record import read_entries, write_entries
from records.plan import Plan
from records.plan_file import check_plan

Tree = Callable[..., dict[str, Any]]


def quiet(_: str) -> None:
    pass


@pytest.fixture
def up(tree: Tree, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Two twins left running with a secret in their environment; the tree of their plan."""
    monkeypatch.setenv("TOKEN", "one")
    (root / "rules.py").write_text("RULE = 1\n")
    made = tree(env={"SECRET": "${TOKEN}", "MODE": "plain"})
    start_clusters(plan_of(made), root, detach=True, say=quiet)
    yield made
    stop_recorded(root)


def plan_of(tree: dict[str, Any]) -> Plan:
    return check_plan(tree, "test")


def why(tree: dict[str, Any], root: Path) -> str:
    with pytest.raises(Outdated) as error:
        check_current(plan_of(tree), root, recorded(root))
    return str(error.value)


def test_what_runs_is_compared_with_what_would_be_started(
    up: dict[str, Any], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One start for all of it: each change is made, told, and taken back."""
    check_current(plan_of(up), root, recorded(root))
    assert "one" not in [value for entry in read_entries(root) for value in entry.variables]

    with monkeypatch.context() as changed:
        changed.setenv("TOKEN", "two")
        assert "go-1 (its env was changed)" in why(up, root)
        changed.delenv("TOKEN")
        check_current(plan_of(up), root, recorded(root))  # what is not known here cannot be compared

    up["twins"]["go"]["env"]["MODE"] = "other"
    assert "go-1 (its env was changed), go-2 (its env was changed)" in why(up, root)
    up["twins"]["go"]["env"].pop("MODE")
    assert "go-1 (its env was changed)" in why(up, root)
    up["twins"]["go"]["env"]["MODE"] = "plain"

    up["twins"]["rust"]["command"].append("--more")
    assert "rust-1 (its command was changed in the plan)" in why(up, root)
    up["twins"]["rust"]["command"].pop()

    up["twins"]["go"]["instances"][0]["serves"].append("statistics")
    up["workload"].append({"name": "statistics", "path": "/s/{user_id}"})
    assert "go-1 (its serves was changed in the plan)" in why(up, root)
    up["twins"]["go"]["instances"][0]["serves"].pop()

    gone = up["twins"]["go"]["instances"].pop()
    assert "go-2 (is no longer in the plan)" in why(up, root)
    up["twins"]["go"]["instances"].append(gone)

    (root / "rules.py").write_text("RULE = 2\n")
    text = why(up, root)
    assert text.startswith("not what the plan would start now: go-1 (rules.py was changed since its start)")
    assert text.endswith(", and 1 more; `twinload down`, then `twinload up` again")
    (root / "rules.py").write_text("RULE = 1\n")
    (root / "server.py").unlink()
    assert "server.py was changed since its start" in why(up, root)


def test_a_binary_that_was_rebuilt_is_named(tree: Tree, root: Path) -> None:
    """The program under start is a copy of a script with a #! line: what /proc shows of it is its interpreter."""
    program = root / "serve"
    program.write_text(f"#!{sys.executable} -S\n" + (root / "server.py").read_text())
    program.chmod(0o755)
    plan = plan_of(tree(command=["./serve", "{address}"]))
    start_clusters(plan, root, detach=True, say=quiet)
    try:
        check_current(plan, root, recorded(root))
        new = root / "serve.new"
        new.write_text(program.read_text() + "# rebuilt\n")
        new.chmod(0o755)
        new.replace(program)
        with pytest.raises(Outdated, match=r"go-1 \(serve was changed since its start\)"):
            check_current(plan, root, recorded(root))
        program.unlink()
        with pytest.raises(Outdated, match=r"go-1 \(its program is gone\)"):
            check_current(plan, root, recorded(root))
    finally:
        stop_recorded(root)


def test_an_instance_that_ended_is_missed_when_its_twin_is_used(up: dict[str, Any], root: Path) -> None:
    entries = read_entries(root)
    try:
        write_entries(root, entries[1:])
        assert "go-1 (is not running)" in why(up, root)
        check_current(plan_of(up), root, [one for one in recorded(root) if one.twin == "rust"])
    finally:
        write_entries(root, entries)


def test_what_was_never_recorded_is_not_looked_at(plan: Plan, root: Path) -> None:
    check_current(plan, root, (), environ=os.environ)
