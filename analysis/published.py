"""The published figures that a run is shown beside: a hand-kept table, each with its scope. Data alone.

The case: a live-streaming platform's payment service, two hot endpoints rewritten from Go to Rust. Its fleet's absolute
figures cannot be repeated on a small machine; ratios can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Figure = Literal["saturation", "p99", "cpu", "memory"]

SOURCE: Final = "a live-streaming platform's payment service, two hot endpoints rewritten from Go to Rust"
WHOLE_CLUSTER: Final = "whole cluster"
ENDPOINT_LETTERS: Final = {"balance": "A", "statistics": "B"}  # the case's names of its two endpoints


@dataclass(frozen=True, slots=True)
class Published:
    """A published figure of Go and Rust; `endpoint` is None where the scope is the whole cluster."""

    figure: Figure
    what: str
    endpoint: str | None
    scope: str
    unit: str
    baseline: float
    candidate: float

    @property
    def ratio(self) -> float:
        """Rust ÷ Go."""
        return self.candidate / self.baseline


PUBLISHED: Final = (
    Published("saturation", "maximum throughput", "balance", "endpoint A, balance check", "QPS", 85_000, 150_000),
    Published("saturation", "maximum throughput", "statistics", "endpoint B, statistics", "QPS", 105_000, 210_000),
    Published("cpu", "CPU usage", None, WHOLE_CLUSTER, "%", 78.0, 52.0),
    Published("memory", "memory usage", None, WHOLE_CLUSTER, "%", 7.4, 2.07),
    Published("p99", "p99 latency", None, WHOLE_CLUSTER, "ms", 19.87, 4.79),
)


def published_for(figure: Figure, endpoint: str) -> Published | None:
    """Return the published figure beside a measured one: the endpoint's own, else the whole cluster's.

    None for endpoints that the case does not have: a pair of one's own is not measured against it.
    """
    if endpoint not in ENDPOINT_LETTERS:
        return None
    return next((p for p in PUBLISHED if p.figure == figure and p.endpoint in (endpoint, None)), None)


def endpoint_title(endpoint: str) -> str:
    """Return an endpoint's name for people: with the case's letter where it has one."""
    letter = ENDPOINT_LETTERS.get(endpoint)
    return f"{letter} · {endpoint}" if letter else endpoint
