"""How far apart the samples of an instance were that others took: a scrape, an engine. Streams; little is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from records.clock import NS
from records.usage import UsageLine

_STEP_NS = NS // 100


@dataclass(slots=True)
class Sampling:
    """Collects usage as it streams by; only samples with times of their own count."""

    _last_ns: dict[int, int] = field(default_factory=dict)
    _steps: dict[int, Counter[int]] = field(default_factory=dict)  # how often each distance came, in steps of 10 ms

    def add(self, line: UsageLine) -> None:
        """Take one line in; it may repeat a sample."""
        for i, t_ns in enumerate(line.sampled_ns):
            if t_ns is None:
                continue
            last_ns = self._last_ns.get(i)
            if last_ns is not None and t_ns > last_ns:
                self._steps.setdefault(i, Counter())[round((t_ns - last_ns) / _STEP_NS)] += 1
            self._last_ns[i] = max(t_ns, last_ns or t_ns)

    def resolution_s(self, names: Sequence[str]) -> dict[str, float]:
        """Return the usual distance (the lower median) of each instance's samples, of those that have times of own."""
        return {names[i]: _median(steps) * _STEP_NS / NS for i, steps in sorted(self._steps.items())}


def _median(steps: Counter[int]) -> int:
    half, seen = steps.total() / 2, 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= half:
            return step
    raise ValueError("no distance was counted")
