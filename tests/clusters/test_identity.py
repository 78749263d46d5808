from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clusters.command import MARK
from clusters.identity import is_ours, is_running, start_token

ARGV = (sys.executable, "-S", "-c", "import time; time.sleep(60)")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(ARGV, env={MARK: "m1"}) as process:
        yield process
        process.kill()


def test_a_process_is_known_by_start_and_command(sleeper: subprocess.Popen[bytes]) -> None:
    token = start_token(sleeper.pid) or ""
    assert is_ours(sleeper.pid, token, ARGV, "no mark")
    assert is_ours(sleeper.pid, token, ("other",), "m1")


def test_a_recycled_pid_is_not_ours(sleeper: subprocess.Popen[bytes]) -> None:
    token = start_token(sleeper.pid) or ""
    assert not is_ours(sleeper.pid, "boot:1", ARGV, "m1")
    assert not is_ours(os.getpid(), token, ARGV, "m1")


def test_the_same_start_with_another_command_and_no_mark_is_not_ours(sleeper: subprocess.Popen[bytes]) -> None:
    token = start_token(sleeper.pid) or ""
    assert not is_ours(sleeper.pid, token, (*ARGV[:-1], "import this"), "m2")
    assert not is_ours(sleeper.pid, token, (), "m2")


def test_an_interpreter_before_a_script_does_not_hide_it(sleeper: subprocess.Popen[bytes]) -> None:
    token = start_token(sleeper.pid) or ""
    assert is_ours(sleeper.pid, token, ("./-c", ARGV[-1]), "m2")


def test_a_zombie_has_a_start_but_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    token = start_token(sleeper.pid) or ""
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert start_token(sleeper.pid) == token
    assert not is_running(sleeper.pid, token)


def test_a_pid_that_is_free_has_no_start() -> None:
    assert start_token(2**22 + 1) is None
