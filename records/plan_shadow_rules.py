"""Rules that tie `[shadow]` to the rest of a plan."""

from __future__ import annotations

from collections.abc import Iterator

from records.errors import Fault
from records.plan import Plan
from records.plan_types import is_loopback


def faults_of_shadow(plan: Plan) -> Iterator[Fault]:
    """Yield what `[[shadow.rule]]` and `[shadow.gateway]` say that the rest of the plan does not bear out."""
    known = {entry.name for entry in plan.workload}
    for number, rule in enumerate(plan.shadow.rule):
        if rule.endpoint is not None and rule.endpoint not in known:
            names = ", ".join(sorted(known))
            yield Fault(
                f"shadow.rule[{number}].endpoint", rule.endpoint, f"no workload entry has this name; there are: {names}"
            )
    yield from _addresses(plan)
    shared = sorted(_cores(plan) & set(plan.shadow.gateway.cpu_set))
    if shared:
        yield Fault(
            "shadow.gateway.cpu_set", str(plan.shadow.gateway.cpu_set),
            f"{shared} {'is' if len(shared) == 1 else 'are'} the twins': give it other cores, or leave it empty",
        )  # fmt: skip


def taken_addresses(plan: Plan) -> dict[str, str]:
    """Return who of the twins has an address, by address."""
    return {instance.address: instance.name for twin in plan.twins.values() for instance in twin.instances}


def _addresses(plan: Plan) -> Iterator[Fault]:
    """A plan that says nothing of the gateway may use its default addresses for anything else."""
    gateway, taken = plan.shadow.gateway, taken_addresses(plan)
    for key, address in (("listen", gateway.listen), ("admin", gateway.admin)):
        if key in gateway.model_fields_set and address in taken:
            yield Fault(f"shadow.gateway.{key}", address, f"{taken[address]} has this address already")
    if gateway.listen == gateway.admin:
        yield Fault(
            "shadow.gateway.admin", gateway.admin, "is where the gateway listens; the two need one address each"
        )
    if not is_loopback(gateway.admin):
        yield Fault("shadow.gateway.admin", gateway.admin, "whoever reaches it may switch: use a loopback address")
    if not is_loopback(gateway.listen) and not plan.allow_remote:
        yield Fault("shadow.gateway.listen", gateway.listen, "is not loopback: only with allow_remote = true")


def _cores(plan: Plan) -> set[int]:
    return {core for twin in plan.twins.values() if twin.start != "external" for core in twin.cpu_set}
