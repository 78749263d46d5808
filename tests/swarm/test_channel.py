"""A run that a campaign drives through a channel: the test is the campaign."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from swarm_cases import Project, make_stage

from records.channel import (
    VARIABLE,
    Counted,
    Quit,
    Ready,
    StageDone,
    Stop,
    Sweep,
    SweepDone,
    ToCampaign,
    decode_report,
    encode,
)
from records.stage import Stage

pytestmark = pytest.mark.slow


class Campaign:
    """The campaign's end of the channel."""

    def __init__(self, sock: socket.socket, child: subprocess.Popen[str]) -> None:
        self.sock = sock
        self.child = child
        self.rest = b""

    def until(self, kind: type) -> list[ToCampaign]:
        """Read until a message of this kind came; return all."""
        got: list[ToCampaign] = []
        while True:
            while b"\n" not in self.rest:
                data = self.sock.recv(65536)
                assert data, f"the swarm closed: {self.child.communicate()[1]}"
                self.rest += data
            line, self.rest = self.rest.split(b"\n", 1)
            got.append(decode_report(line))
            if isinstance(got[-1], kind):
                return got


@contextmanager
def campaign(project: Project, *options: str) -> Iterator[Campaign]:
    """Start the swarm as a campaign does."""
    ours, theirs = socket.socketpair()
    ours.settimeout(40)
    child = project.start(
        "--headless", "--only-summary", *options, env={VARIABLE: str(theirs.fileno())}, pass_fds=(theirs.fileno(),)
    )
    theirs.close()
    with ours:
        yield Campaign(ours, child)


@pytest.mark.parametrize(
    ("options", "stage"),
    [
        ((), make_stage(0, 60.0, measure_s=1)),
        (("--processes", "2"), make_stage(0, None, twin="two", measure_s=1)),
    ],
)
def test_a_sweep_is_driven_as_asked_and_every_request_is_told_once(
    project: Project, options: tuple[str, ...], stage: Stage
) -> None:
    with campaign(project, *options) as run:
        (ready,) = run.until(Ready)
        assert isinstance(ready, Ready)
        assert ready.seats == 20 * max(1, len(options))
        assert (run.child.pid in ready.pids, len(ready.pids)) == (True, 1 + len(options))
        run.sock.sendall(encode(Sweep((stage,))))
        told = run.until(SweepDone)
        run.sock.sendall(encode(Quit()))
        _, err = run.child.communicate(timeout=120)
        assert run.child.returncode == 0, err
    seconds = [message.second for message in told if isinstance(message, Counted)]
    count = (project.one if stage.twin == "one" else project.two).count()
    assert count > 20
    assert sum(second.sent for second in seconds) == sum(second.done for second in seconds) == count
    (line,) = [message.line for message in told if isinstance(message, StageDone)]
    assert (line.stage, line.complete, line.valid) == (stage, True, None)


def test_a_stop_ends_the_sweep_and_the_next_one_goes_on(project: Project) -> None:
    with campaign(project) as run:
        run.until(Ready)
        run.sock.sendall(encode(Sweep((make_stage(0, 60.0, measure_s=600),))))
        run.until(Counted)
        run.sock.sendall(encode(Stop()))
        stopped = [message.line for message in run.until(SweepDone) if isinstance(message, StageDone)]
        assert [(line.complete, line.why) for line in stopped] == [(False, ("stopped by the campaign",))]
        run.sock.sendall(encode(Sweep((make_stage(1, 60.0, measure_s=1),))))
        done = [message.line for message in run.until(SweepDone) if isinstance(message, StageDone)]
        assert [(line.stage.id, line.complete) for line in done] == [(1, True)]


def test_a_campaign_that_is_gone_stops_the_load_at_once(project: Project) -> None:
    with campaign(project) as run:
        run.until(Ready)
        run.sock.sendall(encode(Sweep((make_stage(0, 200.0, measure_s=600),))))
        run.until(Counted)
    time.sleep(1.0)
    count = project.one.count()
    assert run.child.wait(timeout=15) == 0
    assert project.one.count() == count
