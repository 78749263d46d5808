"""What every command is given: where the plan is, where runs go, how to speak."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from records.errors import Fault, PlanError
from records.plan import Plan
from records.plan_file import inspect_plan, read_plan
from twinload.hooks import missing_parts
from twinload.preflight import read_limits, shortages
from twinload.talk import Talk


@dataclass(frozen=True, slots=True)
class Context:
    """The common options of a command."""

    plan_path: Path
    runs: Path
    sets: tuple[str, ...] = ()
    as_json: bool = False
    talk: Talk = field(default_factory=Talk)

    @property
    def root(self) -> Path:
        """The plan's folder: its relative paths begin here, and `.twinload/` lies here."""
        return self.plan_path.resolve().parent

    @property
    def state(self) -> Path:
        """The folder of what is kept between commands: pool, gate records, pids, logs."""
        return self.root / ".twinload"

    def plan(self, *more_sets: str) -> Plan:
        """Read the plan with its overrides; PlanError with all faults."""
        return read_plan(self.plan_path, sets=(*more_sets, *self.sets))

    def fitting_plan(self, *more_sets: str) -> Plan:
        """Read the plan and hold it against this machine; PlanError with all faults of either kind."""
        reading = inspect_plan(self.plan_path, sets=(*more_sets, *self.sets))
        short: list[Fault] = []
        if reading.plan is not None:
            short += [*shortages(reading.plan, read_limits()), *missing_parts(reading.plan, self.root)]
        faults = (*reading.faults, *(fault for fault in short if not reading.is_guessed(fault.path)))
        if reading.plan is None or faults:
            raise PlanError(f"{self.plan_path}{'' if reading.faults else ' on this machine'}", faults)
        return reading.plan
