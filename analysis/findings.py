"""All results of a run in one place, computed once, drawn and told by many. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis import setting
from analysis.asked import asked_of
from analysis.capacity import BlockCapacity, Capacity, block_capacities, capacity_of, capacity_ratio
from analysis.cost_ratio import cost_ratio, is_waited_for
from analysis.curve import Curve, curves_of
from analysis.ratio import Ratios, ratios_of
from analysis.run import RunData
from analysis.same_load import Memory, SameLoad, same_load
from analysis.saturation import Saturation, saturation_of
from analysis.trial_points import TrialPoint, trial_points
from analysis.verdict import Verdict, verdict_of


@dataclass(frozen=True, slots=True)
class Bodies:
    """Answers whose body was compared with the gate's, under load, over the whole run; and those that differed."""

    compared: int
    differed: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run found, keyed by (twin, endpoint) or by endpoint; None where nothing can be said.

    `blocks` are the capacity search's, and `trials` its trials as points; both empty where none was made.
    """

    run: RunData
    baseline: str
    candidate: str
    curves: dict[tuple[str, str], Curve]
    saturation: dict[tuple[str, str], Saturation | None]
    same_load: dict[str, SameLoad | None]
    ratios: dict[str, Ratios]
    capacity: dict[tuple[str, str], Capacity | None]
    blocks: tuple[BlockCapacity, ...]
    trials: dict[tuple[str, str], tuple[TrialPoint, ...]]
    verdict: Verdict

    @property
    def twins(self) -> tuple[str, str]:
        """The baseline and the candidate."""
        return self.baseline, self.candidate

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The sweeps, in the plan's order."""
        return self.run.endpoints

    @property
    def loops(self) -> tuple[str, ...]:
        """The loops that the measured points were driven by: closed, open, or both."""
        return tuple(sorted({point.loop for curve in self.curves.values() for point in curve.points}))

    def blocks_of(self, twin: str, endpoint: str) -> tuple[BlockCapacity, ...]:
        """Return the blocks in which the capacity of a twin was searched."""
        return tuple(block for block in self.blocks if (block.twin, block.endpoint) == (twin, endpoint))

    @property
    def coalesce_us(self) -> int:
        """The span in µs over which answers were received in batches; 0 where each was received at once."""
        native = self.run.manifest.sender == "native-schedule"
        told = [s.line.proof.coalesce_us for s in self.run.stages if s.line.proof is not None]
        return max(told, default=self.run.plan.engine.coalesce_us if native else 0)

    def bodies(self, twin: str) -> Bodies | None:
        """Return how many of a twin's answers were compared with the gate's, None when none was."""
        told = self.run.load.bodies(twin)
        return None if not told.checked else Bodies(told.checked, told.differed)

    def label(self, twin: str) -> str:
        """Return a twin's name for people."""
        return setting.label_of(self.run.plan, twin)


def find(run: RunData) -> Findings:
    """Return the results of a run."""
    baseline, candidate = run.plan.baseline, run.plan.candidate
    curves = curves_of(run)
    saturation = {key: saturation_of(curve) for key, curve in curves.items()}
    same = {
        endpoint: same_load(
            curves[baseline, endpoint],
            curves[candidate, endpoint],
            memory_of(run, baseline, endpoint),
            memory_of(run, candidate, endpoint),
        )
        for endpoint in run.endpoints
    }
    blocks = block_capacities(run.trials, run.plan)
    ratios = {}
    for endpoint in run.endpoints:
        at_saturation = saturation[baseline, endpoint], saturation[candidate, endpoint]
        at = same[endpoint]
        ratios[endpoint] = ratios_of(*at_saturation, at, capacity_ratio(blocks, endpoint, run.plan))
        if at is not None and is_waited_for(run.plan):
            ratios[endpoint] = replace(ratios[endpoint], cpu_s_per_1k=cost_ratio(at, run.plan))
    return Findings(
        run, baseline, candidate, curves, saturation, same, ratios,
        capacity={(twin, endpoint): capacity_of(blocks, twin, endpoint, run.plan) for twin, endpoint in curves},
        blocks=blocks,
        trials=trial_points(run, blocks),
        verdict=_verdict(run, ratios),
    )  # fmt: skip


def _verdict(run: RunData, ratios: Mapping[str, Ratios]) -> Verdict:
    gate = run.manifest.gate
    passed = None if gate is None or gate.skipped else gate.passed
    return verdict_of(asked_of(run.plan, ratios), gate_passed=passed, partial=run.partial)


def memory_of(run: RunData, twin: str, endpoint: str) -> Memory:
    """Return what the instances of a twin that serve an endpoint may use, and used before any load."""
    instances = run.manifest.instances
    positions = setting.serving(instances, twin, endpoint, run.plan)
    return Memory(
        setting.twin_memory_bytes(instances, positions, run.plan, twin),
        setting.sum_or_none([run.idle_memory_bytes[i] for i in positions]),
    )
