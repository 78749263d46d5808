"""Polls of the gateway, and what changed between two of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.gray.counts import (
    Compared,
    CountsError,
    Failures,
    RouteCounts,
    SideCounts,
    canary_status,
    sum_routes,
    sum_sides,
)

SIDE = {
    "requests": 10, "failed": {"refused": 1, "reset": 0, "late": 2, "status": 0, "invalid": 0, "garbage": 0,
    "unhealthy": 0}, "fell_back": 3, "caller_failed": 0, "latency": [[1000, 6], [1100, 2], [None, 2]],
}  # fmt: skip
STATUS = {
    "mode": "canary",
    "canary": {
        "share": 0.05, "latched": False, "whitelist": 3, "retry_budget": 873.2, "unknown_user": 12,
        "breaker": {"state": "closed", "opens": 1, "reason": None, "reopens_in_s": None, "probes_ok": 0},
        "routes": {
            name: {"baseline": SIDE, "candidate": SIDE,
                   "compared": {"match": 4, "mismatch": 1, "raced": 0, "unresponsive": 2}}
            for name in ("balance", "statistics")
        },
    },
}  # fmt: skip


def test_a_status_is_read_whole() -> None:
    status = canary_status(STATUS)
    assert status is not None
    assert (status.share, status.breaker.opens, status.retry_budget) == (0.05, 1, 873.2)
    assert status.routes["balance"].candidate == SideCounts(
        10, Failures(refused=1, late=2), 3, 0, ((1000, 6), (1100, 2), (None, 2))
    )


def test_routes_are_summed_by_side() -> None:
    status = canary_status(STATUS)
    assert status is not None
    assert status.all_routes.baseline.failed.total == 6
    assert status.all_routes.candidate.latency == ((1000, 12), (1100, 4), (None, 4))
    assert status.all_routes.compared == Compared(8, 2, 0, 4)


def test_a_gateway_without_a_canary_has_no_counts() -> None:
    assert canary_status({"mode": "shadow", "canary": None}) is None
    assert canary_status({"mode": "shadow"}) is None


def test_a_field_of_another_type_is_named() -> None:
    with pytest.raises(CountsError, match=r"requests.*routes|routes.*requests"):
        canary_status({"canary": {**STATUS["canary"], "routes": {"a": {"baseline": {"requests": "ten"}}}}})  # type: ignore[dict-item]


def test_what_came_between_two_polls() -> None:
    before = SideCounts(10, Failures(late=2), 1, 0, ((1000, 6), (None, 2)))
    after = SideCounts(15, Failures(late=3), 2, 1, ((1000, 6), (1100, 4), (None, 3)))
    assert after.since(before) == SideCounts(5, Failures(late=1), 1, 1, ((1100, 4), (None, 1)))


@pytest.mark.parametrize(
    "after",
    [
        SideCounts(9, Failures(late=2), 1, 0, ((1000, 8),)),
        SideCounts(10, Failures(late=1), 1, 0, ((1000, 8),)),
        SideCounts(10, Failures(late=2), 1, 0, ((1000, 7),)),
        SideCounts(10, Failures(late=2), 1, 0),
    ],
)
def test_counts_that_went_back_have_no_difference(after: SideCounts) -> None:
    before = SideCounts(10, Failures(late=2), 1, 0, ((1000, 8),))
    assert after.since(before) is None
    assert RouteCounts(after).since(RouteCounts(before)) is None


COUNT = st.integers(0, 1_000)
SIDES = st.builds(
    SideCounts, COUNT, st.builds(Failures, *[COUNT] * 7), COUNT, COUNT,
    st.dictionaries(st.integers(100, 110), st.integers(1, 50)).map(lambda known: tuple(sorted(known.items()))),
)  # fmt: skip


@given(SIDES, SIDES)
def test_a_sum_less_a_part_is_the_other_part(one: SideCounts, other: SideCounts) -> None:
    assert sum_sides([one, other]).since(one) == other


def test_the_sum_of_no_route_is_nothing() -> None:
    assert sum_routes([]) == RouteCounts()
