"""The answers to one stage's measured requests, summed from its seconds as they stream by.

Times and failures are those of requests that were started in the measured part, whenever they ended: in its seconds
(phase `measure`) or after them (`drain`). Leaving the drain out would leave out the slowest, and every time-out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from records.hdr import Sparse
from records.hdr_table import EMPTY, TableSum
from records.second import Second
from records.second_table import SecondTable


@dataclass(slots=True)
class Tally:
    """What a stage's requests add up to; it grows while a run is read. `done` includes `failed`.

    `service` counts from the actual send, `latency` from the intended start (empty in a closed loop), `send_lag` as
    the sender told it; all in µs. `backlog_max` is None where no second told one. Send lag and backlog are those of the
    seconds in `span` (first, end) in every phase, as in the sender's own proof; without a span of all seconds. What
    waited longer than its stage's measured part stands in the drain, arrivals of the warm-up with it.
    """

    span: tuple[int, int] | None = None
    sent: int = 0
    done: int = 0
    dropped: int = 0
    bytes: int = 0
    backlog_max: int | None = None
    failed: dict[str, int] = field(default_factory=dict)
    service: TableSum = field(default_factory=TableSum)
    latency: TableSum = field(default_factory=TableSum)
    send_lag: TableSum = field(default_factory=TableSum)

    def add(self, second: Second | SecondTable) -> None:
        """Count one line of a stage; answers of other phases than measure and drain add nothing."""
        if self.span is None or self.span[0] <= second.second < self.span[1]:
            lag = second.send_lag
            self.send_lag.add(EMPTY if lag is None else lag)
            if second.backlog_max is not None:
                self.backlog_max = max(second.backlog_max, self.backlog_max or 0)
        if second.phase not in ("measure", "drain"):
            return
        self.sent += second.sent
        self.dropped += second.dropped
        for count in second.status.values():
            self.done += count.done
            self.bytes += count.bytes
            self.service.add(count.service)
            latency = count.latency
            self.latency.add(EMPTY if latency is None else latency)
            for cause, failures in count.failed.items():
                self.failed[cause] = self.failed.get(cause, 0) + failures

    @property
    def failures(self) -> int:
        """Requests that failed, whatever the cause."""
        return sum(self.failed.values())


def times_of(tally: Tally, *, open_loop: bool) -> Sparse:
    """Return the histogram that percentiles are taken from: latency in an open loop, service time in a closed one."""
    return tally.latency.sparse() if open_loop else tally.service.sparse()
