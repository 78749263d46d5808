"""Does the run harm a target? The rules of `[safety] stop_when`, held against the seconds as they come. Pure.

    Second, UsageLine --count, sample--> the last seconds of each twin --rules--> why the run must end, or None

A second is looked at when it is whole: when a later one of its twin was told. Seconds follow one another also over the
pause between two sweeps, so that short trials cannot hide what a long stage would show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from records.clock import NS
from records.hdr import Histogram, merged, quantile_us
from records.plan import Plan
from records.plan_safety import HOST_RULES, SHARED_RULES, StopRule
from records.second import Second
from records.usage import UsageLine
from swarm.tally import NO_ANSWER

_LEAST_ENDED: Final = 20  # requests behind a share; fewer say little
_LEAST_BEYOND: Final = 1  # samples behind a p99: a hundred in all


@dataclass(slots=True)
class _Told:
    """One second of one twin, over its stages and phases."""

    second: int
    sent: int = 0
    ended: int = 0
    answered: int = 0
    failed: int = 0
    times: Histogram = field(default_factory=Histogram)

    def add(self, line: Second) -> None:
        self.sent += line.sent
        self.ended += line.done
        self.failed += line.failed
        for name, count in line.status.items():
            self.answered += 0 if name == NO_ANSWER else count.done
            self.times.add(count.service)


class Safety:
    """Takes in what was counted and says what harm was done.

    Args:
        plan: its rules, and which twins are external.
        memory_bytes: of this machine; None where it is not known.
    """

    def __init__(self, plan: Plan, memory_bytes: int | None = None) -> None:
        self._memory_bytes = memory_bytes
        self._rules = {twin: rules_of(plan, twin) for twin in plan.twins}
        given = plan.safety.stop_when
        host = HOST_RULES if given is None else given
        self._host = [rule for rule in host if rule.figure == "host_memory_percent"]
        longest = max((rule.for_s for rules in self._rules.values() for rule in rules), default=1)
        self._told = {twin: deque[_Told](maxlen=longest + 1) for twin in plan.twins}  # the newest is not whole
        self._high_ns: dict[int, int] = {}  # by rule: since when memory is above its limit
        self._harm: str | None = None

    def count(self, line: Second) -> None:
        """Take in a second's line."""
        told = self._told[line.twin]
        if not told or told[-1].second < line.second:
            told.append(_Told(line.second))
            self._look(line.twin, list(told)[:-1])
        at = next((one for one in told if one.second == line.second), None)
        if at is not None:
            at.add(line)

    def sample(self, line: UsageLine) -> None:
        """Take in a usage sample."""
        if not self._memory_bytes:
            return
        used_percent = 100 * line.host.memory_used_bytes / self._memory_bytes
        for number, rule in enumerate(self._host):
            if used_percent <= (rule.above or 0.0):
                self._high_ns.pop(number, None)
            elif line.t_ns - self._high_ns.setdefault(number, line.t_ns) >= rule.for_s * NS:
                limit = f"limit {rule.above:g} %"
                self._find(f"{used_percent:.1f} % of this machine's memory was in use for {rule.for_s} s ({limit})")

    def harm(self) -> str | None:
        """Return the first harm that was found, with its figure and its rule; None when there was none."""
        return self._harm

    def _look(self, twin: str, whole: Sequence[_Told]) -> None:
        for rule in self._rules[twin]:
            last = whole[-rule.for_s :]
            said = _broken(rule, last) if len(last) == rule.for_s else None
            if said is not None:
                self._find(f"{twin}: {said} over {rule.for_s} s")

    def _find(self, text: str) -> None:
        self._harm = self._harm or text


def rules_of(plan: Plan, twin: str) -> tuple[StopRule, ...]:
    """Return the rules that hold for a twin: the plan's, or those of an external twin, whom others may use."""
    given = plan.safety.stop_when
    if given is None:
        return SHARED_RULES if plan.twins[twin].start == "external" else ()
    return tuple(rule for rule in given if rule.figure != "host_memory_percent" and rule.twin in (None, twin))


def _broken(rule: StopRule, last: Sequence[_Told]) -> str | None:
    """Return in words how a rule was broken over some seconds together, None when it was not."""
    limit = rule.above or 0.0
    if rule.figure == "unanswered":
        sent = sum(one.sent for one in last)
        return f"none of {sent} requests was answered" if sent and not any(one.answered for one in last) else None
    if rule.figure == "failed_ratio":
        ended, failed = sum(one.ended for one in last), sum(one.failed for one in last)
        if ended < _LEAST_ENDED or failed <= limit * ended:
            return None
        return f"{failed} of {ended} requests failed, a share of {failed / ended:.2f} (limit {limit:g})"
    p99_us = quantile_us(merged(one.times.sparse() for one in last), 0.99, beyond=_LEAST_BEYOND)
    if p99_us is None or p99_us / 1000 <= limit:
        return None
    return f"the p99 of the service times was {p99_us / 1000:.0f} ms (limit {limit:g} ms)"
