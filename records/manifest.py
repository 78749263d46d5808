"""The manifest: everything about a run that is known before its first request, written once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from records.instance import Instance

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The machine that the run was made on; `ephemeral_ports` is None where the system does not tell."""

    hostname: str
    kernel: str
    cpu_model: str
    cpus: int
    memory_bytes: int
    descriptors: int
    ephemeral_ports: int | None
    load_1m: float


@dataclass(frozen=True, slots=True)
class GateRecord:
    """What the gate found: 0 of N mismatches bounds the mismatch rate below 3/N at 95 %.

    `key` joins the record to the twins, workload, pool and binaries that it was made with; `compared` and `bound` are
    by endpoint. `skipped` says that the run was told to go without a gate. `rules` are the plan's, each with the pairs
    in which it hid a difference.
    """

    key: str
    utc: str
    passed: bool
    compared: dict[str, int] = field(default_factory=dict)
    mismatches: dict[str, int] = field(default_factory=dict)
    bound: dict[str, float] = field(default_factory=dict)
    skipped: bool = False
    rules: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """The pool that the run drew its users from."""

    users: int
    seed: int | None
    entries: int | None
    digest: str
    imported: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """`manifest.json`. `plan` is the whole plan after overrides, secrets left as the names of their sources.

    `binaries` maps an instance's name to the SHA-256 of what it runs; `mono_ns`/`wall_ns` are one reading of both
    clocks; `time_limit_s` what the run may take.
    """

    schema: int
    run_id: str
    label: str
    utc: str
    mono_ns: int
    wall_ns: int
    argv: tuple[str, ...]
    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    binaries: dict[str, str]
    host: HostFacts
    plan: dict[str, Any]
    plan_digest: str
    pool: PoolFacts
    gate: GateRecord | None
    instances: tuple[Instance, ...]
    seats: int
    sender: str
    limits: dict[str, float] = field(default_factory=dict)
