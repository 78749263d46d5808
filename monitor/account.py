"""From readings of a changing process tree to figures that only grow. Pure.

A child that ends takes its CPU time out of the sum over the living. What its parent then shows as waited for holds it
again, in ticks of 10 ms and only if the parent waited at all. So the larger of the two is carried on: what was last
known of the departed, or what the survivors' waited time grew by. A process that left between two readings of one
sample shows in its parent's waited time a sample later: what was booked ahead is set off then. A process whose parent
in the tree ended leaves the tree, and counts no further. Context switches are carried on by thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.reading import ProcessReading


@dataclass(frozen=True, slots=True)
class Figures:
    """What an instance has used: cumulative CPU seconds and context switches, and its memory now."""

    cpu_s: float | None
    memory_bytes: int | None
    switches: int | None


class Account:
    """The books of one instance; feed it each sample's living processes in turn."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, float], tuple[float, float]] = {}  # process -> (own CPU, waited CPU)
        self._departed_s = 0.0
        self._ahead_s = 0.0  # booked for the departed of the last sample, beyond what was waited for then
        self._threads: dict[tuple[int, float, int], int] = {}
        self._departed_switches = 0

    def add(self, processes: Sequence[ProcessReading], cpu_s: Mapping[int, float]) -> Figures | None:
        """Book a sample and return the figures so far; None when nothing lives.

        Args:
            processes: the living ones of the instance's tree.
            cpu_s: own CPU time by pid; a process that ended before it was read is missing, and counts as departed.
        """
        alive = [process for process in processes if process.pid in cpu_s]
        if not alive:
            return None
        now = {(p.pid, p.started): (cpu_s[p.pid], p.waited_s) for p in alive}
        self._carry(now)
        own_s = sum(own for own, _ in now.values())
        return Figures(self._departed_s + own_s, sum(p.memory_bytes for p in alive), self._switches(alive))

    def _carry(self, now: dict[tuple[int, float], tuple[float, float]]) -> None:
        gone = [figures for key, figures in self._known.items() if key not in now]
        grown_s = sum(waited - self._known.get(key, (0.0, 0.0))[1] for key, (_, waited) in now.items())
        # What a survivor waited for holds what the departed itself had waited for: that is already booked.
        waited_s = grown_s - sum(waited for _, waited in gone)
        lost_s = sum(own for own, _ in gone)
        self._departed_s += max(lost_s, waited_s - self._ahead_s, 0.0)
        self._ahead_s = max(0.0, lost_s - max(0.0, waited_s))
        self._known = now

    def _switches(self, alive: Sequence[ProcessReading]) -> int | None:
        if any(process.switches is None for process in alive):
            return None
        now = {
            (process.pid, process.started, thread): count
            for process in alive
            for thread, count in (process.switches or {}).items()
        }
        self._departed_switches += sum(count for key, count in self._threads.items() if key not in now)
        self._threads = now
        return self._departed_switches + sum(now.values())
