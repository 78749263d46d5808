"""Locust's task loop without idle naps."""

from __future__ import annotations

from locust.user import User
from locust.user.task import LOCUST_STATE_STOPPING, DefaultTaskSet

from types import FunctionType
from typing import Any


class TaskLoop(DefaultTaskSet):
    """The tasks of a user, one after another.

    With a `wait_time` of 0 Locust naps after every task so that others have their turn. A task that waited for an
    answer has given them theirs (`client.yielded`), so the next one begins at once. All else is Locust's own loop:
    exceptions, interruptions, stopping, and waiting for more than 0 seconds.
    """

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self._never_waits = getattr(parent.wait_time, "__func__", None) is User.wait_time
        self._due_s: float | None = None

    def execute_next_task(self) -> None:
        """Run tasks until there is something to wait for, or the user shall stop."""
        user: Any = self._user
        client, queue = user.client, self._task_queue
        while True:
            task = queue.popleft() if queue else self.get_next_task()
            if type(task) is FunctionType:
                task(user)
            else:
                self.execute_task(task)  # type: ignore[no-untyped-call]
            if user._state == LOCUST_STATE_STOPPING:
                return
            due_s = 0 if self._never_waits else self.wait_time()
            if due_s or not client.yielded:
                self._due_s = due_s
                return
            client.yielded = False

    def get_next_task(self) -> Any:
        """Return one of the user's tasks, drawn by weight."""
        tasks = self._user.tasks
        return tasks[0] if len(tasks) == 1 else super().get_next_task()  # type: ignore[no-untyped-call]

    def wait_time(self) -> Any:
        """Return the seconds until the next task: asked of the user once per task."""
        due_s, self._due_s = self._due_s, None
        return super().wait_time() if due_s is None else due_s  # type: ignore[no-untyped-call]


class Tireless:
    """A user whose tasks run in a `TaskLoop`; its client says by `yielded` whether others had their turn."""

    @property
    def _taskset_instance(self) -> Any:
        return self._loop

    @_taskset_instance.setter
    def _taskset_instance(self, given: Any) -> None:
        self._loop = TaskLoop(self) if type(given) is DefaultTaskSet else given
