"""The mutation score: of the faults that went out, which were seen, and which by their name at their place. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shadow.answer import Pair
from shadow.judge import Difference, Raced, Verdict
from shadow.mutation.proxy import Injection
from shadow.signs import signs_of

_ALSO: Final = {"string": frozenset({"user"})}
"""A letter of the user's own id: its text is then the id of another, and is named so."""


@dataclass(slots=True)
class Score:
    """Counts of faults by kind, of pairs without one, and what was not as it should be, in words.

    A pair that raced to the end counts as raced alone: what it saw is not compared, with a fault or without.
    """

    injected: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    pairs: int = 0
    raced: int = 0
    false_alarms: int = 0
    amiss: list[str] = field(default_factory=list)

    def add(self, pair: Pair, verdict: Verdict, injected: Mapping[str, Injection]) -> None:
        """Count a pair and its verdict."""
        if isinstance(verdict, Raced):
            self.raced += 1
            return
        fault = injected.get(pair.case.target)
        if fault is None:
            self.pairs += 1
            if verdict is not None:
                self.false_alarms += 1
                self.amiss.append(f"false alarm: {pair.case.target}: {verdict}")
            return
        self.injected[fault.kind] += 1
        if not isinstance(verdict, Difference):
            self.amiss.append(f"not seen: {fault.kind} at {fault.place}: {pair.case.target}: {verdict}")
            return
        self.seen[fault.kind] += 1
        kinds = {sign.kind for sign in signs_of(verdict) if sign.place == fault.place}
        if kinds & ({fault.sign} | _ALSO.get(fault.sign, frozenset())):
            self.named[fault.kind] += 1
        else:
            self.amiss.append(f"misnamed: {fault.kind} at {fault.place}: {signs_of(verdict)[:3]}")

    @property
    def total(self) -> int:
        """Faults that went out."""
        return self.injected.total()


def table_of(score: Score) -> Iterable[str]:
    """Yield a line for each kind of fault: how many went out, were seen, were named."""
    yield f"{'kind':16} {'injected':>8} {'seen':>8} {'named':>8}"
    for kind in sorted(score.injected):
        yield f"{kind:16} {score.injected[kind]:8} {score.seen[kind]:8} {score.named[kind]:8}"
    yield f"{'all':16} {score.total:8} {score.seen.total():8} {score.named.total():8}"
