"""What ends a command, and with which exit code.

* Ended (base; carries the exit code)
  x BadEnvironment  2: bad usage, a bad plan, something that this machine lacks
    + InstanceDied  2: an instance ended under load; what was measured until then is reported
    + SafetyStopped 2: the load harmed a target; what was measured until then is reported
    + HookFailed    2: a command of the plan failed; what was measured until then is reported
  x GateFailed      1: the twins' answers differ, so no load was sent
  x CheckFailed     1: what `--check` asked for cannot hold any more
  x OwnFault        3: a part of the suite itself failed
  x Interrupted   130: Ctrl-C or SIGTERM
"""

from __future__ import annotations

from typing import ClassVar, Final

from records.event import EventKind


class Ended(Exception):  # noqa: N818 - an end is not always an error
    """A command ended early; the message is for the person, `code` for the shell, `event` for a run's records."""

    code: ClassVar[int] = 3
    event: ClassVar[EventKind] = "failed"


class BadEnvironment(Ended):
    """Nothing was started, or what was started is stopped again: something must be changed first."""

    code = 2


class InstanceDied(BadEnvironment):
    """A target ended under load: its twin was left out from there on, the report is marked partial."""


class SafetyStopped(BadEnvironment):
    """A rule of `[safety] stop_when` was broken: no more load is sent, the report is marked partial."""

    event = "safety-stop"


class HookFailed(BadEnvironment):
    """A command of `before_block` failed or took too long: the block that it should prepare was not begun."""


class CheckFailed(Ended):
    """The run ended before what was asked could be found."""

    code = 1


class GateFailed(Ended):
    """The answers differ."""

    code = 1


class OwnFault(Ended):
    """The suite failed, not the targets."""

    code = 3


class Interrupted(Ended):
    """Someone asked for the end; what was measured is on disk."""

    code = 130
    event = "interrupted"


INTERRUPTED: Final = "interrupted by the person at the terminal"
