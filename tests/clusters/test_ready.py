from __future__ import annotations

from pathlib import Path

import pytest

from clusters.ask import Answer
from clusters.child import Exit
from clusters.errors import NotReady
from clusters.ready import Waiting, wait_ready


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def waiting(time: FakeTime, *, ready_at_s: float, ends_at_s: float = 1e9, log: Path | None = None) -> Waiting:
    return Waiting(
        name="go-1",
        path="/readyz",
        timeout_s=2.0,
        ask=lambda: Answer(200) if time.now_s >= ready_at_s else Answer(503),
        ended=lambda: Exit(3, None) if time.now_s >= ends_at_s else None,
        log=log,
    )


def wait(time: FakeTime, *what: Waiting) -> list[str]:
    said: list[str] = []
    wait_ready(what, said.append, clock=time.clock, sleep=time.sleep)
    return said


def test_it_waits_until_the_slowest_is_ready() -> None:
    time = FakeTime()
    said = wait(time, waiting(time, ready_at_s=0.0), waiting(time, ready_at_s=1.0))
    assert said == ["go-1 is ready after 0.0 s", "go-1 is ready after 1.0 s"]


def test_an_instance_that_is_late_is_named_with_its_last_answer_and_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "go-1.log"
    log.write_text("".join(f"line {i}\n" for i in range(30)))
    time = FakeTime()
    with pytest.raises(NotReady) as caught:
        wait(time, waiting(time, ready_at_s=3.0, log=log))
    text = str(caught.value)
    assert text.startswith("go-1: /readyz answered 503 after 2 s; raise ready_timeout_s")
    assert "line 9\n" not in text
    assert "| line 10\n" in text
    assert text.endswith("| line 29")


def test_an_instance_that_ends_is_named_at_once_with_its_exit_code() -> None:
    time = FakeTime()
    with pytest.raises(NotReady, match="go-1 ended with exit code 3 before it was ready"):
        wait(time, waiting(time, ready_at_s=3.0, ends_at_s=0.5))
    assert time.now_s == pytest.approx(0.5, abs=0.1)
