"""What the gate asks: how many, of whom, and the same again from the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.cases import BAD, UNKNOWN, VALID, in_turns, make_cases, pairs_wanted, replayed_endpoints
from shadow.errors import CaseError
from shadow.variants import UNKNOWN_IDS

BOTH = ("balance", "statistics")


@pytest.mark.parametrize(("bound", "pairs"), [(0.001, 3_000), (0.0007, 4_286), (0.5, 6), (0.1, 30), (0.0003, 10_000)])
def test_the_wished_bound_says_how_many_pairs(bound: float, pairs: int) -> None:
    assert pairs_wanted(bound) == pairs


def test_every_endpoint_has_enough_cases_most_of_them_valid(plan_of, people) -> None:
    cases = make_cases(plan_of(bound=0.001), people(2_000), BOTH)
    by_endpoint = Counter(case.endpoint for case in cases)
    kinds = Counter((case.endpoint, case.kind) for case in cases)
    assert by_endpoint == {"balance": 3_000, "statistics": 3_000}
    assert kinds["statistics", VALID] == 2_400
    assert kinds["balance", VALID] == 2_250
    assert kinds["balance", "empty-ledger"] == 150
    assert kinds["balance", UNKNOWN] == kinds["balance", BAD] == 300


@pytest.mark.parametrize("bound", [0.5, 0.01, 0.001])
def test_every_kind_meets_every_tier_however_few_there_are(bound: float, plan_of, people) -> None:
    pool = people(200)
    cases = make_cases(plan_of(bound=bound), pool, BOTH)
    met = {(case.endpoint, case.kind, case.tier) for case in cases}
    for endpoint in BOTH:
        for kind in (VALID, UNKNOWN, BAD):
            assert {tier for e, k, tier in met if (e, k) == (endpoint, kind)} == set(pool.tiers)


def test_at_the_shipped_bound_every_tier_meets_every_fault(plan_of, people) -> None:
    cases = make_cases(plan_of(bound=0.001), people(400), BOTH)
    for endpoint, faults in (("balance", 9), ("statistics", 50)):
        met = {(case.tier, case.variant) for case in cases if (case.endpoint, case.kind) == (endpoint, BAD)}
        assert len(met) == 4 * faults
    strange = {(case.tier, case.variant) for case in cases if case.kind == UNKNOWN}
    assert len(strange) == 4 * len(UNKNOWN_IDS)


def test_distinct_users_come_first(plan_of, people) -> None:
    valid = [case.target for case in make_cases(plan_of(bound=0.01), people(500), BOTH) if case.kind == VALID]
    assert len(valid) == len(set(valid))


def test_the_same_plan_and_pool_give_the_same_cases_and_another_seed_others(plan_of, people) -> None:
    one, again = (make_cases(plan_of(), people(300), BOTH) for _ in range(2))
    other = make_cases(plan_of(pool={"seed": 5}), people(300), BOTH)
    assert one == again
    assert one != other


def test_one_more_case_in_the_plan_changes_no_other_kinds_requests(plan_of, people) -> None:
    more = {"endpoint": "balance", "kind": "edge", "path": "/v1/users/{user_id}/balance?x"}
    plain = make_cases(plan_of(), people(300), BOTH)
    longer = make_cases(plan_of(shadow={"case": [more]}), people(300), BOTH)
    for kind in (UNKNOWN, BAD):
        assert [c.target for c in plain if c.kind == kind] == [c.target for c in longer if c.kind == kind]


def test_where_picks_the_users_that_fit(plan_of, people) -> None:
    pool = people(200)
    empty = {pool.ids[i] for i in range(200) if pool.columns["entries"][i] == "0"}
    asked = {c.target.split("/")[3] for c in make_cases(plan_of(bound=0.001), pool, BOTH) if c.kind == "empty-ledger"}
    assert asked == empty


def test_where_that_fits_nobody_is_refused_by_name(plan_of, people) -> None:
    case = {"endpoint": "balance", "kind": "rich", "path": "/v1/users/{user_id}/balance", "where": {"entries": "-1"}}
    with pytest.raises(CaseError, match=r"balance/rich: no pool user has entries = -1"):
        make_cases(plan_of(shadow={"case": [case]}), people(50), BOTH)


def test_a_column_that_the_pool_lacks_is_refused_with_those_it_has(plan_of, people) -> None:
    case = {"endpoint": "balance", "kind": "level", "path": "/v1/users/{user_id}/balance?l={level}"}
    with pytest.raises(CaseError, match=r"no column level; it has: user_id, tier"):
        make_cases(plan_of(shadow={"case": [case]}), people(50), BOTH)


def test_a_target_that_could_not_be_sent_is_refused(plan_of, people) -> None:
    case = {"endpoint": "balance", "kind": "accent", "path": "/v1/users/é/balance"}
    with pytest.raises(CaseError, match="percent-encode"):
        make_cases(plan_of(shadow={"case": [case]}), people(50), BOTH)


def test_valid_cases_alone_expect_an_answer(plan_of, people) -> None:
    for case in make_cases(plan_of(), people(100), BOTH):
        assert (case.expect is not None) == (case.kind == VALID)


def test_external_twins_are_never_asked_with_an_unsafe_method(plan_of, people) -> None:
    external = {case.method for case in make_cases(plan_of(bound=0.001), people(400), BOTH)}
    own = {case.method for case in make_cases(plan_of(bound=0.001, command=["x"]), people(400), BOTH)}
    assert external == {"GET", "OPTIONS"}
    assert own == {"GET", "OPTIONS", "POST", "DELETE"}


def test_raw_ids_are_sent_and_pseudonyms_shown(plan_of, people) -> None:
    pool = people(100)
    raw = {user: f"real/{number}@x" for number, user in enumerate(pool.ids)}
    cases = make_cases(plan_of(bound=0.001), pool, BOTH, raw_ids=raw)
    valid = next(case for case in cases if case.kind == VALID)
    assert "real%2F" in valid.target
    assert not any("real" in case.shown for case in cases)
    near = next(case for case in cases if case.variant == "one character more")
    assert "(one character more:u0" in near.shown
    assert near.aliases[0][0] in near.target


def test_headers_and_bodies_are_filled_as_they_stand_and_secrets_left(plan_of, people) -> None:
    entry = {"name": "balance", "path": "/b", "headers": {"X-User": "{user_id}", "Authorization": "Bearer ${TOKEN}"}}
    plan = plan_of(workload=[{**entry, "hot": True}], shadow={"case": []},
                   old={"instances": [{"name": "a", "address": "127.0.0.1:1", "serves": ["balance"]}]},
                   new={"instances": [{"name": "b", "address": "127.0.0.1:2", "serves": ["balance"]}]})  # fmt: skip
    case = make_cases(plan, people(4), ("balance",))[0]
    assert dict(case.headers)["x-user"].startswith("u0")
    assert dict(case.headers)["authorization"] == "Bearer ${TOKEN}"


def test_writes_and_what_one_twin_alone_serves_are_not_replayed(plan_of) -> None:
    plan = plan_of(
        workload=[
            {"name": "balance", "path": "/b", "hot": True},
            {"name": "statistics", "path": "/s", "method": "POST"},
            {"name": "page", "path": "/p"},
        ],
        shadow={"case": []},
    )
    assert replayed_endpoints(plan) == ("balance",)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.integers(0, 2**32))
def test_turns_take_all_users_once_before_any_twice_and_each_tier_first(tiers: list[str], seed: int) -> None:
    turns = in_turns(tiers, range(len(tiers)), np.random.Generator(np.random.PCG64(seed)))
    first = list(islice(turns, len(tiers)))
    assert sorted(first) == list(range(len(tiers)))
    kinds = len(set(tiers))
    assert {tiers[user] for user in first[:kinds]} == set(tiers)
    assert sorted(islice(turns, len(tiers))) == list(range(len(tiers)))
