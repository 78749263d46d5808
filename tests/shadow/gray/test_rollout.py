"""The roll-out as a machine: each poll, event and verdict has one consequence, told with who decided and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from shadow.gateway_events import GatewayEvent
from shadow.gray.counts import Breaker, CanaryStatus, Compared, Failures, RouteCounts, SideCounts
from shadow.gray.judge import Figures, Verdict
from shadow.gray.rollout import Order, Rollout, RolloutRules, Turn

STEPS = (0.01, 0.25, 1.0)
Word = Literal["step", "hold", "back"]


@dataclass
class Told:
    """A judge that says what it is told to say, and keeps what it was shown."""

    says: Word = "hold"
    steps: list[tuple[float, float, float | None]] = field(default_factory=list)
    seen: list[tuple[SideCounts | None, SideCounts | None, int, int]] = field(default_factory=list)

    def begin_step(self, t_s: float, share: float, next_share: float | None) -> None:
        self.steps.append((t_s, share, next_share))

    def observe(
        self, t_s: float, baseline: SideCounts | None, candidate: SideCounts | None, *, mismatches: int = 0,
        crashes: int = 0,
    ) -> None:  # fmt: skip
        assert t_s >= 0
        self.seen.append((baseline, candidate, mismatches, crashes))

    def verdict(self) -> Verdict:
        share = self.steps[-1][1]
        figures = Figures(share, 1.0, 2, 3, 0, 0, 0, 0, 0, 0, 1.0, 100.0, (), 1.0, 20.0, 0.1, ())
        return Verdict(self.says, (f"the judge says {self.says}",), figures)


@dataclass
class Walk:
    """A roll-out, its judge and its gateway, told poll by poll."""

    rules: RolloutRules = field(default_factory=lambda: RolloutRules(STEPS, 30.0, 600.0))
    status: CanaryStatus = field(default_factory=lambda: CanaryStatus(0.0, False, Breaker("closed", 0), {}))
    judge: Told = field(default_factory=Told)
    now_s: float = 0.0
    orders: list[Order] = field(default_factory=list)
    told: list[tuple[str, str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rollout = Rollout(self.rules, self.judge)
        self.serve(0)

    def serve(self, more: int, **canary: Any) -> None:
        """Let both sides answer so many more requests."""
        counts = self.status.routes.get("r", RouteCounts())
        sides = [replace(one, requests=one.requests + more) for one in (counts.baseline, counts.candidate)]
        self.status = replace(self.status, routes={"r": RouteCounts(sides[0], sides[1], counts.compared)}, **canary)

    def begin(self) -> Turn:
        return self._note(self.rollout.begin(self.now_s, self.status))

    def poll(
        self, says: Word = "hold", *events: GatewayEvent, after_s: float = 0.5, missing: str = "", anew: bool = False
    ) -> Turn:
        self.now_s += after_s
        self.judge.says = says
        if not missing:
            self.serve(10)
        status = None if missing else self.status
        return self._note(self.rollout.turn(self.now_s, status, events, missing=missing, anew=anew))

    def _note(self, turn: Turn) -> Turn:
        if turn.order is not None:
            self.orders.append(turn.order)
            share = turn.order.share
            self.status = replace(self.status, share=share or 0.0, latched=share is None)
        self.told += [(one.by, one.kind, one.share) for one in turn.decisions]
        return turn


def event(kind: str, **figures: Any) -> GatewayEvent:
    return GatewayEvent(1, "2026-01-01T00:00:00Z", 1, kind, figures)


def said(do: str, why: str = "by hand") -> GatewayEvent:
    return event("operator", do=do, why=why)


OPENED = event("breaker", **{"from": "closed", "to": "open", "reason": "failures"})


@pytest.fixture
def walk() -> Walk:
    made = Walk()
    made.begin()
    return made


def reasons(turn: Turn) -> str:
    return "; ".join(reason for one in turn.decisions for reason in one.reasons)


def test_the_judge_leads_through_all_steps_to_the_end(walk: Walk) -> None:
    walk.poll()
    for _ in STEPS:
        walk.poll("step")
    assert [order.share for order in walk.orders] == list(STEPS)
    assert walk.judge.steps == [(0.0, 0.01, 0.25), (1.0, 0.25, 1.0), (1.5, 1.0, None)]
    assert walk.told == [
        ("controller", "step", 0.01), ("judge", "step", 0.25), ("judge", "step", 1.0), ("judge", "done", 1.0),
    ]  # fmt: skip
    assert walk.rollout.outcome == "done"
    assert walk.rollout.share == 1.0


def test_the_judge_sees_what_each_poll_added(walk: Walk) -> None:
    routes = {"r": RouteCounts(SideCounts(7), SideCounts(5, Failures(reset=2)), Compared(3, 1))}
    walk.status = replace(walk.status, routes=routes)
    walk.poll()
    baseline, candidate, mismatches, crashes = walk.judge.seen[-1]
    assert baseline == SideCounts(17)
    assert candidate == SideCounts(15, Failures(reset=2))
    assert (mismatches, crashes) == (1, 0)
    walk.poll("hold", event("instance", side="candidate", instance="new-1", healthy=False))
    assert walk.judge.seen[-1][2:] == (0, 1)


def test_back_takes_everything_back_and_ends_it(walk: Walk) -> None:
    turn = walk.poll("back")
    assert turn.order == Order(None, "the judge says back")
    assert walk.told[-1] == ("judge", "back", 0.0)
    assert turn.decisions[-1].figures["requests_candidate"] == 3
    assert walk.rollout.outcome == "back"
    assert walk.poll("step") == Turn()


def test_what_a_step_waits_for_is_told(walk: Walk) -> None:
    walk.poll("hold")
    assert walk.rollout.waits == ("the judge says hold",)


def test_a_step_that_stays_open_ends_as_held_at_its_share(walk: Walk) -> None:
    walk.poll(after_s=599.0)
    assert walk.rollout.outcome is None
    turn = walk.poll(after_s=1.0)
    assert walk.told[-1] == ("controller", "held", 0.01)
    assert "1 % was still open after 600 s" in reasons(turn)
    assert "the judge says hold" in reasons(turn)
    assert turn.order is None


def test_an_operator_holds_as_long_as_he_likes_and_resumes(walk: Walk) -> None:
    walk.poll("step", said("hold"))
    walk.poll("step", after_s=5_000.0)
    assert walk.rollout.is_held
    assert walk.rollout.waits == ("held by the operator",)
    assert len(walk.orders) == 1
    walk.poll("hold", said("resume"), after_s=1.0)
    walk.poll("hold", after_s=599.0)
    assert walk.rollout.outcome is None
    walk.poll("step")
    assert walk.told[1:] == [
        ("operator", "hold", 0.01), ("operator", "resume", 0.01), ("judge", "step", 0.25),
    ]  # fmt: skip


def test_back_stays_back_while_held(walk: Walk) -> None:
    walk.poll("hold", said("hold"))
    walk.poll("back")
    assert walk.rollout.outcome == "back"


def test_an_operator_steps_without_evidence_and_ends_the_last_step_as_done(walk: Walk) -> None:
    for _ in STEPS:
        walk.poll("hold", said("step", "we are in a hurry"))
    assert [order.share for order in walk.orders] == list(STEPS)
    assert walk.told[-1] == ("operator", "done", 1.0)


def test_an_operators_back_needs_no_order(walk: Walk) -> None:
    turn = walk.poll("step", said("back", "a complaint"))
    assert turn.order is None
    assert walk.told[-1] == ("operator", "back", 0.0)
    assert reasons(turn) == "a complaint"


def test_everything_taken_back_at_the_gateway_ends_it_though_no_event_told(walk: Walk) -> None:
    walk.status = replace(walk.status, share=0.0, latched=True)
    walk.poll("step")
    assert walk.told[-1] == ("operator", "back", 0.0)


def test_a_share_set_by_another_hand_is_kept_and_held(walk: Walk) -> None:
    walk.status = replace(walk.status, share=0.5)
    turn = walk.poll("step")
    assert "set to 0.5 at the gateway" in reasons(turn)
    assert walk.told[-1] == ("operator", "hold", 0.5)
    walk.poll("step", said("resume"))
    assert walk.orders[-1].share == 1.0


def test_a_breaker_that_opens_takes_everything_back(walk: Walk) -> None:
    turn = walk.poll("step", OPENED)
    assert walk.told[-1] == ("breaker", "back", 0.0)
    assert "the breaker opened (failures)" in reasons(turn)
    assert turn.order == Order(None, "the breaker opened (failures)")


def test_a_breaker_that_opened_unheard_is_seen_in_the_counts(walk: Walk) -> None:
    walk.status = replace(walk.status, breaker=Breaker("open", 1, "slow"))
    walk.poll("step")
    assert walk.told[-1] == ("breaker", "back", 0.0)


def test_with_hold_an_open_breaker_waits_for_an_operator() -> None:
    walk = Walk(rules=RolloutRules(STEPS, 30.0, 600.0, on_open="hold"))
    walk.begin()
    walk.serve(0, breaker=Breaker("open", 1, "failures"))
    walk.poll("step", OPENED)
    assert walk.told[-1] == ("breaker", "hold", 0.01)
    turn = walk.poll("step", said("step"))
    assert "not now" in reasons(turn)
    walk.serve(0, breaker=Breaker("closed", 1))
    walk.poll("step")
    assert len(walk.orders) == 1
    walk.poll("step", said("resume"))
    assert walk.orders[-1].share == 0.25
    assert walk.told.count(("breaker", "hold", 0.01)) == 1


def test_with_hold_nobody_coming_ends_it_as_held() -> None:
    walk = Walk(rules=RolloutRules(STEPS, 30.0, 600.0, on_open="hold"))
    walk.begin()
    walk.poll("hold", OPENED)
    walk.poll(after_s=600.0)
    assert walk.rollout.outcome == "held"


def test_no_status_holds_says_why_once_and_is_never_a_step(walk: Walk) -> None:
    turn = walk.poll("step", missing="no gateway answers")
    walk.poll("step", missing="no gateway answers")
    assert reasons(turn) == "no figures: no gateway answers"
    assert walk.rollout.waits == ("no figures: no gateway answers",)
    assert walk.judge.seen[-1] == (None, None, 0, 0)
    assert len(walk.orders) == 1
    assert walk.told[1:] == [("controller", "hold", 0.01)]
    walk.poll("hold")
    assert walk.told[-1] == ("controller", "resume", 0.01)
    assert walk.judge.seen[-1][1] == SideCounts(10)
    walk.poll("step")
    assert walk.orders[-1].share == 0.25


def test_a_gateway_that_never_comes_back_ends_it_as_held(walk: Walk) -> None:
    walk.poll("step", missing="gone", after_s=600.0)
    assert walk.rollout.outcome == "held"


def test_a_restarted_gateway_goes_on_at_its_share(walk: Walk) -> None:
    walk.poll()
    walk.poll()
    walk.status = replace(walk.status, routes={})
    turn = walk.poll("hold")
    assert "restarted" in reasons(turn)
    assert turn.order is None
    assert walk.judge.seen[-1] == (None, None, 0, 0)
    walk.poll("step")
    assert walk.judge.seen[-1][1] == SideCounts(10)
    assert walk.orders[-1].share == 0.25


def test_a_restarted_gateway_that_lost_its_share_is_told_it_again(walk: Walk) -> None:
    walk.poll("step")
    walk.status = replace(walk.status, share=0.0)
    turn = walk.poll("hold", anew=True)
    assert turn.order is not None
    assert turn.order.share == 0.25
    assert walk.rollout.outcome is None
    assert not walk.rollout.is_held


def test_whitelisted_users_come_first_and_need_no_evidence() -> None:
    walk = Walk(rules=RolloutRules(STEPS, 1.0, 600.0, whitelisted=True))
    walk.begin()
    assert walk.orders[-1].share == 0.0
    walk.poll("hold")
    assert walk.rollout.waits == ("soak of the whitelist: 0.5 of 1 s",)
    assert walk.rollout.step == 0
    walk.poll("hold")
    assert walk.told[-1] == ("controller", "step", 0.01)
    assert walk.rollout.step == 1


def test_what_speaks_against_the_whitelists_step_sends_back() -> None:
    walk = Walk(rules=RolloutRules(STEPS, 1.0, 600.0, whitelisted=True))
    walk.begin()
    walk.poll("back")
    assert walk.rollout.outcome == "back"


def test_it_goes_on_where_a_gateway_was_left() -> None:
    walk = Walk()
    walk.serve(0, share=0.25)
    turn = walk.begin()
    assert "going on from it" in reasons(turn)
    walk.poll("step")
    assert [order.share for order in walk.orders] == [0.25, 1.0]


def test_a_stop_ends_it_where_it_stands(walk: Walk) -> None:
    turn = walk.rollout.stop("interrupted")
    assert [(one.by, one.kind) for one in turn.decisions] == [("controller", "stopped")]
    assert turn.order is None
    assert walk.rollout.share == 0.01
    assert walk.rollout.stop("again") == Turn()


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["step", "hold", "back"]),
        st.lists(st.sampled_from([said(do) for do in ("step", "hold", "resume", "back")] + [OPENED]), max_size=2),
        st.booleans(),
    ),
    max_size=30,
)


@seed(20_260_101)
@given(MOVES)
def test_whatever_happens_a_share_grows_step_by_step_or_all_is_back(
    moves: Sequence[tuple[Word, list[GatewayEvent], bool]],
) -> None:
    walk = Walk()
    walk.begin()
    for says, events, is_missing in moves:
        before, had = walk.rollout.share, walk.rollout.outcome
        turn = walk.poll(says, *events, missing="gone" if is_missing else "")
        after = walk.rollout.share
        if had is not None:
            assert turn == Turn()
        elif walk.rollout.outcome == "back":
            assert after == 0.0
        else:
            begun = [share for share in STEPS if before < share <= after]
            by_hand = sum(one == said("step") for one in events)
            assert after >= before
            assert len(begun) <= by_hand + (says == "step" and not is_missing)
        if says == "back" and had is None:
            assert walk.rollout.outcome in ("back", "done")
