"""What a native sender proves of itself over a stage's measured part, from the seconds that were written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from records.hdr import highest_us, merged, quantile_us
from records.second import Second
from records.stage import Proof

Prove = Callable[[Sequence[Second]], Proof]


def prover(coalesce_us: int) -> Prove:
    """Return what makes the proof of a stage; `coalesce_us` is how its answers were received, 0: each by itself."""

    def prove(seconds: Sequence[Second]) -> Proof:
        """Return the proof of a stage from the seconds of its measured part, in whatever phase their requests were."""
        lag = merged(second.send_lag for second in seconds)
        cpu = [second.sender_cpu_ratio for second in seconds if second.sender_cpu_ratio is not None]
        return Proof(
            lag_p50_us=quantile_us(lag, 0.5),
            lag_p99_us=quantile_us(lag, 0.99),
            lag_max_us=float(highest_us(np.array([lag[-1][0]], dtype=np.int64))[0]) if lag else None,
            backlog_max=max((second.backlog_max or 0 for second in seconds), default=0),
            cpu_ratio=sum(cpu) / len(cpu) if cpu else None,
            opened=sum(second.opened or 0 for second in seconds),
            checked=sum(second.checked or 0 for second in seconds),
            coalesce_us=coalesce_us,
        )

    return prove
