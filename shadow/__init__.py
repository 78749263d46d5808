"""Are the answers the same? Pairs of answers are judged byte for byte before any load is sent.

The step between clusters and load. One judge, two sources of pairs, replay and a gateway's mirror:

    plan + pool -> cases (what to ask) -> replay (both twins are asked) -> judge
    plan -> gateway_config -> gateway (live traffic) -> mirrored (its files) -> judge (equal, different, raced; rules)
    -> signs (kind and place), noise -> tally (counts, bounds, coverage) -> gate (pass or fail)
    -> record (kept under the key of what was compared), live (the folder of a shadow run)
    -> known answers (hashes that a sender compares a share of the bodies with under load)

Pure: template, variants, cases, json_text, json_diff, rules, judge, signs, noise, scrub, tally, render, gateway_config.
At the edge: wire, replay, fingerprint, record, known, mirrored, live. `mutation/` proves the comparer.

Errors:

* ShadowError
  x CaseError    the plan asks for requests that the pool or the workload cannot give
  x TargetError  a twin cannot be asked: no instance, no binary, a variable that is not set, an address not allowed
  x StoreError   a gate's record or its differences cannot be written
"""

from shadow.cases import replayed_endpoints
from shadow.errors import CaseError, ShadowError, StoreError, TargetError
from shadow.gate import Edge, gate_key, prove, run_gate
from shadow.known import load_known
from shadow.record import find as find_record
from shadow.report import GateReport

__all__ = [
    "CaseError",
    "Edge",
    "GateReport",
    "ShadowError",
    "StoreError",
    "TargetError",
    "find_record",
    "gate_key",
    "load_known",
    "prove",
    "replayed_endpoints",
    "run_gate",
]
