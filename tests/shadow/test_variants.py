"""Unknown ids and bad requests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.template import is_target
from shadow.variants import NOBODY, UNKNOWN_IDS, bad_requests, unknown_id

STATISTICS = "/v1/users/{user_id}/statistics?from={first_seen_ms}&bucket=day"


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@given(st.sampled_from(UNKNOWN_IDS), st.sets(st.text(st.sampled_from("ab"), min_size=1, max_size=3), min_size=1),
       st.integers(0, 2**32))  # fmt: skip
def test_an_unknown_id_is_in_no_pool_even_a_crowded_one(variant: str, known: set[str], seed: int) -> None:
    near = sorted(known)[0]
    made = unknown_id(variant, near, known, ["a", "b"], rng(seed))
    assert made.text not in known
    assert is_target(f"/v1/users/{made.text}/balance")


def test_a_pool_that_has_every_short_id_gets_a_longer_unknown_one() -> None:
    known = {"a", "b", "aa", "ab", "ba", "bb"}
    for variant in UNKNOWN_IDS:
        assert unknown_id(variant, "a", known, ["a", "b"], rng(3)).text not in known


def test_the_percent_encoded_id_is_the_real_one_written_otherwise() -> None:
    assert unknown_id("percent-encoded", "aZ", {"aZ"}, ["a"], rng(1)).text == "%61%5A"


def test_every_parameter_gets_every_fault() -> None:
    faults = {fault.name: fault for fault in bad_requests("GET", STATISTICS, unsafe=False)}
    path = "/v1/users/{user_id}/statistics"
    assert faults["from dropped"].template == f"{path}?bucket=day"
    assert faults["from empty"].template == f"{path}?from=&bucket=day"
    assert faults["from without value"].template == f"{path}?from&bucket=day"
    assert faults["from doubled"].template == f"{path}?from={{first_seen_ms}}&from={{first_seen_ms}}&bucket=day"
    assert faults["bucket not digits"].template == f"{path}?from={{first_seen_ms}}&bucket=abc"
    assert faults["bucket negative"].template.endswith("&bucket=-1")
    assert faults["bucket float"].template.endswith("&bucket=1.5")
    assert faults["bucket spaces encoded"].template.endswith("&bucket=%201%20")
    assert faults["bucket huge"].template.endswith("&bucket=" + "9" * 30)
    assert faults["trailing slash"].template == f"{path}/?from={{first_seen_ms}}&bucket=day"
    assert faults["no query"].template == path
    assert len(faults) == 2 * 15 + 5


def test_a_path_without_query_gets_junk_ones() -> None:
    templates = [fault.template for fault in bad_requests("GET", "/u/{user_id}", unsafe=False)]
    assert "/u/{user_id}?x=1" in templates
    assert "/u/{user_id}?" in templates
    assert "/u/{user_id}/" in templates


@pytest.mark.parametrize("template", [STATISTICS, "/u/{user_id}", "/fib?n=3", "/u?id={user_id}"])
def test_an_unsafe_method_never_meets_a_real_user_or_a_path_of_nobody(template: str) -> None:
    for unsafe in (True, False):
        for fault in bad_requests("GET", template, unsafe=unsafe):
            if fault.method not in ("GET", "OPTIONS"):
                assert unsafe
                assert f"/{NOBODY}" in fault.template
                assert "{user_id}" not in fault.template


def test_unsafe_methods_are_tried_where_they_may() -> None:
    methods = [fault.method for fault in bad_requests("GET", STATISTICS, unsafe=True)]
    assert {"POST", "DELETE", "OPTIONS"} <= set(methods)
