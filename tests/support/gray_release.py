"""A gray release between two services that say who they are: what the tests of its users share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from gateway_rig import Behaviour, Gateway, Service, Tree, canary, configuration

BASELINE, CANDIDATE = b'{"by":"baseline"}', b'{"by":"candidate"}'
NEVER = {"failures": 1_000_000, "ratio": 1.0}
"""Of a breaker that does not open by failures."""

Silent: TypeAlias = Callable[[bytes], Behaviour]


def released(folder: Path, baseline: Service, candidate: Service, **keys: Any) -> Tree:
    """Return a configuration of a gray release to everybody; nothing is copied."""
    section = canary(**({"share": 1.0} | keys))
    return configuration(folder, baseline, candidate, mode="canary", canary=section, mirror={"share": 0.0})


def counts(one: Gateway, by: str = "candidate", route: str = "balance") -> Tree:
    """Return the counts of a side's users."""
    found: Tree = one.status()["canary"]["routes"][route][by]
    return found


def failed(one: Gateway, route: str = "balance") -> Tree:
    """Return how often the candidate failed, by kind, where it did."""
    return {kind: count for kind, count in counts(one, route=route)["failed"].items() if count}
