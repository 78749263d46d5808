"""The proof of a stage from its seconds, by hand."""

from __future__ import annotations

from typing import Any

from records.second import Second
from swarm.proof import prover


def second(number: int, **fields: Any) -> Second:
    return Second(0, "", number, 0, "one", "front", "measure", 1.0, 1, **fields)


def test_a_proof_merges_the_seconds_of_the_measured_part() -> None:
    proof = prover(250)([
        second(1, send_lag=((10, 600),), backlog_max=3, opened=2, sender_cpu_ratio=0.2, checked=4),
        second(1, send_lag=((20, 395),), backlog_max=9),
        second(2, send_lag=((30, 4), (5_000, 1)), opened=0, sender_cpu_ratio=0.4, checked=1),
    ])  # fmt: skip
    # 1,000 lags: rank 500 is 10 µs, rank 990 is 20 µs. Bucket 5,000 is 3 doublings up: (5,000 - 3,072 + 1) x 8 - 1.
    assert (proof.lag_p50_us, proof.lag_p99_us) == (10.0, 20.0)
    assert proof.lag_max_us == 15_431.0
    assert (proof.backlog_max, proof.opened, proof.checked, proof.coalesce_us) == (9, 2, 5, 250)
    assert proof.cpu_ratio is not None
    assert abs(proof.cpu_ratio - 0.3) < 1e-12


def test_what_was_not_measured_is_none() -> None:
    proof = prover(0)([second(1)])
    assert (proof.lag_p50_us, proof.lag_p99_us, proof.lag_max_us, proof.cpu_ratio) == (None, None, None, None)
    assert (proof.backlog_max, proof.opened) == (0, 0)


def test_a_percentile_with_too_few_samples_beyond_it_is_none() -> None:
    proof = prover(0)([second(1, send_lag=((10, 999),))])
    assert (proof.lag_p50_us, proof.lag_p99_us, proof.lag_max_us) == (10.0, None, 10.0)
