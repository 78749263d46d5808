"""The command line: help, exit codes, faults that name everything at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from twinload.cli import main, parser

ROOT = Path(__file__).parents[2]


def test_every_command_of_the_readme_is_known() -> None:
    (actions,) = [a for a in parser()._actions if a.dest == "command" or a.metavar == "COMMAND"]
    known = {"init", "check", "pool", "compose", "up", "status", "down", "gate", "run", "report", "audit", "compare"}
    known |= {"shadow", "canary"}
    assert set(actions.choices or ()) == known


def test_containers_without_an_engine_end_with_two_and_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    plan = (ROOT / "twinload.toml").read_text(encoding="utf-8").replace('start = "process"', 'start = "compose"')
    core = min(os.sched_getaffinity(0))
    plan = plan.replace("cpu_set = [0]", f"cpu_set = [{core}]").replace("cpu_set = [1]", "cpu_set = []")
    (tmp_path / "twinload.toml").write_text(plan.replace("users = 16000", "users = 20"), encoding="utf-8")
    assert main(["up", "--plan", str(tmp_path / "twinload.toml")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "no Docker engine at unix://" in told
    assert "DOCKER_HOST" in told


def test_help_ends_in_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "examples:" in capsys.readouterr().out


def test_bad_usage_ends_with_two() -> None:
    with pytest.raises(SystemExit) as end:
        main(["fly"])
    assert end.value.code == 2


def test_init_writes_a_plan_that_check_accepts_and_never_overwrites_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "mine")]) == 0
    assert main(["check", "--plan", str(tmp_path / "mine" / "twinload.toml")]) == 0
    assert main(["init", str(tmp_path / "mine")]) == 2
    assert "is there already" in capsys.readouterr().err


def test_check_reports_all_faults_as_json_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "check",
        "--plan",
        str(ROOT / "twinload.toml"),
        "--set",
        "swarm.seats=0",
        "--set",
        "pool.users=0",
        "--json",
    ]
    assert main(words) == 2
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert [fault["path"] for fault in faults] == ["pool.users", "swarm.seats"]


def test_check_tells_faults_of_sections_and_of_this_machine_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    sets = ("swarm.seats=abc", "stages.bogus=1", "twins.go.cpu_set=[4095]")
    words = ["check", "--plan", str(ROOT / "twinload.toml"), "--json"]
    assert main([*words, *(word for text in sets for word in ("--set", text))]) == 2
    faults = json.loads(capsys.readouterr().out)["faults"]
    paths = [fault["path"] for fault in faults]
    assert {"swarm.seats", "stages.bogus", "twins.go.cpu_set"} <= set(paths)
    assert paths.count("swarm.seats") == 1


def test_a_missing_plan_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--plan", str(tmp_path / "none.toml")]) == 2
    assert "`twinload init` writes one" in capsys.readouterr().err


def test_a_run_folder_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err
