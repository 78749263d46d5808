"""Rules of a plan that tie one section to another; each returns faults and all of them are asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from records.errors import Fault
from records.plan import Plan, TwinPlan
from records.plan_compose import faults_of_compose
from records.plan_load import StagesPlan, SwarmPlan
from records.plan_safety import literal_secrets
from records.plan_salvage import Place
from records.plan_secrets import MASK, is_secret_name, takes_variable
from records.plan_shadow_rules import faults_of_shadow
from records.plan_store import PLACE
from records.plan_types import COLUMN, REQUEST_ID, is_loopback

NARROWED: Final = ("capacity", "cpu_s_per_1k")
"""The ratios that a capacity search goes on for, as far as `verdict.ask` has them."""
GENERATED_COLUMNS = ("user_id", "name", "locale", "tier", "activity", "first_seen_ms", "until_ms", "entries")


def faults_between_sections(plan: Plan, guessed: Iterable[Place] = ()) -> tuple[Fault, ...]:
    """Return every fault that no single section shows.

    `guessed` are the places of keys that were left out of a faulty plan; a rule that one of them bears on is not asked.
    """
    places = tuple(guessed)
    return tuple(
        fault
        for rule, reads in _RULES
        if not any(_bears_on(place, pattern.split(".")) for place in places for pattern in reads)
        for fault in rule(plan)
    )


def _twins(plan: Plan) -> Iterator[Fault]:
    if len(plan.twins) != 2:
        yield Fault("twins", ", ".join(plan.twins), "name two twins: first the baseline, then the candidate")


def _names(plan: Plan) -> Iterator[Fault]:
    names = [i.name for twin in plan.twins.values() for i in twin.instances]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield Fault("twins.*.instances.name", name, "each instance needs a name of its own, over both twins")
    for name in sorted(set(names) & {"generator", "host", "store"}):
        yield Fault("twins.*.instances.name", name, "this name is the suite's own; choose another")
    entries = [entry.name for entry in plan.workload]
    for name in sorted({n for n in entries if entries.count(n) > 1}):
        yield Fault("workload.name", name, "each workload entry needs a name of its own")
    if "mix" in entries:
        yield Fault("workload.name", "mix", '"mix" names the weighted mix; choose another')


def _served(plan: Plan) -> Iterator[Fault]:
    known = {entry.name for entry in plan.workload}
    for twin_name, twin in plan.twins.items():
        served = {name for instance in twin.instances for name in instance.serves}
        for instance in twin.instances:
            for name in instance.serves:
                if name not in known:
                    yield Fault(f"twins.{twin_name}.instances.{instance.name}.serves", name, _no_entry(known))
        for entry in plan.workload:
            needed = entry.hot or (plan.stages.mix and entry.weight > 0)
            if needed and entry.name not in served:
                yield Fault(f"twins.{twin_name}", entry.name, "no instance serves this entry; add it to a `serves`")


def _addresses(plan: Plan) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for twin_name, twin in plan.twins.items():
        for instance in twin.instances:
            path = f"twins.{twin_name}.instances.{instance.name}.address"
            if instance.address in seen:
                yield Fault(path, instance.address, f"{seen[instance.address]} has this address already")
            seen[instance.address] = instance.name
            if is_loopback(instance.address):
                continue
            if twin.start == "process":
                yield Fault(path, instance.address, "a process is started on this machine: use a loopback address")
            elif not plan.allow_remote:
                yield Fault(path, instance.address, "is not loopback: load goes there only with allow_remote = true")


def _store(plan: Plan) -> Iterator[Fault]:
    """A store that an instance is not told of would be a second truth beside the instance's own memory."""
    if plan.store.kind == "none":
        return
    address = plan.store.address
    if address is not None and not is_loopback(address) and not plan.allow_remote:
        yield Fault("store.redis", plan.store.redis or "", "is not loopback: give allow_remote = true, or another one")
    for name, twin in _started(plan):
        for instance in twin.instances:
            if not any(PLACE in word for word in instance.command or twin.command or ()):
                path = f"twins.{name}.instances.{instance.name}.command"
                yield Fault(path, "", f'does not name {PLACE}: its writes would stay apart; add "--store", "{PLACE}"')


def _columns(plan: Plan) -> Iterator[Fault]:
    if plan.pool.import_file is not None:
        return  # an imported pool brings its own columns; they are checked when it is read
    for entry in plan.workload:
        for column in entry.columns:
            if column not in GENERATED_COLUMNS:
                known = ", ".join((*GENERATED_COLUMNS, REQUEST_ID))
                yield Fault(f"workload.{entry.name}", f"{{{column}}}", f"use one of: {known}")


def _cases(plan: Plan) -> Iterator[Fault]:
    known = {entry.name for entry in plan.workload}
    for number, case in enumerate(plan.shadow.case):
        if case.endpoint not in known:
            yield Fault(f"shadow.case[{number}].endpoint", case.endpoint, _no_entry(known))
        if not case.path.startswith("/"):
            yield Fault(f"shadow.case[{number}].path", case.path, 'a path begins with "/"')


def _hot(plan: Plan) -> Iterator[Fault]:
    if not plan.sweeps:
        yield Fault("workload", "", "mark an entry hot = true, or set stages.mix = true: there is nothing to sweep")
    if plan.stages.mix and not sum(entry.weight for entry in plan.workload):
        yield Fault("workload.weight", "0", "the mix needs an entry with weight > 0")


def _ramps(plan: Plan) -> Iterator[Fault]:
    """A stage whose ramp outlasts its warm-up would be measured before its load stands: refused."""
    before = 0.0
    if plan.swarm.sender == "native-schedule" and plan.engine.loop == "closed":
        return  # users come at once, spread over the ramp or their think time
    for name, rate_rps, users, warmup_s in planned_rates(plan.stages, plan.swarm):
        ramp_s = ramp_seconds(before, rate_rps, plan.swarm)
        if ramp_s > warmup_s:
            least = abs(rate_rps - before) / plan.swarm.user_rate_rps / warmup_s
            yield Fault(
                f"stages.{name}", f"{rate_rps:g} rps",
                f"its ramp takes {ramp_s:.1f} s but its warm-up has {warmup_s} s: "
                f"raise swarm.spawn_rate to {least:.0f} users a second or warmup_s to {int(ramp_s) + 1}",
            )  # fmt: skip
        if users is not None and users > plan.pool.users:
            yield Fault(f"stages.{name}", str(users), f"the pool has {plan.pool.users} users; raise pool.users")
        before = rate_rps


def _cores(plan: Plan) -> Iterator[Fault]:
    """The generator on a twin's cores would take from the twin what it measures."""
    for name, twin in _started(plan):
        shared = sorted(set(twin.cpu_set) & set(plan.swarm.cpu_set))
        if shared:
            yield Fault(
                "swarm.cpu_set", str(plan.swarm.cpu_set),
                f"{shared} {'is' if len(shared) == 1 else 'are'} in twins.{name}.cpu_set too: give the generator other "
                "cores; on a machine with one core alone leave swarm.cpu_set empty",
            )  # fmt: skip


def _alike(plan: Plan) -> Iterator[Fault]:
    """Twins that are started here are compared on one allotment."""
    started = list(_started(plan))
    for (first, one), (name, twin) in itertools.pairwise(started):
        if twin.start != one.start:
            yield Fault(f"twins.{name}.start", twin.start, f'is unlike twins.{first} ("{one.start}"): start both alike')
        remedy = f"is unlike twins.{first}: give both the same; they are compared on it"
        if len(twin.cpu_set) != len(one.cpu_set):
            yield Fault(f"twins.{name}.cpu_set", str(twin.cpu_set), f"{remedy} (it has {len(one.cpu_set)} cores)")
        elif twin.allotment_cores != one.allotment_cores:
            yield Fault(
                f"twins.{name}.cpus", _number(twin.allotment_cores), f"{remedy} (it has {_number(one.allotment_cores)})"
            )
        if twin.memory != one.memory:
            yield Fault(f"twins.{name}.memory", _bytes(twin.memory), f"{remedy} (it has {_bytes(one.memory)})")


def _secrets(plan: Plan) -> Iterator[Fault]:
    given: list[tuple[str, dict[str, str]]] = []
    for name, twin in plan.twins.items():
        given += [(f"twins.{name}.headers", twin.headers), (f"twins.{name}.env", twin.env)]
        given += [(f"twins.{name}.instances.{instance.name}.env", instance.env) for instance in twin.instances]
    given.append(("watch.headers", plan.watch.headers))
    for entry in plan.workload:  # a pool column is no secret of the plan's: each user brings its own
        literal = {key: text for key, text in entry.headers.items() if not COLUMN.search(text)}
        given.append((f"workload.{entry.name}.headers", literal))
    for path, values in given:
        for key, text in values.items():
            if is_secret_name(key) and not takes_variable(text):
                yield Fault(f"{path}.{key}", MASK, "a secret never stands in a plan: write ${NAME} and export NAME")


def _hooks(plan: Plan) -> Iterator[Fault]:
    for path, commands in plan.hook_commands.items():
        for number, command in enumerate(commands):
            for word in literal_secrets(command):
                remedy = "a secret never stands in a plan: write ${NAME} and export NAME"
                yield Fault(f"{path}[{number}]", f"{word} {MASK}", remedy)


def _safety(plan: Plan) -> Iterator[Fault]:
    for number, rule in enumerate(plan.safety.stop_when or []):
        if rule.twin is not None and rule.twin not in plan.twins:
            known = ", ".join(plan.twins)
            yield Fault(f"safety.stop_when[{number}].twin", rule.twin, f"the plan has no such twin; there are: {known}")


def _started(plan: Plan) -> Iterator[tuple[str, TwinPlan]]:
    return ((name, twin) for name, twin in plan.twins.items() if twin.start != "external")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _bytes(size: int | None) -> str:
    return "none" if size is None else f"{size / 2**20:g}MiB"


def _loop(plan: Plan) -> Iterator[Fault]:
    """A closed loop of the engine has users, no rates; a live stage has Locust's users and one twin's time."""
    closed = plan.swarm.sender == "native-schedule" and plan.engine.loop == "closed"
    if closed and plan.stages.kind not in ("list", "live"):
        yield Fault("stages.kind", plan.stages.kind, 'engine.loop = "closed" has users, no rates: use "list" or "live"')
    if closed and any(stage.users is None for stage in plan.stages.list_ or []):
        yield Fault("stages.list", "rate_rps", 'engine.loop = "closed" has users, no rates: give users in every stage')
    if plan.stages.kind == "live" and plan.swarm.sender != "native-schedule":
        yield Fault("stages.kind", "live", 'needs swarm.sender = "native-schedule": its rate follows the user count')
    if not plan.is_closed_loop and plan.stages.kind != "live":
        warmup_s = min((s.warmup_s for s in plan.stages.list_ or []), default=plan.stages.warmup_s)
        if plan.engine.queue_limit_s > warmup_s:
            yield Fault(
                "engine.queue_limit_s", f"{plan.engine.queue_limit_s:g}",
                f"who waits longer than the warm-up of {warmup_s} s runs into the next stage's measured part: "
                f"lower it to {warmup_s} or raise the warm-up",
            )  # fmt: skip
    if plan.engine.threads * plan.swarm.processes > plan.engine.connections:
        yield Fault(
            "engine.connections", str(plan.engine.connections),
            f"{plan.engine.threads * plan.swarm.processes} sending threads need at least one connection each",
        )  # fmt: skip


def _cost(plan: Plan) -> Iterator[Fault]:
    """A fleet's rates are those of sweeps, for only they are measured; the mix holds the others' requests already."""
    for name, rate_rps in plan.cost.fleet_rate_rps.items():
        if name not in plan.sweeps:
            known = ", ".join(plan.sweeps) or "none"
            yield Fault(f"cost.fleet_rate_rps.{name}", f"{rate_rps:g}", f"nothing sweeps it; there are: {known}")
    if "mix" in plan.cost.fleet_rate_rps and len(plan.cost.fleet_rate_rps) > 1:
        yield Fault("cost.fleet_rate_rps.mix", "", "the mix holds the other entries' requests: give it alone, or them")


def _asked(plan: Plan) -> Iterator[Fault]:
    if plan.search.mode == "capacity" and not set(plan.verdict.ask) & set(NARROWED):
        remedy = f'a search goes on for {" and ".join(NARROWED)}: add one of them, or use search.mode = "curve"'
        yield Fault("verdict.ask", ", ".join(plan.verdict.ask), remedy)


def planned_rates(stages: StagesPlan, swarm: SwarmPlan) -> tuple[tuple[str, float, int | None, int], ...]:
    """Return (name, rate_rps, users, warmup_s) of the stages a plan fixes; () where rates are found or set live."""
    if stages.kind == "ramp" and stages.from_rps and stages.to_rps and stages.steps:
        step = (stages.to_rps - stages.from_rps) / (stages.steps - 1)
        rates = [stages.from_rps + step * i for i in range(stages.steps)]
    elif stages.kind == "steps":
        rates = list(stages.rates_rps or [])
    elif stages.kind == "spike" and stages.base_rps and stages.peak_rps:
        rates = [stages.base_rps, stages.peak_rps, stages.base_rps]
    elif stages.kind == "soak" and stages.rate_rps:
        rates = [stages.rate_rps]
    else:
        return tuple(
            (
                s.name,
                s.rate_rps if s.rate_rps is not None else (s.users or 0) * swarm.user_rate_rps,
                s.users,
                s.warmup_s,
            )
            for s in stages.list_ or []
        )
    return tuple((f"{stages.kind}-{i}", rate, None, stages.warmup_s) for i, rate in enumerate(rates, start=1))


def ramp_seconds(from_rps: float, to_rps: float, swarm: SwarmPlan) -> float:
    """Return how long the rate takes from one stage to the next at `spawn_rate` users a second."""
    return abs(to_rps - from_rps) / swarm.user_rate_rps / swarm.spawn_rate


def _no_entry(known: set[str]) -> str:
    return f"no workload entry has this name; there are: {', '.join(sorted(known))}"


def _bears_on(place: Place, pattern: Sequence[str]) -> bool:
    """Say whether a place is what a pattern names, or holds it; `*` stands for any one key or position."""
    if len(place) > len(pattern):
        return False
    return all(wanted in ("*", str(part)) for part, wanted in zip(place, pattern, strict=False))


# Each rule with the keys that, guessed, could make it find what the plan does not say.
_RULES: Final[tuple[tuple[Callable[[Plan], Iterator[Fault]], tuple[str, ...]], ...]] = (
    (_twins, ("twins.*",)),
    (_names, ()),
    (_served, ("workload.*.name", "twins.*.instances.*.serves.*", "stages.mix")),
    (_addresses, ("allow_remote",)),
    (_store, ("store.*", "allow_remote", "twins.*.start", "twins.*.command", "twins.*.instances.*.command")),
    (_columns, ("pool.import_file",)),
    (_cases, ("workload.*.name",)),
    (faults_of_shadow, ("workload.*.name", "shadow.gateway.*", "allow_remote", "twins.*.start", "twins.*.cpu_set.*")),
    (_hot, ("workload.*.hot", "workload.*.weight", "stages.mix")),
    (_ramps, ("stages.*.*.*", "swarm.user_rate_rps", "swarm.spawn_rate", "pool.users")),
    (
        _loop,
        ("stages.*", "stages.list.*.users", "stages.list.*.warmup_s", "swarm.sender", "swarm.processes", "engine.*"),
    ),
    (_cost, ("workload.*.name", "workload.*.hot", "stages.mix", "cost.fleet_rate_rps.*")),
    (_asked, ("search.mode", "verdict.*")),
    (_cores, ()),
    (_alike, ("twins.*.start", "twins.*.cpu_set.*", "twins.*.cpus", "twins.*.memory")),
    (faults_of_compose, ("twins.*.start", "twins.*.*", "twins.*.instances.*.*", "compose.*", "store.*")),
    (_secrets, ()),
    (_hooks, ()),
    (_safety, ("twins.*",)),
)
