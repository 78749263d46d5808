"""A Locust process that starts and stops one class of user as it is told on stdin; for `locust_users`.

    start HOST USERS    spawns them all, answers "started"
    stop                stops them, answers "stopped"

Everything of Locust's local runner is on: its statistics, its request event per call, its monitors.
"""

from __future__ import annotations

import locust.stats
from locust import FastHttpUser, User, events, task
from locust.env import Environment

import sys
from itertools import count
from typing import Any, ClassVar

import gevent
from gevent.fileobject import FileObjectThread

from swarm.native.user import NativeHttpUser

_numbers = count()


@task
def ask(user: Any) -> None:
    """Ask for another user's page each time."""
    user.client.get(f"/u/{next(_numbers) % 16_000}", name="/u")


class Fast(FastHttpUser):
    """Locust's own."""

    tasks: ClassVar[list[Any]] = [ask]


class Native(NativeHttpUser):
    """The engine's."""

    tasks: ClassVar[list[Any]] = [ask]


CLASSES: dict[str, type[User]] = {"fasthttp": Fast, "native-users": Native}


def main(kind: str) -> None:
    """Obey until stdin ends."""
    user_class = CLASSES[kind]
    environment = Environment(user_classes=[user_class], events=events)
    runner = environment.create_local_runner()
    gevent.spawn(locust.stats.stats_history, runner)
    for line in FileObjectThread(sys.stdin):
        words = line.split()
        if words[0] == "start":
            user_class.host = words[1]
            runner.start(int(words[2]), spawn_rate=int(words[2]))
            runner.spawning_greenlet.join()
        else:
            runner.stop()
        sys.stdout.write("started\n" if words[0] == "start" else "stopped\n")
        sys.stdout.flush()
    runner.quit()


if __name__ == "__main__":
    main(sys.argv[1])
