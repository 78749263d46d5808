"""`before_block`: which commands run before which block, what is kept of them, and what ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from swarm_cases import make_plan

from records.errors import PlanError
from records.plan import Plan
from records.stage import Stage
from twinload.errors import HookFailed, Interrupted
from twinload.hooks import Hooks, hooks_of, missing_parts

STAGE = Stage(9, "steps-1", "measure", "two", "front", 1, 3, 100.0, 1, 2)


def plan(*commands: list[str], timeout_s: float = 60.0) -> Plan:
    return make_plan(hooks={"before_block": list(commands), "timeout_s": timeout_s})


def hooks(made: Plan, folder: Path, **environ: str) -> Hooks:
    return Hooks(made, folder, folder / "run", lambda: None, {"PATH": "/usr/bin:/bin", **environ})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


def test_words_are_filled_in_and_a_twins_own_commands_come_last() -> None:
    made = make_plan(hooks={"before_block": [["./reset", "--twin={twin}", "{pair}/{block}", "{other}", "${TOKEN}"]]})
    own = made.model_copy(
        update={"twins": {**made.twins, "two": made.twins["two"].model_copy(update={"before_block": [["./own"]]})}}
    )
    found = hooks_of(own, STAGE)
    assert [hook.words for hook in found] == [("./reset", "--twin=two", "1/3", "{other}", "${TOKEN}"), ("./own",)]
    assert str(found[1]) == "before_block of two (pair 1, block 3): ./own"


def test_a_probe_belongs_to_no_block() -> None:
    probe = Stage(0, "probe", "probe", "two", "front", -1, -1, None, 1, 2)
    assert hooks_of(plan(["true"]), probe) == ()


def test_output_is_kept_in_the_run_folder_without_secrets(folder: Path) -> None:
    script = 'echo "to $1 with $2 and $API_TOKEN"; pwd'
    made = plan(["sh", "-c", script, "sh", "{twin}", "${KEY}"])
    (ran,) = hooks(made, folder, KEY="s3cr3t-key", API_TOKEN="t0k3n-here").before(STAGE)  # noqa: S106
    assert ran.log == "logs/before-block-3-1.log"
    text = (folder / "run" / ran.log).read_text(encoding="utf-8")
    assert text == f"to two with *** and ***\n{folder}\n"
    assert "s3cr3t" not in str(ran.hook)
    assert not (folder / ".twinload" / "logs" / "hook.log").exists()


def test_no_shell_reads_the_words(folder: Path) -> None:
    (ran,) = hooks(plan(["echo", "$(id) > x; *"]), folder).before(STAGE)
    assert (folder / "run" / ran.log).read_text(encoding="utf-8") == "$(id) > x; *\n"


def test_a_command_that_fails_ends_the_run_with_its_last_lines(folder: Path) -> None:
    made = plan(["sh", "-c", "echo no such table >&2; exit 7"], ["touch", "after"])
    with pytest.raises(HookFailed, match=r"(?s)block 3\): sh -c .* ended with exit code 7; .*\| no such table"):
        list(hooks(made, folder).before(STAGE))
    assert not (folder / "after").exists()


def test_a_command_that_takes_too_long_is_ended_with_its_children(folder: Path) -> None:
    with pytest.raises(HookFailed, match=r"took longer than hooks.timeout_s = 0.2 s"):
        list(hooks(plan(["sh", "-c", "sleep 600 & sleep 600"], timeout_s=0.2), folder).before(STAGE))


def test_the_end_of_the_run_ends_a_command(folder: Path) -> None:
    def heed() -> None:
        raise Interrupted("the end is wanted")

    made = plan(["sleep", "600"])
    with pytest.raises(Interrupted):
        list(Hooks(made, folder, folder / "run", heed, {"PATH": "/usr/bin:/bin"}).before(STAGE))


def test_a_block_that_is_prepared_again_adds_to_its_log(folder: Path) -> None:
    made = hooks(plan(["echo", "ready"]), folder)
    (ran,) = [*made.before(STAGE)]
    list(made.before(STAGE))
    assert (folder / "run" / ran.log).read_text(encoding="utf-8") == "ready\nready\n"


def test_what_is_missing_is_told_before_anything_starts(tmp_path: Path) -> None:
    made = plan(["./none"], ["no-such-program-anywhere"], ["true", "${UNSET_HERE}"])
    assert [str(fault) for fault in missing_parts(made, tmp_path, {})] == [
        "hooks.before_block[0] = ./none: is no program that can be run beside the plan",
        "hooks.before_block[1] = no-such-program-anywhere: is no program that can be run in PATH",
        "hooks.before_block[2] = ${UNSET_HERE}: export UNSET_HERE: it is not set",
    ]


@pytest.mark.parametrize("words", [["x", "--token=abc"], ["x", "--api-key", "abc"], ["env", "PASSWORD=abc", "x"]])
def test_a_literal_secret_is_a_fault_that_does_not_repeat_it(words: list[str]) -> None:
    with pytest.raises(PlanError, match=r"hooks.before_block\[0\]") as refused:
        plan(words)
    assert "abc" not in str(refused.value)


@pytest.mark.parametrize("words", [["x", "--token=${T}"], ["x", "--token", "${T}"], ["x", "--token", "--quiet"]])
def test_a_secret_from_the_environment_is_none(words: list[str]) -> None:
    assert plan(words).hooks.before_block == [words]
