"""How often is an equal candidate sent back, and how soon a worse one found? The judge's test in virtual time.

    python -m benchmarks.canary_virtual --repetitions 2000                 # false rollbacks, all worlds
    python -m benchmarks.canary_virtual --worlds "long stalls" --block-s 10 --step-s 300
    python -m benchmarks.canary_virtual --detect --repetitions 400         # time to detect at 5 % of the users
    python -m benchmarks.canary_virtual --detect --repetitions 400 --json out.json      # figures for the picture
    python -m benchmarks.canary_picture out.json docs/canary-judging.png

2,000 requests a second, blocks of half a second, steps of 1, 5, 25, 50 and 100 % of the users, 30 s each, or as given.
Detection: a step of an equal candidate at 1 %, then it is worse from the first moment at 5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.canary_laws import BLOCK_S, EQUAL, WORLDS, Effect, Traffic, World, uppers_us
from shadow.binomial import interval
from shadow.gray.evidence import LIVE, Evidence, SideBlock
from shadow.gray.judge import STEP_ERROR, Rules
from shadow.gray.sequential import FloatArray

STEPS: Final = (0.01, 0.05, 0.25, 0.5, 1.0)
STEP_S: Final = 30.0
SEEN_S: Final = 180.0
"""How long a worse candidate is watched."""
ODDS: Final = (1.5, 2.0, 4.0)
EFFECTS: Final = (
    *[Effect(f"failures +{100 * x:g} %", failures=x) for x in (0.002, 0.005, 0.01, 0.02, 0.05)],
    *[Effect(f"latency +{100 * x:.0f} %", scale=1 + x) for x in (0.1, 0.3, 1.0)],
    *[Effect(f"p99 +{100 * x:.0f} %, beyond p90", tail=1 + x) for x in (0.1, 0.3, 1.0)],
)


class Independent:
    """What the usual test makes of it: a likelihood ratio for requests that are independent, mixed over odds ratios.

    Given a block's bad requests, each is the candidate's with its share of the requests. For comparison only.
    """

    def __init__(self, repetitions: int) -> None:
        self._log = np.zeros((repetitions, len(ODDS)))

    def take(self, baseline: SideBlock, candidate: SideBlock) -> None:
        """Add a block's failures."""
        every = baseline.requests + candidate.requests
        share = (candidate.requests / np.maximum(every, 1))[:, None]
        odds = np.asarray(ODDS)
        bad = (baseline.failed + candidate.failed)[:, None]
        self._log += candidate.failed[:, None] * np.log(odds) - bad * np.log(1 - share + share * odds)

    @property
    def evidence(self) -> FloatArray:
        return np.asarray(np.mean(np.exp(np.minimum(self._log, 700.0)), axis=1))


@dataclass(frozen=True, slots=True)
class Sent:
    """Equal candidates of a world: how many were sent back, by the product's test and by the usual one."""

    world: str
    roll_outs: int
    sent_back: int
    by_step: tuple[int, ...]
    low: float
    high: float
    stepped_in_soak: tuple[float, ...]
    usual_sent_back: int
    took_s: float


def crossed(evidence: Evidence, rules: Rules) -> FloatArray:
    """Return where either wealth is beyond what is needed."""
    found = evidence.live.wealth.total >= 1 / (LIVE * rules.alpha)
    if evidence.after is not None:
        found |= evidence.after.wealth.total >= 1 / ((1 - LIVE) * rules.alpha)
    return np.asarray(found)


@dataclass(frozen=True, slots=True)
class Lengths:
    """What is one piece of evidence, a multiple of the traffic's half seconds, and how long a step lasts."""

    block_s: float = BLOCK_S
    step_s: float = STEP_S

    @property
    def blocks(self) -> int:
        """How many there are in a step."""
        return round(self.step_s / self.block_s)


USUAL: Final = Lengths()


def block_of(traffic: Traffic, share: float, effect: Effect, block_s: float) -> tuple[SideBlock, SideBlock]:
    """Return the next block of both sides, summed up of half seconds."""
    sides = [traffic.block(share, effect) for _ in range(round(block_s / BLOCK_S))]
    baseline, candidate = (reduce(_added, side) for side in zip(*sides, strict=True))
    return baseline, candidate


def _added(one: SideBlock, other: SideBlock) -> SideBlock:
    return SideBlock(
        one.requests + other.requests, one.failed + other.failed, one.callers + other.callers,
        one.latency + other.latency,
    )  # fmt: skip


def roll_out(world: World, repetitions: int, seed: int, lengths: Lengths = USUAL) -> Sent:
    """Walk equal candidates to the end, whether sent back or not, and count."""
    begun, rules = time.process_time(), Rules()
    traffic = Traffic(world, repetitions, np.random.default_rng(seed))
    evidence = Evidence(rules.margins, uppers_us(), (repetitions,))
    usual, usual_back = Independent(repetitions), np.zeros(repetitions, bool)
    back, by_step, stepped = np.zeros(repetitions, bool), [], []
    for share, following in zip(STEPS, (*STEPS[1:], None), strict=True):
        evidence.step(share, following)
        shown = np.zeros(repetitions, bool)
        for _ in range(lengths.blocks):
            baseline, candidate = block_of(traffic, share, EQUAL, lengths.block_s)
            evidence.take(baseline, candidate)
            usual.take(baseline, candidate)
            back |= crossed(evidence, rules)
            usual_back |= usual.evidence >= 1 / rules.alpha
            shown = evidence.proof.wealth.total >= 1 / STEP_ERROR
        by_step.append(int(back.sum()) - sum(by_step))
        stepped.append(float(shown.mean()))
    sent = int(back.sum())
    return Sent(
        world.name, repetitions, sent, tuple(by_step), *interval(sent, repetitions), tuple(stepped),
        int(usual_back.sum()), time.process_time() - begun,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """How soon a worse candidate was found: quantiles in s (None: not within 180 s), and shares found in time."""

    world: str
    effect: str
    roll_outs: int
    before: int
    median_s: float | None
    p90_s: float | None
    within_20_s: float
    within_60_s: float
    within_120_s: float
    times_s: tuple[float, ...]
    took_s: float


def detect(world: World, effect: Effect, repetitions: int, seed: int, lengths: Lengths = USUAL) -> Found:
    """Watch candidates that are equal at 1 % and worse from the beginning of 5 % on."""
    begun, rules = time.process_time(), Rules()
    traffic = Traffic(world, repetitions, np.random.default_rng(seed))
    evidence = Evidence(rules.margins, uppers_us(), (repetitions,))
    evidence.step(STEPS[0], STEPS[1])
    early = np.zeros(repetitions, bool)
    for _ in range(lengths.blocks):
        evidence.take(*block_of(traffic, STEPS[0], EQUAL, lengths.block_s))
        early |= crossed(evidence, rules)
    evidence.step(STEPS[1], STEPS[2])
    times_s = np.full(repetitions, np.inf)
    for block in range(round(SEEN_S / lengths.block_s)):
        evidence.take(*block_of(traffic, STEPS[1], effect, lengths.block_s))
        times_s[np.isinf(times_s) & crossed(evidence, rules)] = (block + 1) * lengths.block_s
        if not np.any(np.isinf(times_s)):
            break
    times_s = np.sort(times_s[~early])
    median, p90 = (float(np.quantile(times_s, q, method="inverted_cdf")) for q in (0.5, 0.9))
    return Found(
        world.name, effect.name, repetitions, int(early.sum()), _finite(median), _finite(p90),
        *(float(np.mean(times_s <= limit)) for limit in (20, 60, 120)), tuple(times_s.tolist()),
        time.process_time() - begun,
    )  # fmt: skip


def _finite(seconds: float) -> float | None:
    return seconds if np.isfinite(seconds) else None


def _tell_false(found: Sent) -> None:
    shown = " ".join(f"{100 * x:.0f}" for x in found.stepped_in_soak)
    print(
        f"{found.world:12} {found.roll_outs:6d} {100 * found.sent_back / found.roll_outs:7.2f} % "
        f"({100 * found.low:.2f} .. {100 * found.high:.2f}) by step {list(found.by_step)} | shown in a step, %: "
        f"{shown} | usual {100 * found.usual_sent_back / found.roll_outs:.1f} % ({found.took_s:.0f} s)", flush=True,
    )  # fmt: skip


def _tell_found(found: Found) -> None:
    median, p90 = (f"{x:6.1f}" if x is not None else " > 180" for x in (found.median_s, found.p90_s))
    print(
        f"{found.world:12} {found.effect:24} {found.roll_outs:5d} median {median} s, p90 {p90} s | within 20 s "
        f"{100 * found.within_20_s:5.1f} %, 60 s {100 * found.within_60_s:5.1f} %, 120 s "
        f"{100 * found.within_120_s:5.1f} % ({found.took_s:.0f} s)", flush=True,
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line a world, or a world and effect."""
    names = [world.name for world in WORLDS]
    parser = argparse.ArgumentParser(prog="benchmarks.canary_virtual", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000, help="roll-outs of each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", nargs="*", choices=names, default=names)
    parser.add_argument("--effects", nargs="*", choices=[effect.name for effect in EFFECTS])
    parser.add_argument("--detect", action="store_true", help="time to detect instead of false rollbacks")
    parser.add_argument("--block-s", type=float, default=BLOCK_S, help=f"a multiple of {BLOCK_S:g}")
    parser.add_argument("--step-s", type=float, default=STEP_S, help="how long each step lasts")
    parser.add_argument("--json", type=Path, help="put the figures into this file, after each line")
    options = parser.parse_args(argv)
    if options.block_s < BLOCK_S or options.block_s % BLOCK_S or options.step_s < options.block_s:
        parser.error(f"--block-s {options.block_s:g}: a multiple of {BLOCK_S:g}, up to --step-s {options.step_s:g}")
    lengths = Lengths(options.block_s, options.step_s)
    found: list[Any] = []

    def keep(one: Any) -> None:
        found.append(one)
        if options.json is not None:
            _write(options.json, "detect" if options.detect else "false", found)

    for world in (one for one in WORLDS if one.name in options.worlds):
        if not options.detect:
            keep(roll_out(world, options.repetitions, options.seed, lengths))
            _tell_false(found[-1])
            continue
        for effect in EFFECTS:
            if options.effects is None or effect.name in options.effects:
                keep(detect(world, effect, options.repetitions, options.seed, lengths))
                _tell_found(found[-1])
    return 0


def _write(path: Path, key: str, found: list[Any]) -> None:
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**known, key: [asdict(one) for one in found]}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
