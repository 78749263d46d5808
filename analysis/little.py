"""Little's law as a check of the measurement itself: L = X · W, where each side comes from other records. Pure.

Left: requests that were sent and not yet answered at the end of each second, from the *counts* of sends and answers
alone. Right: answers a second times their mean service time, from the *clocks*. A sender that starts its clock late, or
leaves out slow answers, makes the right side too small; one that loses count makes the left side drift, and it does not
come back to zero at the end of the run.

Usage lines hold how many connections were open, which is no count of requests; the counts are the only other record.
They are read at whole seconds, so a mean over few seconds strays by chance: by as much as the counts differ from second
to second within the stages.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analysis.figures import measured_seconds
from analysis.run import RunData, StageData
from records.hdr import mean_us, total

LEAST_SECONDS: Final = 10
LEAST_IN_FLIGHT: Final = 20.0  # summed over the seconds looked at
LEAST_WIDTH: Final = 0.1  # what the edges of seconds may add up to
DEVIATIONS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Little:
    """The check over the valid stages of one twin and endpoint; `agrees` is None where too little was in flight to say.

    `counted`: mean requests in flight by the counts, `timed`: by rate times service time, over `seconds` seconds;
    `ratio` is timed ÷ counted, `within` how far it may stray from 1 by chance. `lost`: sends of the twin in the whole
    run of which no end was told. `why` says it in words.
    """

    counted: float | None
    timed: float | None
    ratio: float | None
    within: float | None
    seconds: int
    lost: int
    agrees: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class _Seen:
    seconds: int
    counted: float
    timed: float
    variance: float


def check_little(run: RunData, twin: str, endpoint: str) -> Little:
    """Return the check over the valid measured stages and trials of a twin's endpoint that were not past saturation.

    Past it, what is in flight grows as long as the stage lasts: rates and times of a window do not belong together.
    """
    flight = in_flight(run, twin)
    lost = list(flight.values())[-1] if flight else 0
    seen = [
        one
        for data in run.stages
        if (data.line.stage.twin, data.line.stage.endpoint) == (twin, endpoint)
        and data.line.stage.kind != "probe"
        and not data.why
        and not data.past_saturation
        and (one := _of_stage(data, flight)) is not None
    ]
    return _told(seen, lost)


def in_flight(run: RunData, twin: str) -> dict[int, int]:
    """Return by second how many requests of a twin were sent and not yet answered at its end, in order of time."""
    found, waiting = {}, 0
    for second, load in sorted((key[0], load) for key, load in run.load.seconds.items() if key[1] == twin):
        waiting += load.sent - load.answered
        found[second] = waiting
    return found


def _of_stage(data: StageData, flight: dict[int, int]) -> _Seen | None:
    first, end = measured_seconds(data.line)
    ends = [flight[second] for second in range(first, end) if second in flight]
    service = data.tally.service.sparse()
    if len(ends) < 2 or not total(service):
        return None
    timed = data.figures.answered_rps * mean_us(service) / 1e6
    return _Seen(len(ends), statistics.fmean(ends), timed, statistics.variance(ends))


def _told(seen: Sequence[_Seen], lost: int) -> Little:
    seconds = sum(one.seconds for one in seen)
    counted, timed = sum(one.seconds * one.counted for one in seen), sum(one.seconds * one.timed for one in seen)
    if lost:
        why = f"{lost:,} requests were sent of which no end was counted"
        return Little(None, None, None, None, seconds, lost, False, why)
    if seconds < LEAST_SECONDS or timed < LEAST_IN_FLIGHT or counted <= 0:
        why = f"{seconds} seconds of valid stages with {timed / max(seconds, 1):.2g} requests at once: too few to say"
        return Little(None, None, None, None, seconds, lost, None, why)
    spread = math.sqrt(sum(one.seconds * one.variance for one in seen))
    within = max(LEAST_WIDTH, DEVIATIONS * spread / timed)
    ratio = timed / counted
    agrees = abs(ratio - 1) <= within
    said = "agree" if agrees else "disagree: the times, or the counts, are wrong"
    why = (
        f"{counted / seconds:.3g} requests in flight by the counts, {timed / seconds:.3g} by rate times service time, "
        f"over {seconds} s: they {said} (within {100 * within:.0f} % is chance)"
    )
    return Little(counted / seconds, timed / seconds, ratio, within, seconds, lost, agrees, why)
