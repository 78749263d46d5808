"""The judge over whole roll-outs of made-up polls."""

from __future__ import annotations

import numpy as np
import pytest

from shadow.gray.counts import Failures, SideCounts
from shadow.gray.evidence import gateway_uppers_us
from shadow.gray.judge import Judge, Rules, Verdict

UPPERS_US = gateway_uppers_us()
POLL_S = 0.5


def side(rng: np.random.Generator, requests: int, *, failing: float = 0.0, slower: float = 1.0) -> SideCounts:
    """Requests of a lognormal latency with a median of 8 ms and a p99 of 26 ms."""
    at = np.searchsorted(UPPERS_US, slower * 8_000 * np.exp(0.5 * rng.standard_normal(requests)))
    buckets = tuple((int(UPPERS_US[k]), int(n)) for k, n in enumerate(np.bincount(at)) if n)
    return SideCounts(requests, Failures(status=int(rng.binomial(requests, failing))), latency=buckets)


def run_step(
    judge: Judge, began_s: float, seconds: float, seed: int, *, share: float = 0.05, next_share: float | None = 0.25,
    failing: float = 0.0, slower: float = 1.0,
) -> tuple[float, Verdict]:  # fmt: skip
    """Judge 2,000 requests a second until it is not "hold", or the seconds are over; return when, and the verdict."""
    rng = np.random.default_rng(seed)
    judge.begin_step(began_s, share, next_share)
    t_s = began_s
    while t_s < began_s + seconds:
        t_s += POLL_S
        ours, theirs = rng.poisson(1_000 * (1 - share)), rng.poisson(1_000 * share)
        judge.observe(t_s, side(rng, ours), side(rng, theirs, failing=failing, slower=slower))
        if judge.verdict().decision != "hold":
            break
    return t_s - began_s, judge.verdict()


def test_an_equal_candidate_walks_to_the_end() -> None:
    judge, t_s = Judge(Rules()), 0.0
    for share, following in ((0.05, 0.25), (0.25, 0.5), (0.5, 1.0), (1.0, None)):
        took_s, verdict = run_step(judge, t_s, 60, 1, share=share, next_share=following)
        assert (verdict.decision, took_s) == ("step", 30.0), verdict
        t_s += took_s


def test_a_candidate_that_fails_more_is_sent_back_and_stays_so() -> None:
    judge = Judge(Rules())
    took_s, verdict = run_step(judge, 0, 60, 2, failing=0.03)
    assert verdict.decision == "back"
    assert "failures" in verdict.reasons[0]
    assert took_s < 30
    judge.begin_step(took_s, 0.05, 0.25)
    assert judge.verdict().decision == "back"


def test_a_slower_candidate_is_sent_back() -> None:
    _, verdict = run_step(Judge(Rules()), 0, 60, 3, slower=1.4)
    assert verdict.decision == "back"
    assert "slower at" in verdict.reasons[0]
    assert "beyond" in verdict.reasons[0]


def test_a_faster_candidate_is_no_anomaly() -> None:
    _, verdict = run_step(Judge(Rules()), 0, 60, 4, slower=0.3)
    assert verdict.decision == "step"


def test_within_the_soak_it_holds_and_says_why() -> None:
    judge = Judge(Rules())
    _, verdict = run_step(judge, 0, 5, 5)
    assert verdict.decision == "hold"
    assert "soak: 5.0 of 30 s" in verdict.reasons


def test_too_few_requests_hold() -> None:
    judge = Judge(Rules(min_requests=1_000_000))
    _, verdict = run_step(judge, 0, 40, 6)
    assert verdict.decision == "hold"
    assert "of 1,000,000" in verdict.reasons[0]


def test_a_step_that_cannot_be_shown_holds() -> None:
    # At 1 % of the users the last step's limit, 0.1 %, is far beyond what 700 requests can show.
    judge = Judge(Rules(min_requests=1))
    _, verdict = run_step(judge, 0, 35, 7, share=0.01, next_share=None)
    assert verdict.decision == "hold"
    assert verdict.reasons[0].startswith("not yet shown that the candidate fails at most 0.1 % more")


@pytest.mark.parametrize(
    ("counts", "says"), [((None, None), "no status"), ((0, 100), "the baseline has"), ((100, 0), "the candidate has")]
)
def test_missing_data_hold_and_say_so(counts: tuple[int | None, int | None], says: str) -> None:
    judge, rng = Judge(Rules()), np.random.default_rng(8)
    judge.begin_step(0, 0.05, 0.25)
    for poll in range(1, 100):
        baseline, candidate = (None if n is None else side(rng, n) for n in counts)
        judge.observe(poll * POLL_S, baseline, candidate)
    verdict = judge.verdict()
    assert verdict.decision == "hold"
    assert says in verdict.reasons[0]


def test_an_answer_that_differs_sends_back_where_the_plan_says_so() -> None:
    rng = np.random.default_rng(9)
    for rules, decision in ((Rules(), "back"), (Rules(mismatch="tell"), "hold"), (Rules(allowed_mismatches=1), "hold")):
        judge = Judge(rules)
        judge.begin_step(0, 0.05, 0.25)
        judge.observe(POLL_S, side(rng, 900), side(rng, 50), mismatches=1)
        assert judge.verdict().decision == decision


def test_a_crash_sends_back_even_when_the_counts_began_anew() -> None:
    judge = Judge(Rules())
    judge.begin_step(0, 0.05, 0.25)
    judge.observe(POLL_S, None, None, crashes=1)
    verdict = judge.verdict()
    assert verdict.decision == "back"
    assert verdict.reasons[0] == "instances of the candidate that ended: 1, allowed: 0"


def test_a_last_step_without_blocks_of_before_holds() -> None:
    _, verdict = run_step(Judge(Rules()), 0, 40, 10, share=1.0, next_share=None)
    assert verdict.decision == "hold"
    assert "no more blocks of before" in verdict.reasons[0]


def test_asking_changes_nothing() -> None:
    judge = Judge(Rules())
    run_step(judge, 0, 5, 11)
    assert judge.verdict() == judge.verdict()


def test_an_observation_before_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="before begin_step"):
        Judge(Rules()).observe(0.5, SideCounts(), SideCounts())
    with pytest.raises(ValueError, match="before begin_step"):
        Judge(Rules()).verdict()


def test_rules_that_cannot_be_are_all_named() -> None:
    with pytest.raises(ValueError, match=r"alpha = 0 .*; quantile 1 is not"):
        Rules(alpha=0.0, quantiles=(1.0,))
