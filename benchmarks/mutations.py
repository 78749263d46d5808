"""The comparer's mutation score and its false alarms: real twins and sockets, faults by a proxy before the candidate.

    .venv/bin/python -m benchmarks.mutations [--each 10] [--pairs 50000] [--judged 1000000] [--seed 1] [--writes 20]

Three parts: `--each` faults of every kind, hidden among good answers, which must all be seen and named by kind and
path; `--pairs` pairs of the twins through the same proxy, which faults nothing; `--judged` pairs of recorded answers at
the comparer alone, every 64th with its lists in another order, which a rule allows. Of the last two none may be seen.
With `--writes` the twins share a store, and so many recharges a second move money while both are asked; pairs that
raced are asked again, and counted apart when they still do.
Writes `mutations`, `mutations_seen`, `mutation_kinds`, `pairs`, `pairs_judged`, `false_alarms`, `judged_per_second`,
`pairs_raced` and `writes`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.gateway_figures import write_figures
from benchmarks.writing import Writer, writing
from clusters import start_clusters
from clusters.command import split_address
from clusters.contract.store import MISSING, is_installed
from clusters.ports import free_ports
from records.plan import Plan
from records.plan_file import read_plan
from records.plan_shadow import ShadowRule
from shadow.answer import Answer, Case, Pair
from shadow.cases import make_cases
from shadow.json_text import Members, parse, whole
from shadow.judge import Excused, judge
from shadow.mutation.faults import KINDS
from shadow.mutation.proxy import Fault, FaultProxy
from shadow.mutation.score import Score, table_of
from shadow.replay import Effort, Sides, replay, sides_of
from shadow.rules import RuleBook
from shadow.wire import Target, targets_of
from twinload.pool_step import ensure_pool

ROOT: Final = Path(__file__).parents[1]
ENDPOINTS: Final = ("balance", "statistics")
SPARE: Final = 4
"""So many times more answers are marked for a kind than are wanted: not every answer has a place for every fault."""
TIMEOUT_S: Final = 5.0
LOOSE: Final = 64
EFFORT: Final = Effort(threads=8, repeats=10)
SHARED: Final = ROOT / "examples" / "live-writes" / "twinload.toml"


@dataclass(frozen=True, slots=True)
class Twins:
    """Running twins, cases for them, and who writes to them, if someone does."""

    plan: Plan
    sides: Sides
    cases: tuple[Case, ...]
    writer: Writer | None


def plan_of(pairs: int, *, shared: bool) -> Plan:
    """Return a shipped plan on free ports, with so many cases over both endpoints; `shared`: over one store."""
    path = SHARED if shared else ROOT / "twinload.toml"
    shipped = read_plan(path)
    sets = [f"shadow.bound={3 * len(ENDPOINTS) / pairs}", "swarm.cpu_set=[]"]
    ports = iter(free_ports(sum(len(twin.instances) for twin in shipped.twins.values())))
    for name, twin in shipped.twins.items():
        sets += [f'twins.{name}.instances.{i}.address="127.0.0.1:{next(ports)}"' for i in range(len(twin.instances))]
        sets.append(f"twins.{name}.cpu_set=[0]")
    return read_plan(path, sets=sets)


def running(stack: ExitStack, pairs: int, writes_rps: float) -> Twins:
    """Start both twins, and someone who writes; return them with their cases."""
    plan = plan_of(pairs, shared=writes_rps > 0)
    root = SHARED.parent if writes_rps > 0 else ROOT
    pool = ensure_pool(plan, root, lambda _: None)
    clusters = stack.enter_context(start_clusters(plan, root, say=lambda _: None))
    sides = sides_of(plan, clusters.instances, targets_of(plan, clusters.instances, root), ENDPOINTS)
    writer = None
    if writes_rps > 0:
        taker = next(one for one in clusters.instances if one.twin == plan.baseline and "recharge" in one.serves)
        writer = stack.enter_context(writing(split_address(taker.address or ""), pool.ids, writes_rps))
    return Twins(plan, sides, make_cases(plan, pool, ENDPOINTS), writer)


def through_proxies(sides: Sides, faults: dict[str, Fault], stack: ExitStack) -> tuple[Sides, list[FaultProxy]]:
    """Put a proxy before each instance of the candidate."""
    proxies: dict[str, tuple[FaultProxy, Target]] = {}
    for target in (t for found in sides.candidate.values() for t in found):
        if target.name not in proxies:
            proxy = stack.enter_context(closing(FaultProxy((target.host, target.port), faults)))
            host, _, port = proxy.start().rpartition(":")
            proxies[target.name] = proxy, replace(target, host=host, port=int(port))
    candidate = {name: tuple(proxies[t.name][1] for t in found) for name, found in sides.candidate.items()}
    return replace(sides, candidate=candidate), [proxy for proxy, _ in proxies.values()]


def asked(sides: Sides, cases: Sequence[Case], timeout_s: float) -> Iterator[Pair]:
    """Ask cases at both twins."""
    with closing(replay(cases, sides, timeout_s=timeout_s, environ={}, effort=EFFORT)) as pairs:
        yield from pairs


def faults_for(cases: Sequence[Case], each: int, rng: random.Random) -> dict[str, Fault]:
    """Mark targets of valid requests, each once, `each` of every kind and some to spare."""
    valid = [case for case in cases if case.kind == "valid"]
    targets = list(dict.fromkeys(case.target for case in valid))
    rng.shuffle(targets)
    kinds = [kind for kind in KINDS for _ in range(each * (1 if kind in ("late", "reset", "cut-short") else SPARE))]
    if len(kinds) > len(targets):
        sys.exit(f"{len(kinds)} targets are needed, there are {len(targets)}: ask for more pairs or fewer faults")
    found = {}
    for kind, target in zip(kinds, targets, strict=False):
        other = None
        if kind == "user":
            near = next(
                t for t in reversed(targets) if t != target and t.split("/")[-1][:7] == target.split("/")[-1][:7]
            )
            other = "/".join([*target.split("/")[:3], near.split("/")[3], *target.split("/")[4:]])
        found[target] = Fault(target, kind, rng.getrandbits(32), other)
    return found


def _user(target: str) -> str:
    return target.split("/")[3]


def mutated(twins: Twins, each: int, rng: random.Random) -> Score:
    """Hide faults among good answers, and judge all of them."""
    cases = list({case.target: case for case in twins.cases if case.kind == "valid"}.values())
    rng.shuffle(cases)
    cases = cases[: each * len(KINDS) * SPARE * 3 // 2]
    faults, score = faults_for(cases, each, rng), Score()
    with ExitStack() as stack:
        sides, proxies = through_proxies(twins.sides, faults, stack)
        pairs = list(asked(sides, cases, timeout_s=1.0))
        injected = {target: one for proxy in proxies for target, one in proxy.injected.items()}
    for pair in pairs:
        verdict = judge(pair.baseline, pair.candidate, headers=twins.plan.shadow.headers, target=pair.case.target)
        score.add(pair, verdict, injected)
    return score


def untouched(twins: Twins, pairs: int) -> tuple[Score, list[Pair]]:
    """Judge pairs through proxies that fault nothing; some are kept as a record."""
    score = Score()
    kept: list[Pair] = []
    with ExitStack() as stack:
        sides, _ = through_proxies(twins.sides, {}, stack)
        for pair in asked(sides, twins.cases[:pairs], TIMEOUT_S):
            verdict = judge(pair.baseline, pair.candidate, headers=twins.plan.shadow.headers, target=pair.case.target)
            score.add(pair, verdict, {})
            if len(kept) < 2_000:
                kept.append(pair)
    return score, kept


def judged(recorded: Sequence[Pair], count: int, headers: Sequence[str], rng: random.Random) -> tuple[int, float]:
    """Judge recorded pairs again and again, every 64th with its lists in another order; return alarms and seconds."""
    loose = RuleBook([ShadowRule(do="unordered", path=f"$.{key}") for key in ("lots", "diamond_lots", "top_gifts")])
    rules = loose.of("any")
    shuffled = [_shuffled(pair, rng) for pair in recorded[:: max(len(recorded) // 256, 1)]]
    alarms, start_s = 0, time.perf_counter()
    for number in range(count):
        if number % LOOSE:
            pair = recorded[number % len(recorded)]
            alarms += judge(pair.baseline, pair.candidate, headers=headers, target=pair.case.target) is not None
        else:
            pair = shuffled[number // LOOSE % len(shuffled)]
            found = judge(pair.baseline, pair.candidate, headers=headers, rules=rules, target=pair.case.target)
            alarms += not (found is None or isinstance(found, Excused))
    return alarms, time.perf_counter() - start_s


def _shuffled(pair: Pair, rng: random.Random) -> Pair:
    """Return a pair whose candidate lists the same in another order, where a rule allows it."""
    candidate = pair.candidate
    if not isinstance(candidate, Answer) or candidate.status != 200:
        return pair
    document = parse(candidate.body)
    pairs = []
    for key, value in document.pairs:
        item = list(value) if key in ("lots", "diamond_lots", "top_gifts") else value
        if item is not value:
            rng.shuffle(item)
        pairs.append((key, item))
    return replace(pair, candidate=replace(candidate, body=whole(Members(tuple(pairs))).encode()))


def main() -> int:
    """Measure, print and write the figures; 1 when a fault was missed or an alarm was false."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--judged", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writes", type=float, default=20.0, metavar="RPS", help="0: the data stands still")
    options = parser.parse_args()
    if options.writes and not is_installed():
        print(f"{MISSING}; the data stands still")
        options.writes = 0.0
    rng = random.Random(options.seed)
    with ExitStack() as stack:
        twins = running(stack, options.pairs, options.writes)
        score = mutated(twins, options.each, rng)
        print("\n".join(table_of(score)))
        start_s = time.perf_counter()
        clean, recorded = untouched(twins, options.pairs)
        print(f"{clean.pairs:,} pairs of the twins in {time.perf_counter() - start_s:.0f} s: "
              f"{clean.false_alarms} false alarms, {clean.raced} raced to the end")  # fmt: skip
        headers, writes = twins.plan.shadow.headers, twins.writer.taken if twins.writer else 0
        print(f"{writes:,} writes meanwhile, {twins.writer.refused if twins.writer else 0} refused")
    alarms, spent_s = judged(recorded, options.judged, headers, rng)
    print(f"{options.judged:,} pairs at the comparer in {spent_s:.1f} s: {alarms} false alarms")
    for line in [*score.amiss, *clean.amiss][:20]:
        print(line[:400])
    false_alarms = score.false_alarms + clean.false_alarms + alarms
    write_figures({
        "mutations": score.total, "mutations_seen": score.seen.total(), "mutations_named": score.named.total(),
        "mutation_kinds": len(score.injected), "pairs": clean.pairs, "pairs_judged": options.judged,
        "false_alarms": false_alarms, "judged_per_second": round(options.judged / spent_s), "seed": options.seed,
        "pairs_raced": score.raced + clean.raced, "writes": writes,
    })  # fmt: skip
    return 0 if score.named.total() == score.total and not false_alarms else 1


if __name__ == "__main__":
    sys.exit(main())
