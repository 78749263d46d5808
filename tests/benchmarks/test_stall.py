"""What a stall must show."""

from __future__ import annotations

import pytest

from benchmarks.sending.stall import expected


def test_latencies_of_a_stall_follow_from_the_schedule() -> None:
    found = expected(1.0, 30.0)
    assert found.p99_s == pytest.approx(0.7)  # of 30 s, 1 % are 0.3 s: what was meant for the first 0.3 s of the stall
    assert found.p999_s == pytest.approx(0.97)
    assert found.max_s == 1.0
    counted = sorted(max(0.0, 11.0 - at) if 10.0 <= at < 11.0 else 0.0 for at in (i / 1000 for i in range(30_000)))
    assert counted[int(0.99 * 30_000)] == pytest.approx(found.p99_s, abs=0.002)
    with pytest.raises(ValueError, match="make it longer"):
        expected(0.2, 30.0)
