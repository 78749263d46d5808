"""What latencies a stall must show: arrivals at a constant rate, a target that stands still for a while. Pure.

An arrival that is meant for a moment inside the stall is answered when the target goes on: its latency is what is left
of the stall then. So over a run of T seconds with one stall of S, a share (S - x) / T of all arrivals is later than x.
A sender that waits for answers before it sends again hides all of them but one a connection.

Source: G. Tene, "How NOT to measure latency" (coordinated omission).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """Latencies in seconds that the schedule implies."""

    p99_s: float
    p999_s: float
    max_s: float


def expected(stall_s: float, run_s: float) -> Expected:
    """Return the latencies of a run with one stall; service time and catching up come on top.

    Raises: ValueError when the stall is too short to reach the 99th percentile.
    """
    if stall_s <= 0.01 * run_s:
        raise ValueError(f"a stall of {stall_s} s in {run_s} s does not reach the 99th percentile: make it longer")
    return Expected(stall_s - 0.01 * run_s, stall_s - 0.001 * run_s, stall_s)
