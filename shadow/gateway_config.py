"""What a gateway is told: plan and running instances -> the JSON file that it reads. Pure; names are resolved outside.

A gateway tells endpoints by method and path alone: workload entries that share both cannot be told apart. Headers of
twins are filled in here, so the file holds secrets: whoever writes it keeps it readable by its owner alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from clusters.command import fill_variables
from records.instance import Instance
from records.plan import Plan, WorkloadEntry
from shadow.errors import TargetError

SAFE: Final = ("GET", "HEAD", "OPTIONS")
REST: Final = "*"
_COLUMN: Final = re.compile(r"\{([a-z_0-9]+)\}")
Resolve = Callable[[str], str]
"""From "host:port" to the same with a numeric address."""


@dataclass(frozen=True, slots=True)
class GatewayFiles:
    """Where a gateway keeps what it reads and writes; `state` outlives it, where a mode and a share must."""

    token: Path
    pairs: Path
    state: Path | None = None


def gateway_config(
    plan: Plan, instances: Sequence[Instance], files: GatewayFiles, *, environ: Mapping[str, str], resolve: Resolve,
    mode: Literal["off", "shadow", "canary", "full"] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the gateway's configuration.

    Args:
        plan: its workload, twins and `[shadow.gateway]`.
        instances: the running ones of both twins.
        environ: where `${ENV}` of headers is taken from.
        mode: at its start; None: the plan's. The gray release's section is written with "canary" alone.
    Raises: TargetError with every reason why a gateway cannot stand before this plan's twins.
    """
    faults = tuple(_faults(plan, environ))
    if faults:
        raise TargetError("\n".join(faults))
    gateway = plan.shadow.gateway
    is_canary = mode == "canary"
    side = {twin: _side(plan, twin, instances, environ, resolve) for twin in plan.twins}
    return {
        "listen": resolve(gateway.listen),
        "admin": resolve(gateway.admin),
        "token_file": str(files.token),
        "mode": mode or gateway.mode,
        "state_file": None if files.state is None else str(files.state),
        "sides": {
            "baseline": side[plan.baseline],
            "candidate": side[plan.candidate],
            "second": side[plan.baseline] if plan.shadow.second == "baseline" else None,
        },
        "routes": [_route(entry) for entry in plan.workload],
        "limits": {
            "header_bytes": gateway.header_bytes, "body_bytes": gateway.body_bytes, "timeout_s": gateway.timeout_s,
            "idle_s": gateway.idle_s, "connections": gateway.connections,
        },
        "mirror": {
            "queue": gateway.mirror_queue, "concurrency": gateway.mirror_concurrency,
            "timeout_s": gateway.mirror_timeout_s, "body_bytes": gateway.mirror_body_bytes,
            "retries": gateway.mirror_retries,
            "share": plan.canary.shadow_share if is_canary else gateway.mirror_share,
        },
        "compare": {
            "headers": [name.lower() for name in plan.shadow.headers], "raced_header": gateway.raced_header.lower(),
            "redact_headers": [name.lower() for name in gateway.redact], "pairs_file": str(files.pairs),
            "pairs_per_kind": gateway.pairs_per_kind,
        },
        "health": {
            "interval_s": gateway.health_interval_s, "timeout_s": gateway.health_timeout_s,
            "fails": gateway.health_fails, "passes": gateway.health_passes,
        },
        "canary": _canary(plan) if is_canary else None,
    }  # fmt: skip


def told_users(plan: Plan) -> tuple[str | None, str | None]:
    """Return where requests tell their user: the placeholder, None when no path has it, and the header."""
    placeholder = plan.canary.user_placeholder
    has_it = any(f"{{{placeholder}}}" in template_of(entry).split("/") for entry in plan.workload)
    return placeholder if has_it else None, plan.canary.user_header


def _canary(plan: Plan) -> dict[str, Any]:
    """Return the gray release's section: it begins with the whitelist alone, who drives it orders the shares."""
    canary = plan.canary
    placeholder, header = told_users(plan)
    return {
        "share": 0.0,
        "whitelist": list(canary.whitelist),
        "user": {"placeholder": placeholder, "header": header},
        "salt": canary.salt,
        "budget_ms": {"min": canary.budget_min_ms, "max": canary.budget_max_ms, "factor": canary.budget_factor},
        "retry": {"ratio": canary.retry_ratio, "burst": canary.retry_burst},
        "breaker": {
            "window_ms": canary.breaker_window_ms, "failures": canary.breaker_failures, "ratio": canary.breaker_ratio,
            "slow_factor": canary.breaker_slow_factor, "slow_floor_ms": canary.breaker_slow_floor_ms,
            "slow_samples": canary.breaker_slow_samples, "open_s": canary.breaker_open_s,
            "max_open_s": canary.breaker_max_open_s, "probes": canary.breaker_probes,
        },
        "check": canary.check,
        "compare_share": canary.compare_share,
    }  # fmt: skip


def template_of(entry: WorkloadEntry) -> str:
    """Return an entry's path as the gateway matches it: without its query, whole segments for what users fill in."""
    path = entry.path.partition("?")[0]
    return "/".join(_segment(part) for part in path.split("/"))


def _segment(part: str) -> str:
    column = _COLUMN.search(part)
    return f"{{{column[1]}}}" if column else part


def _route(entry: WorkloadEntry) -> dict[str, Any]:
    safe = entry.method in SAFE
    return {"name": entry.name, "method": entry.method, "path": template_of(entry), "safe": safe}


def _side(
    plan: Plan, name: str, instances: Sequence[Instance], environ: Mapping[str, str], resolve: Resolve
) -> dict[str, Any]:
    twin = plan.twins[name]
    own = [one for one in instances if one.twin == name and one.address is not None]
    hot = {entry.name for entry in plan.workload if entry.hot}
    cold = [one for one in own if not hot & set(one.serves)]
    return {
        "instances": [
            {
                "name": one.name,
                "address": resolve(one.address or ""),
                "routes": [*one.serves, *([REST] if one in (cold or own) else [])],
            }
            for one in own
        ],
        "health": twin.ready,
        "host": twin.host,
        "headers": {key: fill_variables(value, environ)[0] for key, value in twin.headers.items()},
    }


def _faults(plan: Plan, environ: Mapping[str, str]) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for entry in plan.workload:
        key = entry.method, _COLUMN.sub("{}", template_of(entry))
        if key in seen:
            yield (
                f"workload.{entry.name}: {seen[key]} has this method and path too, and by them alone a gateway tells "
                "endpoints; leave one out, or give it weight 0 and another path"
            )
        seen.setdefault(key, entry.name)
    for name, twin in plan.twins.items():
        if twin.scheme != "http":
            yield f"twins.{name}.scheme = {twin.scheme}: the gateway asks over http; put it where http is spoken"
        for header, value in twin.headers.items():
            for missing in fill_variables(value, environ)[1]:
                yield f"twins.{name}.headers.{header}: ${{{missing}}} is not set; export {missing}"
