"""When a run harms a target: rules over the last whole seconds, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swarm_cases import make_plan

from records.clock import NS
from records.errors import PlanError
from records.hdr import Histogram
from records.plan import Plan
from records.plan_safety import SHARED_RULES, StopRule
from records.second import Second, StatusCount
from records.usage import HostUsage, UsageLine
from twinload.safety import Safety, rules_of


def plan(*rules: dict[str, object]) -> Plan:
    return make_plan(safety={"stop_when": list(rules)})


def second(at: int, *, good: int = 0, failed: int = 0, silent: int = 0, ms: float = 1.0, twin: str = "one") -> Second:
    """A second with good answers, failed answers (5xx) and requests that got none."""
    times = Histogram()
    for _ in range(good):
        times.record(round(ms * 1_000))
    status = {
        "2xx": StatusCount(good, {}, times.sparse()),
        "5xx": StatusCount(failed, {"status": failed} if failed else {}),
        "none": StatusCount(silent, {"connect": silent} if silent else {}),
    }
    sent = good + failed + silent
    return Second(at * NS, "utc", at, 0, twin, "front", "measure", float(sent), sent, status=status)


def harm(made: Plan, *seconds: Second) -> str | None:
    safety = Safety(made)
    for one in seconds:
        safety.count(one)
    return safety.harm()


FAILS = {"figure": "failed_ratio", "above": 0.25, "for_s": 2}
SLOW = {"figure": "p99_ms", "above": 100.0, "for_s": 2}
MUTE = {"figure": "unanswered", "for_s": 2}


def test_failures_over_the_last_seconds_together_break_a_rule() -> None:
    # 4 + 8 of 40 requests failed: 0.30, above 0.25; the third second only makes the second one whole.
    said = harm(plan(FAILS), second(1, good=16, failed=4), second(2, good=12, failed=8), second(3, good=20))
    assert said == "one: 12 of 40 requests failed, a share of 0.30 (limit 0.25) over 2 s"


def test_a_share_at_the_limit_is_no_harm() -> None:
    assert harm(plan(FAILS), second(1, good=15, failed=5), second(2, good=15, failed=5), second(3)) is None


def test_a_second_that_is_not_whole_yet_is_not_looked_at() -> None:
    assert harm(plan(FAILS), second(1, failed=20), second(2, failed=20)) is None


def test_too_few_requests_say_nothing_of_a_share() -> None:
    assert harm(plan(FAILS), second(1, failed=9), second(2, failed=9), second(3)) is None


def test_slow_answers_break_a_rule_by_their_service_time() -> None:
    said = harm(plan(SLOW), second(1, good=60, ms=90), second(2, good=60, ms=150), second(3))
    assert said is not None
    assert "the p99 of the service times was 150 ms (limit 100 ms)" in said
    assert harm(plan(SLOW), second(1, good=20, ms=150), second(2, good=20, ms=150), second(3)) is None  # 40 samples


def test_a_twin_that_answers_nothing_is_harm_and_one_that_was_asked_nothing_is_not() -> None:
    said = harm(plan(MUTE), second(1, silent=1), second(2, silent=1), second(3))
    assert said == "one: none of 2 requests was answered over 2 s"
    assert harm(plan(MUTE), second(1), second(2), second(3)) is None
    assert harm(plan(MUTE), second(1, silent=9), second(2, failed=1), second(3)) is None  # an error is an answer


def test_rows_of_one_second_are_added_also_when_the_drain_of_a_stage_comes_late() -> None:
    rows = (second(1, good=10), second(1, failed=5), second(2, good=10), second(2, failed=5), second(3))
    assert harm(plan(FAILS), *rows) == "one: 10 of 30 requests failed, a share of 0.33 (limit 0.25) over 2 s"


def test_twins_are_judged_apart() -> None:
    mixed = (second(1, good=20), second(2, failed=20, twin="two"), second(3, failed=20, twin="two"), second(4, good=20))
    assert harm(plan(FAILS), *mixed) is None
    assert harm(plan({**FAILS, "twin": "one"}), *mixed, second(5, twin="two")) is None
    assert harm(plan({**FAILS, "twin": "two"}), *mixed, second(5, twin="two")) is not None


def test_a_rule_reaches_over_the_pause_between_two_sweeps() -> None:
    assert harm(plan(FAILS), second(1, failed=20), second(9, failed=20), second(10)) is not None


def memory(at_s: float, used: int) -> UsageLine:
    return UsageLine(int(at_s * NS), "u", int(at_s), (), (), (), (), HostUsage(0.0, 0.0, (0.0,), used))


def test_memory_of_the_machine_must_stay_high() -> None:
    safety = Safety(plan({"figure": "host_memory_percent", "above": 90.0, "for_s": 2}), memory_bytes=1_000)
    for at_s, used in ((1, 950), (2, 950), (2.5, 900), (3, 950), (4, 950)):
        safety.sample(memory(at_s, used))
    assert safety.harm() is None  # it fell to the limit in between
    safety.sample(memory(5, 960))
    assert safety.harm() == "96.0 % of this machine's memory was in use for 2 s (limit 90 %)"


def test_external_twins_have_rules_without_being_asked_and_started_ones_have_none() -> None:
    made = make_plan()
    assert rules_of(made, "one") == SHARED_RULES
    started = {"start": "process", "command": ["./serve"], "cpu_set": [0]}
    twins = {name: {**twin.model_dump(include={"instances"}), **started} for name, twin in made.twins.items()}
    assert rules_of(make_plan(twins=twins), "one") == ()
    assert rules_of(plan(), "one") == ()  # [] takes them away


def test_a_limit_must_fit_its_figure() -> None:
    for rule in (
        {"figure": "failed_ratio"},
        {"figure": "failed_ratio", "above": 1.0},
        {"figure": "unanswered", "above": 1.0},
        {"figure": "host_memory_percent", "above": 50.0, "twin": "one"},
        {"figure": "p99_ms", "above": 10.0, "twin": "three"},
    ):
        with pytest.raises(PlanError, match=r"safety\.stop_when"):
            plan(rule)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=30))
def test_a_twin_without_failures_is_never_harmed_and_the_first_harm_stays(
    drawn: list[tuple[int, int, int]],
) -> None:
    made = plan(FAILS, MUTE)
    assert harm(made, *(second(at, good=max(good, 1)) for at, (good, _, _) in enumerate(drawn))) is None
    safety, first = Safety(made), None
    for at, (good, failed, silent) in enumerate(drawn):
        safety.count(second(at, good=good, failed=failed, silent=silent))
        first = first or safety.harm()
        assert safety.harm() == first


def test_rules_without_a_limit_are_told_apart() -> None:
    assert StopRule(figure="unanswered").above is None
