"""May a stage be used? One judge, asked live by the campaign and again by the report. Pure.

| against a stage | because |
|---|---|
| cut short | its measured part is not whole |
| an instance of the twin died | the load met fewer instances than the plan has |
| the watch has a gap | nobody can say who was the limit |
| stolen time > 5 % | the hypervisor was the limit |
| generator CPU >= 90 % of its cores | the generator was the limit |
| its busiest sending thread >= 90 % of a core | the generator was the limit |
| send lag's p99 above `engine.send_lag_p99_ms` | the generator was the limit |
| fewer arrivals made than planned | the generator was the limit |
| short, the generator's cores >= 95 % busy; open loop: the twin below its limit, too | the generator was the limit |
| short, the twin's cores busy with others | the machine was the limit |
| short, twin's CPU < 80 % of its allotment, arrivals waited for a connection | the connections were the limit |
| short, twin's CPU < 80 % of its allotment | the generator was the limit |

Short: answered < 97 % of what was offered in a closed loop; in an open one < 99 % of the arrivals counted, less what
the edges of the window may hide (`figures.edge_requests`); or arrivals were dropped. A saturated generator reads its
answers late, so that connections look busy and the send lag small: beside its busy cores a backlog is short as well.

The generator's cores are those that it is pinned to and the twin is not: the campaign decodes, writes and watches there
too, which the generator's own CPU does not show. Where it has none to itself, that row does not apply.

A trial of the capacity search that is short is the twin's own doing, and valid, when over 1 % of the answers broke the
SLO from their actual send on: fewer connections can only make them quicker, so with more the twin would be later still.
That is how a twin that waits for something else than its CPU is at its limit; the last two rows do not apply then.

A stage past saturation (the twin at its limit) is valid: backlog and drops are what saturation looks like. A container
that its CPU limit held back in half of its scheduling periods is at its limit, whatever its mean CPU: with quotas the
last two rows do not apply to it. Probes and rests are not judged.
"""

from __future__ import annotations

import math
from typing import Final

from analysis.figures import AT_LIMIT_PERCENT, IDLE_PERCENT, StageFigures, figures_of, measured_window
from records.stage import Loop, StageLine

__all__ = ["StageFigures", "carried", "figures_of", "judge", "measured_window", "past_saturation"]

UNJUDGED: Final = frozenset({"probe", "rest"})
"""Kinds of stages that no figure comes from."""
GENERATOR_LIMIT_PERCENT: Final = 90.0
STOLEN_LIMIT_RATIO: Final = 0.05
CARRIED_RATIO: Final[dict[Loop, float]] = {"closed": 0.97, "open": 0.99}  # achieved ÷ offered, at least
_PLANNED_DEVIATIONS: Final = 5.0  # of a Poisson count: about one stage in three million strays further by chance


def judge(line: StageLine, figures: StageFigures, *, is_slow_itself: bool = False) -> tuple[str, ...]:
    """Return the reasons against a stage; () for a valid stage; probes and rests are not judged.

    Args:
        line: the stage as the swarm told it, its own reasons in `why`.
        figures: what its measured part achieved and cost.
        is_slow_itself: the twin's answers broke the SLO from their actual send on (`swarm.trials.TrialBook`).
    """
    if line.stage.kind in UNJUDGED:
        return ()
    reasons = list(line.why)  # what the swarm itself has against it
    if not line.complete and not line.stage.live:  # a live stage ends when a person stops it
        reasons.append("the stage was cut short")
    reasons += [f"instance {name} died" for name in figures.died]
    reasons += [f"no usage samples of {name}: who was the limit is unknown" for name in figures.gaps]
    if figures.stolen_ratio is not None and figures.stolen_ratio > STOLEN_LIMIT_RATIO:
        reasons.append(
            f"the hypervisor took {100 * figures.stolen_ratio:.1f} % of the CPU time "
            f"(limit {100 * STOLEN_LIMIT_RATIO:.0f} %)"
        )
    own = _generator(line, figures)
    limit = None if own else _limit(line, figures, is_slow_itself=is_slow_itself)
    return (*reasons, *own, *((limit,) if limit else ()))


def carried(achieved_rps: float, offered_rps: float, loop: Loop, *, edge_rps: float = 0.0) -> bool:
    """Say whether an offered rate was achieved: 97 % of it in a closed loop, 99 % in an open one.

    `edge_rps` is what the edges of an open loop's window may hide.
    """
    return achieved_rps >= CARRIED_RATIO[loop] * offered_rps - edge_rps


def past_saturation(line: StageLine, figures: StageFigures) -> bool:
    """Say whether a stage asked more than its twin gave, with the twin at its CPU limit.

    A twin at its limit needs no allowance for the window's edges. Users without a rate ask as fast as they are
    answered: they are past saturation when the twin is at its limit.
    """
    if not figures.at_limit:
        return False
    offered = _offered_rps(line, figures)
    if offered is None:
        return line.stage.users is not None
    return not carried(figures.answered_rps, offered, line.stage.loop)


def _offered_rps(line: StageLine, figures: StageFigures) -> float | None:
    return line.stage.rate_rps if figures.offered_rps is None else figures.offered_rps


def _generator(line: StageLine, figures: StageFigures) -> tuple[str, ...]:
    """Return what the generator's own figures say against it, whatever was answered."""
    blame, limit = "the generator was the limit", f"(limit {GENERATOR_LIMIT_PERCENT:.0f} %)"
    reasons = []
    if figures.generator_percent is not None and figures.generator_percent >= GENERATOR_LIMIT_PERCENT:
        reasons.append(f"{blame}: its CPU was at {figures.generator_percent:.0f} % of its cores {limit}")
    proof = line.proof
    if proof is not None and proof.cpu_ratio is not None and 100 * proof.cpu_ratio >= GENERATOR_LIMIT_PERCENT:
        reasons.append(f"{blame}: its busiest sending thread used {100 * proof.cpu_ratio:.0f} % of a core {limit}")
    if proof is not None and figures.lag_limit_ms is not None:
        # with too few sends for a p99 a median beyond the limit says the same
        name, lag_us = ("p99", proof.lag_p99_us) if proof.lag_p99_us is not None else ("p50", proof.lag_p50_us)
        if lag_us is not None and lag_us / 1000 > figures.lag_limit_ms:
            allowed = f"limit {figures.lag_limit_ms:g} ms: engine.send_lag_p99_ms"
            reasons.append(f"{blame}: it sent late, send lag {name} {lag_us / 1000:.3g} ms ({allowed})")
    planned, made = _planned(line), line.offered or 0.0
    if planned is not None and made < planned - max(0.01 * planned, _PLANNED_DEVIATIONS * math.sqrt(planned)):
        reasons.append(f"{blame}: it made {made:.0f} of {planned:.0f} arrivals planned")
    return tuple(reasons)


def _planned(line: StageLine) -> float | None:
    """Return how many arrivals a whole stage of an open loop plans; None where no plan counts them."""
    stage = line.stage
    if stage.loop != "open" or stage.rate_rps is None or line.offered is None or not line.complete:
        return None
    return stage.rate_rps * stage.measure_s


def _limit(line: StageLine, figures: StageFigures, *, is_slow_itself: bool) -> str | None:
    """Return why something other than the twin was the limit, or None."""
    short = _short(line, figures)
    own_busy, target = figures.generator_cores_busy_percent, figures.target_percent
    saturated = line.stage.loop == "open" and figures.at_limit  # it had all it could carry, whoever was busy besides
    if own_busy is not None and own_busy >= AT_LIMIT_PERCENT and not saturated:
        piled = short or (
            None if target is None or target >= IDLE_PERCENT or figures.at_limit else _piled(line, figures)
        )
        if piled is not None:
            limit = f"limit {AT_LIMIT_PERCENT:.0f} %"
            return f"the generator was the limit: {piled} while its cores were {own_busy:.0f} % busy ({limit})"
    if short is None or figures.at_limit or is_slow_itself:
        return None
    if target is None:
        return None if figures.gaps else f"who was the limit is unknown: {short}, twin's CPU not watched"
    if target >= IDLE_PERCENT:
        return None
    if figures.cores_busy_percent is not None and figures.cores_busy_percent >= AT_LIMIT_PERCENT:
        return (
            f"the machine was the limit: {short}, the twin's cores were {figures.cores_busy_percent:.0f} % busy "
            f"but its instances used {target:.0f} %"
        )
    idle = f"{short} while the twin's CPU stood at {target:.0f} %"
    waited = line.proof.backlog_max if line.proof is not None else 0
    if line.stage.loop == "open" and waited and figures.connections is not None:
        return (
            f"the connections were the limit: {idle}, up to {waited} arrivals waited for one of "
            f"{figures.connections} connections: raise engine.connections"
        )
    return f"the generator was the limit: {idle}"


def _short(line: StageLine, figures: StageFigures) -> str | None:
    """Return what was asked and not answered, None when nothing was or another reason explains it."""
    offered = _offered_rps(line, figures)
    if offered is None or not line.complete or figures.died:
        return None
    if not carried(figures.answered_rps, offered, line.stage.loop, edge_rps=figures.edge_rps):
        dropped = f" and dropped {line.dropped}" if line.dropped else ""
        return f"answered {figures.answered_rps:.0f} of {offered:.0f} requests a second offered{dropped}"
    if line.dropped:
        return f"dropped {line.dropped} arrivals of {offered:.0f} a second offered"
    return None


def _piled(line: StageLine, figures: StageFigures) -> str | None:
    """Return how many arrivals waited when they were more than the window's edges or 1 % of the arrivals explain."""
    if line.proof is None or not line.offered or not line.complete:
        return None
    usual = max(figures.edge_rps * line.stage.measure_s, (1 - CARRIED_RATIO["open"]) * line.offered)
    return f"up to {line.proof.backlog_max} arrivals waited" if line.proof.backlog_max > usual else None
