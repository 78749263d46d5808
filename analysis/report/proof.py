"""The generator's own proof in table rows: was it late, was it busy, did arrivals wait for it? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.curve import CurvePoint
from analysis.findings import Findings
from analysis.numbers_told import UNKNOWN, number, percent

PROOF_HEAD: Final = (
    "twin", "endpoint", "loop", "offered /s", "send lag p50 ms", "send lag p99 ms", "send lag max ms", "backlog",
    "busiest thread %", "generator CPU %", "stolen", "dropped", "connections opened", "verdict",
)  # fmt: skip
PROOF_NUMBERS: Final = range(3, 13)
"""Which columns hold numbers."""


@dataclass(frozen=True, slots=True)
class ProofRow:
    """A line of the proof's table: one step of one twin, merged like its line of the stages' table."""

    cells: tuple[str, ...]
    valid: bool


def proof_rows(findings: Findings) -> tuple[ProofRow, ...]:
    """Return a line for every point of every curve."""
    return tuple(
        ProofRow(_cells(findings, twin, endpoint, point), point.valid)
        for endpoint in findings.endpoints
        for twin in findings.twins
        for point in findings.curves[twin, endpoint].points
    )


def proof_text(findings: Findings) -> str:
    """Return what the table says and how it is judged."""
    plan = findings.run.plan
    texts = [
        "Send lag is the send minus the later of the intended start and the moment a connection was free; backlog the "
        "most arrivals that waited for a connection, which counts into latency and invalidates nothing by itself."
    ]
    if findings.run.manifest.sender == "native-schedule":
        texts.append(
            f"A stage is invalid when send lag p99 exceeds {plan.engine.send_lag_p99_ms:g} ms, when the busiest "
            "sending thread or the generator used 90 % of its CPU, or when arrivals went unanswered while the twin had "
            "CPU to spare."
        )
    else:
        texts.append("This sender waits for answers and tells no send lag, backlog or connections.")
    return " ".join(texts)


def _cells(findings: Findings, twin: str, endpoint: str, point: CurvePoint) -> tuple[str, ...]:
    proof = point.proof
    return (
        findings.label(twin),
        endpoint,
        point.loop,
        number(point.offered_rps),
        number(proof.lag_p50_ms),
        number(proof.lag_p99_ms),
        number(proof.lag_max_ms),
        number(proof.backlog_max),
        number(proof.sender_cpu_percent),
        number(proof.generator_cpu_percent),
        percent(proof.stolen_ratio),
        UNKNOWN if proof.dropped_ratio is None else number(proof.dropped),
        number(proof.opened),
        _verdict(point),
    )


def _verdict(point: CurvePoint) -> str:
    if not point.valid:
        return "invalid: " + "; ".join(point.why)
    saturated = ", the twin past saturation" if point.past_saturation else ""
    without = f" in {point.blocks} of {len(point.by_block)} blocks" if point.why else ""
    return f"valid{without}{saturated}"
