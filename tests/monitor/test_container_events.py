from __future__ import annotations

from dataclasses import replace

from monitor.container_events import Life, Lives
from records.event import EventKind
from records.instance import Instance

GO = Instance("go-1", "target", twin="go", watch="container", container="abc", memory_limit_bytes=16 << 20)
ALIVE = Life(running=True, begun="t0", pid=10, exit_code=0, out_of_memory=False)


class Told:
    """What was told of one container, and its new processes."""

    def __init__(self) -> None:
        self.events: list[tuple[EventKind, str, dict[str, float]]] = []
        self.pids: list[int] = []
        self.lives = Lives([GO], {"abc": "t0"}, self.tell, lambda _, pid: self.pids.append(pid))

    def tell(self, kind: EventKind, instance: Instance, text: str, figures: dict[str, float]) -> None:
        assert instance is GO
        self.events.append((kind, text, figures))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.events]


def test_nothing_is_told_of_a_container_that_runs_on_or_of_another() -> None:
    told = Told()
    told.lives.see("abc", ALIVE)
    told.lives.see("xyz", None, died=True)
    assert told.events == []
    assert told.lives.containers == ("abc",)


def test_a_death_is_told_once_with_its_exit_code() -> None:
    told = Told()
    ended = replace(ALIVE, running=False, exit_code=3)
    told.lives.see("abc", ended, died=True, exit_code=3)
    told.lives.see("abc", ended)
    assert told.events == [("instance-died", "go-1 ended with exit code 3", {"exit_code": 3.0})]


def test_a_signal_is_named() -> None:
    told = Told()
    told.lives.see("abc", replace(ALIVE, running=False, exit_code=137))
    assert told.events == [("instance-died", "go-1 was killed by SIGKILL (exit code 137)", {"exit_code": 137.0})]


def test_out_of_memory_is_told_before_the_death_whichever_event_comes_first() -> None:
    killed = replace(ALIVE, running=False, exit_code=137, out_of_memory=True)
    for oom_first in (True, False):
        told = Told()
        if oom_first:
            told.lives.see("abc", ALIVE, oom=True)
        told.lives.see("abc", killed, died=True, exit_code=137)
        told.lives.see("abc", killed, oom=True)
        assert told.kinds == ["instance-oom", "instance-died"]
        assert told.events[0][1:] == (
            "go-1 reached its memory limit of 16 MiB: the kernel ended a process of it",
            {"memory_limit_bytes": float(16 << 20)},
        )


def test_a_container_that_runs_again_is_renewed_and_may_die_again() -> None:
    told = Told()
    again = replace(ALIVE, begun="t1", pid=20)
    told.lives.see("abc", replace(ALIVE, running=False, exit_code=0), died=True, exit_code=0)
    told.lives.see("abc", again)
    told.lives.see("abc", again)
    told.lives.see("abc", replace(again, running=False, exit_code=1), died=True, exit_code=1)
    assert told.kinds == ["instance-died", "instance-restarted", "instance-died"]
    assert told.pids == [20]


def test_a_restart_that_no_event_showed_is_a_death_and_a_new_life() -> None:
    told = Told()
    told.lives.see("abc", replace(ALIVE, begun="t1", pid=20))
    assert told.kinds == ["instance-died", "instance-restarted"]
    assert told.events[0][1:] == ("go-1 ended", {})


def test_a_removed_container_has_died() -> None:
    told = Told()
    told.lives.see("abc", None)
    assert told.events == [("instance-died", "go-1 was removed by someone", {})]
