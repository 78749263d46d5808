"""The task loop: Locust's, but for naps of 0 seconds after a request."""

from __future__ import annotations

from locust import TaskSet, task
from locust.env import Environment
from locust.event import Events
from locust.exception import InterruptTaskSet, RescheduleTask, StopUser

from collections.abc import Callable
from typing import Any

import gevent
from gevent.pool import Group

from swarm.native.user import NativeHttpUser


def run(body: Callable[[Any], None], **attributes: Any) -> list[str]:
    """Run a user with one task until it stops, and return what happened meanwhile."""
    said: list[str] = []

    def other() -> None:
        for _ in range(3):
            said.append("other")
            gevent.sleep(0)

    class User(NativeHttpUser):
        host = "http://127.0.0.1:1"
        calls = 0

        @task
        def go(self) -> None:
            self.calls += 1
            said.append(f"task {self.calls}")
            if self.calls == 3:
                raise StopUser
            body(self)

        def on_stop(self) -> None:
            said.append("stopped")

    tasks = attributes.pop("tasks", None)
    kind = type("Kind", (User,), attributes)
    kind.tasks = tasks or kind.tasks  # given to the class, they would be drawn beside its base's
    environment = Environment(events=Events(), catch_exceptions=True, user_classes=[kind])
    group = Group()
    gevent.spawn(other)
    kind(environment).start(group)
    group.join(timeout=5)
    return said


def answered(user: Any) -> None:
    user.client.yielded = True


def test_a_task_without_a_request_lets_others_run_before_the_next() -> None:
    assert run(lambda _: None)[:6] == ["other", "task 1", "other", "task 2", "other", "task 3"]


def test_a_task_that_waited_for_an_answer_is_followed_at_once() -> None:
    assert run(answered) == ["other", "task 1", "task 2", "task 3", "stopped", "other", "other"]


def test_a_wait_time_is_asked_once_per_task_and_kept() -> None:
    asked: list[float] = []

    def wait_time(_: Any) -> float:
        asked.append(0.001)
        return asked[-1]

    assert run(answered, wait_time=wait_time)[-1] == "stopped"
    assert len(asked) == 2


def test_a_fault_of_a_task_is_reported_and_the_next_task_runs() -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("the task's own")

    assert [line for line in run(fail) if line != "other"] == ["task 1", "task 2", "task 3", "stopped"]


def test_a_task_may_ask_for_another_one() -> None:
    def again(_: Any) -> None:
        raise RescheduleTask

    assert [line for line in run(again) if line != "other"] == ["task 1", "task 2", "task 3", "stopped"]


def test_a_user_that_shall_stop_ends_after_its_task() -> None:
    def stop(user: Any) -> None:
        answered(user)
        user.stop()

    assert [line for line in run(stop) if line != "other"] == ["task 1", "stopped"]


def test_nested_task_sets_run_as_in_locust() -> None:
    class Inner(TaskSet):
        @task
        def inner(self) -> None:
            said.append("inner")
            if len(said) == 3:
                self.user.stop()
            raise InterruptTaskSet

    said: list[str] = []
    assert "stopped" in run(answered, tasks=[Inner])
    assert said == ["inner"] * 3
