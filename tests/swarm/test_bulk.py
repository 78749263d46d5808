"""Bulks: what the engine told, grouped by second, entry, status class and cause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.hdr import BUCKETS, bucket_of, total
from swarm.bulk import DROPPED, Asked, Bulk, bucket_ms, bulks_of, mean_of
from swarm.engine_plan import EngineLine, EngineStatus

ASKED = (Asked("go", "balance", "balance", "GET"), Asked("go", "mix", "history", "POST"))


def line(second: int = 5, endpoint: int = 0, dropped: int = 0, *status: EngineStatus) -> EngineLine:
    done = sum(one.done for one in status)
    return EngineLine(second, 1, endpoint, "measure", done + dropped, done, dropped, 0, (), status)


def good(*times: int, size: int = 10) -> EngineStatus:
    sparse = tuple((time, 1) for time in times)
    return EngineStatus("2xx", len(times), {}, sparse, (), size * len(times))


def test_equal_ends_of_one_second_are_one_bulk_over_threads_stages_and_phases() -> None:
    other = EngineLine(5, 2, 0, "drain", 0, 0, 0, 0, (), (good(300),))
    (bulk,) = bulks_of([line(5, 0, 0, good(100, 200)), other], ASKED)
    times = ((100, 1), (200, 1), (300, 1))
    assert bulk == Bulk(3, ASKED[0], 5, "2xx", None, mean_of(times), 10, None, times, 30)
    assert bulk.response_time_ms == pytest.approx(0.2)
    assert (bulk.twin, bulk.endpoint, bulk.entry) == ("go", "balance", "balance")


def test_a_class_with_several_causes_has_its_histogram_once() -> None:
    mixed = EngineStatus("2xx", 5, {"header": 1, "body": 2}, ((100, 5),), ((200, 5),), 50)
    first, body, header = bulks_of([line(5, 0, 0, mixed)], ASKED)
    assert (first.count, first.cause, first.latency, first.service, first.bytes) == (
        2, None, ((200, 5),), ((100, 5),), 50,
    )  # fmt: skip
    assert [(b.count, b.cause, b.latency, b.service, b.bytes) for b in (body, header)] == [
        (2, "body", None, None, None),
        (1, "header", None, None, None),
    ]
    assert {b.response_time_ms for b in (first, body, header)} == {0.2}


def test_the_response_time_is_the_latency_in_an_open_loop_and_the_service_time_in_a_closed_one() -> None:
    (open_loop,) = bulks_of([line(5, 0, 0, EngineStatus("2xx", 1, {}, ((100, 1),), ((900, 1),), 0))], ASKED)
    (closed_loop,) = bulks_of([line(5, 0, 0, good(100))], ASKED)
    assert (open_loop.times, open_loop.response_time_ms) == (((900, 1),), 0.9)
    assert (closed_loop.times, closed_loop.response_time_ms) == (((100, 1),), 0.1)


def test_dropped_arrivals_are_a_bulk_of_their_own_without_a_time() -> None:
    late, lost = bulks_of([line(5, 1, 7, EngineStatus("none", 2, {"timeout": 2}, ((100, 2),), (), 0))], ASKED)
    assert (late.count, late.status, late.cause) == (2, "none", "timeout")
    assert (lost.count, lost.status, lost.cause, lost.response_time_ms, lost.times) == (7, "none", DROPPED, None, ())
    assert lost.asked.name == "go mix history"


def test_seconds_before_the_first_wanted_one_are_left_out_and_the_others_in_order() -> None:
    lines = [line(second, 0, 0, good(100)) for second in (7, 4, 5)]
    assert [bulk.second for bulk in bulks_of(lines, ASKED, from_second=5)] == [5, 7]


@pytest.mark.parametrize(
    ("time_us", "key", "lowest", "highest"),
    [(7, 0.007, 0.007, 0.007), (342, 0.342, 0.342, 0.342), (1_236, 1.24, 1.236, 1.236), (4_001, 4.0, 4.0, 4.001)],
)
def test_a_bucket_is_told_in_ms_of_three_digits(time_us: int, key: float, lowest: float, highest: float) -> None:
    bucket = bucket_ms(bucket_of(time_us))
    assert (bucket.key, bucket.lowest, bucket.highest) == (key, lowest, highest)


@given(st.integers(0, BUCKETS - 1))
def test_every_bucket_lies_between_its_neighbours_and_its_key_is_within_half_a_percent(bucket: int) -> None:
    here = bucket_ms(bucket)
    assert here.lowest <= here.middle <= here.highest
    assert here.key == pytest.approx(here.highest, rel=0.005, abs=1e-9)
    if bucket + 1 < BUCKETS:
        assert bucket_ms(bucket + 1).lowest > here.highest


def test_the_mean_of_no_times_is_none() -> None:
    assert mean_of(()) is None
    assert mean_of(((100, 3), (200, 1))) == pytest.approx(0.125)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 9), st.integers(0, 4)), max_size=12))
def test_no_request_is_lost_or_counted_twice(told: list[tuple[int, int, int, int]]) -> None:
    lines = []
    for second, endpoint, done, failed in told:
        causes = {"timeout": min(done, failed)} if min(done, failed) else {}
        status = (EngineStatus("2xx", done, causes, ((50, done),), (), done),) if done else ()
        lines.append(line(second, endpoint, failed, *status))
    bulks = bulks_of(lines, ASKED)
    assert sum(b.count for b in bulks) == sum(done + failed for _, _, done, failed in told)
    assert sum(total(b.service or ()) for b in bulks) == sum(done for _, _, done, _ in told)
    assert sum(b.count for b in bulks if b.cause == "timeout") == sum(min(d, f) for _, _, d, f in told)
    assert len({(b.second, b.asked, b.status, b.cause) for b in bulks}) == len(bulks)
