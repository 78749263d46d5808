"""Replay: every case is asked at both twins, and both replies come back as a pair. One source of pairs among others.

A few threads, each with connections of its own, take the cases in turn; instances that serve an endpoint take turns
too. A pair that raced is asked again, after a rest that doubles; the judge counts what still races. With `second`, a
pair that differs is asked at the baseline once more, at its next instance where there are several, so that noise can
be told. Pairs come in the order in which they are done, each with its case's number, so that results do not depend on
it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from records.instance import Instance
from records.plan import Plan
from shadow.answer import Case, Pair, raced
from shadow.errors import TargetError
from shadow.wire import Request, Target, Wire

_FIRST_REST_S: Final = 0.001
_LONGEST_REST_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Sides:
    """Who answers for each endpoint, in both twins."""

    baseline: Mapping[str, tuple[Target, ...]]
    candidate: Mapping[str, tuple[Target, ...]]

    def of(self, case: Case) -> tuple[Target, Target]:
        """Return the two instances that a case is asked at; cases of consecutive numbers go round."""
        one, two = self.baseline[case.endpoint], self.candidate[case.endpoint]
        return one[case.number % len(one)], two[case.number % len(two)]

    def second(self, case: Case) -> Target:
        """Return the instance that tells noise: the baseline's next one, the same again where there is no other."""
        found = self.baseline[case.endpoint]
        return found[(case.number + 1) % len(found)]


def sides_of(plan: Plan, instances: Sequence[Instance], targets: Sequence[Target], endpoints: Sequence[str]) -> Sides:
    """Return who answers for each endpoint.

    Raises: TargetError when no running instance of a twin serves an endpoint.
    """
    serves = {instance.name: instance.serves for instance in instances}

    def side(twin: str) -> dict[str, tuple[Target, ...]]:
        found = {name: tuple(t for t in targets if t.twin == twin and name in serves[t.name]) for name in endpoints}
        for name, of_it in found.items():
            if not of_it:
                raise TargetError(f"no running instance of twin {twin} serves {name}; start it with `twinload up`")
        return found

    return Sides(side(plan.baseline), side(plan.candidate))


@dataclass(frozen=True, slots=True)
class Effort:
    """How many threads ask, and how often a pair that raced is asked again: more where someone writes all the time."""

    threads: int = 4
    repeats: int = 3


PLAIN: Final = Effort()
Differs = Callable[[Pair], bool]


def replay(
    cases: Iterable[Case],
    sides: Sides,
    *,
    timeout_s: float,
    environ: Mapping[str, str],
    differs: Differs | None = None,
    effort: Effort = PLAIN,
) -> Generator[Pair, None, None]:
    """Yield a pair for each case; closing the iterator ends what is in flight.

    Args:
        differs: says which pairs the baseline is asked for once more; None: for none.
        timeout_s: what one answer may take, connecting included.
        environ: where `${ENV}` of headers is taken from.
        effort: how many ask, and how often a pair that raced is asked again.
    Raises: TargetError when a header names a variable that is not set.
    """
    crew = _Crew(cases, sides, differs, effort.repeats)
    wires = [Wire(timeout_s=timeout_s, environ=environ) for _ in range(effort.threads)]
    hands = [threading.Thread(target=crew.work, args=(wire,), daemon=True, name="replay") for wire in wires]
    for hand in hands:
        hand.start()
    try:
        yield from crew.pairs(len(hands))
    finally:
        crew.stop.set()
        for wire in wires:
            wire.cut()
        for hand in hands:
            hand.join(timeout_s + 1.0)


def ask_pair(
    case: Case,
    sides: Sides,
    wire: Wire,
    differs: Differs | None = None,
    *,
    repeats: int = 3,
    sleep: Callable[[float], object] = time.sleep,
) -> Pair:
    """Ask one case at both twins, and again while it races; then at the baseline once more, when the pair differs."""
    one, two = sides.of(case)
    request = Request(case.method, case.target, case.headers, case.body)
    asked = 0
    while True:
        asked += 1
        baseline, candidate = wire.ask(one, request), wire.ask(two, request)
        if asked > repeats or not raced(baseline, candidate):
            pair = Pair(case, one.name, two.name, baseline, candidate, asked)
            if differs is None or not differs(pair):
                return pair
            return replace(pair, second=wire.ask(sides.second(case), request))
        sleep(min(_FIRST_REST_S * 2 ** (asked - 1), _LONGEST_REST_S))


class _Crew:
    """What the threads share: the cases still to be asked, and the pairs that are done."""

    def __init__(self, cases: Iterable[Case], sides: Sides, differs: Differs | None, repeats: int) -> None:
        self._todo = iter(cases)
        self._sides = sides
        self._differs = differs
        self._repeats = repeats
        self._lock = threading.Lock()
        self._done: queue.SimpleQueue[Pair | Exception | None] = queue.SimpleQueue()
        self.stop = threading.Event()

    def work(self, wire: Wire) -> None:
        """Ask until no case is left; the body of a thread."""
        try:
            while not self.stop.is_set() and (case := self._next()) is not None:
                pair = ask_pair(case, self._sides, wire, self._differs, repeats=self._repeats)
                self._done.put(pair)
        except Exception as error:  # the edge of the thread: told to the one who waits
            self._done.put(error)
        finally:
            wire.close()
            self._done.put(None)

    def pairs(self, hands: int) -> Iterator[Pair]:
        """Yield what is done until every thread has ended."""
        while hands:
            found = self._done.get()
            if found is None:
                hands -= 1
            elif isinstance(found, Exception):
                raise found
            else:
                yield found

    def _next(self) -> Case | None:
        with self._lock:
            return next(self._todo, None)
