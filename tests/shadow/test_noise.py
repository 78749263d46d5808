"""Noise by a second baseline: told by place, counted apart, never a match."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

from shadow.answer import Answer, Case, Pair, Unanswered
from shadow.gate import Edge, run_gate
from shadow.judge import Difference, judge
from shadow.noise import noise_in
from shadow.report import GateReport
from shadow.scrub import Scrubber
from shadow.tally import Tally


def answer(body: str, status: int = 200) -> Answer:
    return Answer(status, (), body.encode())


def difference(one: Answer, two: Answer) -> Difference:
    found = judge(one, two, headers=())
    assert isinstance(found, Difference)
    return found


BASE = answer('{"now":1,"lots":[{"at":1},{"at":2}],"n":7}')
AGAIN = answer('{"now":2,"lots":[{"at":1},{"at":3}],"n":7}')
LATER = answer('{"now":5,"lots":[{"at":9},{"at":2}],"n":7}')
WRONG = answer('{"now":5,"lots":[{"at":1},{"at":2}],"n":8}')


def report(candidate: Answer, second: Answer | Unanswered | None) -> GateReport:
    tally = Tally(wanted={"balance": 1}, needs=(), headers=(), scrubber=Scrubber([]))
    case = Case(0, "balance", "valid", "", "fan", "GET", "/u/1", "/u/1")
    tally.add(Pair(case, "a", "b", BASE, candidate, second=second))
    return tally.report(utc="2026-01-01T00:00:00Z", baseline="old", candidate="new")


def test_places_in_which_the_baseline_differs_from_itself_are_noise_whatever_their_position() -> None:
    found = noise_in(difference(BASE, LATER), judge(BASE, AGAIN, headers=()))
    assert found.places == {"$.now", "$.lots[*].at"}
    assert found.is_all


def test_one_other_place_makes_it_a_difference_again() -> None:
    assert not noise_in(difference(BASE, WRONG), judge(BASE, AGAIN, headers=())).is_all


def test_a_baseline_that_agrees_with_itself_explains_nothing() -> None:
    assert not noise_in(difference(BASE, LATER), judge(BASE, BASE, headers=())).is_all


def test_no_answer_and_another_status_are_never_noise_of_a_body() -> None:
    silent = Unanswered("timeout", "late")
    assert not noise_in(difference(BASE, answer("{}", 500)), judge(BASE, AGAIN, headers=())).is_all
    assert not noise_in(difference(BASE, LATER), judge(BASE, silent, headers=())).is_all
    assert not noise_in(
        Difference(("unanswered",), unanswered=(None, "timeout: late")), judge(BASE, AGAIN, headers=())
    ).is_all


def test_noise_is_counted_apart_named_by_path_and_keeps_the_gate_from_passing() -> None:
    found = report(LATER, AGAIN)
    (count_,) = found.endpoints
    assert (count_.compared, count_.matched, count_.mismatches, count_.noise) == (0, 0, 0, 1)
    assert [(n.place, n.pairs) for n in found.noise] == [("$.lots[*].at", 1), ("$.now", 1)]
    assert not found.passed
    assert "differ where the baseline differs from itself: $.lots[*].at, $.now" in found.why[0]
    assert found.findings[0].what == "noise"


def test_a_difference_among_noise_is_a_mismatch_and_the_noise_is_named_too() -> None:
    found = report(WRONG, AGAIN)
    assert found.endpoints[0].mismatches == 1
    assert {n.place for n in found.noise} == {"$.lots[*].at", "$.now"}


def test_without_a_second_answer_everything_is_a_difference() -> None:
    assert report(LATER, None).endpoints[0].mismatches == 1


def test_the_gate_asks_the_baseline_twice_where_the_plan_says_so(
    serve: Callable,
    people: Callable,
    plan_of: Callable,
    instances_of: Callable,
    wallet_answers: Callable,
    tmp_path: Path,
) -> None:
    ticks = count()

    def clock(method: str, target: str):
        reply = wallet_answers(method, target)
        reply.body = reply.body.replace(b'"lots"', b'"tick": %d, "lots"' % next(ticks))
        return reply

    old, new = serve(clock), serve(clock)
    for second, noisy in (("baseline", True), ("off", False)):
        plan = plan_of([old.address], [new.address], shadow={"second": second})
        found = run_gate(plan, people(60), instances_of(plan), root=tmp_path, edge=Edge(environ={}))
        assert not found.passed
        assert bool(found.endpoints[0].noise) is noisy
        assert [n.place for n in found.noise] == (["$.tick"] * 2 if noisy else [])
