"""The engine: sends, times and counts in threads of its own, without Python's lock.

Importing makes no thread and no descriptor, so a process may fork after it.
"""

from collections.abc import Mapping, Sequence

def monotonic_ns() -> int:
    """Return the monotonic clock in ns, the one that every part of a run counts on."""

def body_hash(body: bytes) -> int:
    """Return the 64-bit hash of a body that `bodies` of a schedule's endpoints hold; never 0."""

class Pool:
    """The pool's users as a schedule draws them: columns for the templates, and a weight each.

    Args:
        columns: texts by column name, one per user; all of the same length.
        weights: how often each user is drawn, whole numbers; 0 is never.
    Raises: ValueError when lengths differ.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]], weights: Sequence[int]) -> None: ...
    def reweighted(self, weights: Sequence[int]) -> Pool:
        """Return the same users with other weights; the columns are shared."""

    def __len__(self) -> int: ...

class Schedule:
    """A sweep that the engine sends by itself, in threads of its own; dropping it ends it at once.

    Args:
        plan: JSON, see `swarm.engine_plan`.
        pool: who is drawn.
        start_ns: when the first stage begins, monotonic.
        from_ns: leave all that was meant for earlier to others (None: nothing).
    Raises: ValueError when the plan cannot be run, OSError when the machine refuses a thread or descriptor.
    """

    def __init__(self, plan: bytes, pool: Pool, start_ns: int, from_ns: int | None = None) -> None: ...
    def set_rate(self, rate_rps: float) -> None:
        """Change the rate of the stage under way, until its end; in effect within 10 ms."""

    def set_users(self, users: int) -> None:
        """Change the number of closed-loop users, until the next stage; in effect within 10 ms."""

    def stop(self) -> None:
        """Start nothing any more; what is on its way may end within its time-out."""

    def abort(self) -> None:
        """End at once; what is on its way fails as `stopped`."""

    @property
    def is_running(self) -> bool:
        """Whether anything may still be sent or answered."""

    def drain(self) -> bytes:
        """Return what every thread told since the last time, as JSON (see `swarm.engine_plan`).

        Raises: RuntimeError when a thread failed.
        """
