"""The roll-out: polls, the gateway's events and the judge's verdicts become orders and decisions. Pure, no clock.

Whoever drives it (`twinload canary run`) gives it each poll as a turn, writes the decisions down and sends the order.

| walking, and | becomes | order |
|---|---|---|
| the judge says step | walking, or done after the last step | the next share |
| the judge says back | back | back |
| the breaker opens | back, or with on_open = "hold" held | back, or none |
| an operator says hold, resume | held, walking | |
| an operator says step | walking, or done after the last step | the next share |
| an operator says back | back | none: the gateway did it |
| the share was set at the gateway by another hand | held, at that share | |
| no status, or a breaker that is not closed | as it is, without steps, and it says so | |
| a step is open after max_step_s | ended as held; never while an operator holds it | |

Held is walking without steps: the judge goes on, and back stays back. A gateway whose counts began anew was restarted:
what was observed before stands, and a share that it lost is ordered again.

At share 0 whitelisted users alone are served: too few for evidence, so that step passes when it soaked and the judge
has nothing against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from shadow.gateway_events import GatewayEvent
from shadow.gray.counts import CanaryStatus, RouteCounts, SideCounts, sum_routes
from shadow.gray.judge import Verdict

Outcome = Literal["done", "back", "held", "stopped"]
By = Literal["judge", "breaker", "operator", "controller", "gateway"]


class Judging(Protocol):
    """What a roll-out asks of its judge; `shadow.gray.judge.Judge` is one."""

    def begin_step(self, t_s: float, share: float, next_share: float | None) -> None:
        """From now on another share of the users is observed."""
        ...

    def observe(
        self, t_s: float, baseline: SideCounts | None, candidate: SideCounts | None, *, mismatches: int = 0,
        crashes: int = 0,
    ) -> None:  # fmt: skip
        """Take in what came since the poll before; None where nothing could be counted."""
        ...

    def verdict(self) -> Verdict:
        """Return what to do now."""
        ...


@dataclass(frozen=True, slots=True)
class RolloutRules:
    """What a roll-out keeps to; `[canary]` explains each. `whitelisted`: there are users to begin with at share 0."""

    steps: tuple[float, ...]
    soak_s: float
    max_step_s: float
    on_open: Literal["back", "hold"] = "back"
    whitelisted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision and who made it; `share` is the share from then on."""

    by: By
    kind: str
    share: float
    reasons: tuple[str, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """What the gateway is to do: serve this share, or (None) take everything back and keep it so."""

    share: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What follows from one poll: decisions in their order, and at most one order."""

    decisions: tuple[Decision, ...] = ()
    order: Order | None = None


class Rollout:
    """A roll-out under way or ended. `share`: what the gateway was told last; `outcome`: None until it ended."""

    def __init__(self, rules: RolloutRules, judge: Judging) -> None:
        self.rules = rules
        self.share = 0.0
        self.outcome: Outcome | None = None
        self.waits: tuple[str, ...] = ()
        self.verdict: Verdict | None = None
        self._judge = judge
        self._held: By | None = None
        self._missing = ""
        self._crashes = 0
        self._before: CanaryStatus | None = None
        self._last_s = 0.0
        self._began_s = 0.0  # of this step, moved when an operator resumes
        self._soaked_s = 0.0
        self._made: list[Decision] = []
        self._order: Order | None = None

    @property
    def step(self) -> int:
        """How many of the plan's steps were begun; 0 with the whitelist alone."""
        return sum(share <= self.share for share in self.rules.steps)

    @property
    def is_held(self) -> bool:
        """Whether steps are waiting for an operator."""
        return self._held is not None

    @property
    def next_share(self) -> float | None:
        """The step after this one, None on the last."""
        return next((share for share in self.rules.steps if share > self.share), None)

    def begin(self, t_s: float, status: CanaryStatus) -> Turn:
        """Begin, or go on at the share that a gateway was left with by a roll-out before."""
        self._before, self._last_s = status, t_s
        if status.share > 0 and not status.latched:
            self._enter(t_s, status.share, "controller", ("the gateway serves this share already: going on from it",))
        elif self.rules.whitelisted and not status.latched:
            self._enter(t_s, 0.0, "controller", (f"{status.whitelist:,} whitelisted users first",))
        else:
            self._enter(t_s, self.rules.steps[0], "controller", ("the first step",))
        return self._turn()

    def turn(
        self, t_s: float, status: CanaryStatus | None, events: Sequence[GatewayEvent] = (), *, missing: str = "",
        anew: bool = False,
    ) -> Turn:  # fmt: skip
        """Take one poll in.

        Args:
            t_s: when, on the clock that `begin` was told by.
            status: what the gateway counted; None when it could not be asked, `missing` says why.
            events: what it told since the poll before; none that is older than `status` may be missing.
            anew: the gateway is known to have been restarted, though its counts may not show it.
        """
        self.waits = ()
        for event in events:
            if self.outcome is None:
                self._hear(t_s, event)
        if status is None:
            self._miss(t_s, missing or "the gateway gave no status")
        elif self.outcome is None:
            self._see(t_s, status, anew)
        else:
            self._before = status
        if self.outcome is None:
            self._decide(t_s)
        self._last_s = t_s
        return self._turn()

    def stop(self, why: str) -> Turn:
        """End it where it stands: interrupted, or the gateway is gone."""
        if self.outcome is None:
            self._end("stopped", "controller", (why,))
        return self._turn()

    def _turn(self) -> Turn:
        turn = Turn(tuple(self._made), self._order)
        self._made, self._order = [], None
        return turn

    def _tell(self, by: By, kind: str, reasons: Sequence[str], figures: Mapping[str, Any] | None = None) -> None:
        self._made.append(Decision(by, kind, self.share, tuple(reasons), dict(figures or {})))

    def _enter(
        self, t_s: float, share: float, by: By, reasons: Sequence[str], figures: Mapping[str, Any] | None = None
    ) -> None:
        self.share, self._held = share, None
        self._began_s, self._soaked_s = t_s, 0.0
        self._judge.begin_step(t_s, share, self.next_share)
        self._order = Order(share, "; ".join(reasons))
        self._tell(by, "step", reasons, figures)

    def _advance(self, t_s: float, by: By, reasons: Sequence[str], figures: Mapping[str, Any] | None = None) -> None:
        following = self.next_share
        if following is None:
            self._end("done", by, reasons, figures)
        else:
            self._enter(t_s, following, by, reasons, figures)

    def _back(
        self, by: By, reasons: Sequence[str], figures: Mapping[str, Any] | None = None, *, told: bool = False
    ) -> None:
        self.share = 0.0
        self._order = None if told else Order(None, "; ".join(reasons))
        self._end("back", by, reasons, figures)

    def _end(self, outcome: Outcome, by: By, reasons: Sequence[str], figures: Mapping[str, Any] | None = None) -> None:
        self.outcome, self._held = outcome, None
        self._tell(by, outcome, reasons, figures)

    def _hold(self, by: By, reasons: Sequence[str], figures: Mapping[str, Any] | None = None) -> None:
        self._held = by
        self._tell(by, "hold", reasons, figures)

    def _hear(self, t_s: float, event: GatewayEvent) -> None:
        if event.kind == "breaker" and event.figures.get("to") == "open":
            self._opened(t_s, str(event.figures.get("reason", "")), event.figures)
        elif event.kind == "operator":
            self._obey(t_s, str(event.figures.get("do", "")), str(event.figures.get("why") or "no reason given"))
        elif event.kind == "instance" and event.figures.get("side") == "candidate":
            self._crashes += event.figures.get("healthy") is False

    def _obey(self, t_s: float, do: str, why: str) -> None:
        if do == "back":
            self._back("operator", (why,), told=True)
        elif do == "hold":
            self._hold("operator", (why,))
        elif do == "resume":
            self._held = None
            self._began_s = t_s
            self._tell("operator", "resume", (why,))
        elif do == "step" and self._guarded():
            self._tell("controller", "hold", ("an operator asked for a step while the breaker is not closed: not now",))
        elif do == "step":
            self._advance(t_s, "operator", (why,))

    def _opened(self, t_s: float, reason: str, figures: Mapping[str, Any]) -> None:
        why = f"the breaker opened ({reason})" if reason else "the breaker opened"
        if self.rules.on_open == "back":
            self._back("breaker", (why,), figures)
        elif self._held != "breaker":
            self._began_s = t_s
            self._hold("breaker", (f"{why}: an operator resumes, or takes it back",), figures)

    def _guarded(self) -> bool:
        return self._before is not None and self._before.breaker.state != "closed"

    def _miss(self, t_s: float, why: str) -> None:
        if self.outcome is not None:
            return
        if not self._missing:
            self._tell("controller", "hold", (f"no figures: {why}",))
        self._missing = why
        self._judge.observe(t_s, None, None)

    def _see(self, t_s: float, status: CanaryStatus, anew: bool) -> None:
        if self._missing:
            self._tell("controller", "resume", ("the gateway tells its figures again",))
            self._missing = ""
        before, self._before = self._before, status
        routes = None if before is None or anew else _since(status, before)
        if routes is None:
            self._judge.observe(t_s, None, None)
            self._tell("controller", "gateway", ("the gateway's counts began anew: it was restarted; going on",))
            if status.share != self.share and not status.latched:
                self._order = Order(self.share, "the gateway lost the share when it was restarted")
        else:
            self._heed(t_s, status, before)
            if self.outcome is None:
                self._observe(t_s, routes)

    def _heed(self, t_s: float, status: CanaryStatus, before: CanaryStatus | None) -> None:
        """Take note of what events may not have told: the ring of a gateway forgets, and a restart empties it."""
        if before is not None and status.breaker.opens > before.breaker.opens and self._held != "breaker":
            self._opened(t_s, status.breaker.reason or "", {"opens": status.breaker.opens})
        elif status.latched:
            self._back("operator", ("everything was taken back at the gateway",), told=True)
        elif self._order is None and status.share != self.share:
            self.share, self._began_s, self._soaked_s = status.share, t_s, 0.0
            self._judge.begin_step(t_s, self.share, self.next_share)
            why = f"the share was set to {status.share:g} at the gateway, not by this roll-out: resume, step or back"
            self._hold("operator", (why,))

    def _observe(self, t_s: float, routes: Mapping[str, RouteCounts]) -> None:
        new = sum_routes(routes.values())
        self._soaked_s += t_s - self._last_s
        crashes, self._crashes = self._crashes, 0
        self._judge.observe(t_s, new.baseline, new.candidate, mismatches=new.compared.mismatch, crashes=crashes)

    def _decide(self, t_s: float) -> None:
        verdict = self.verdict = self._judge.verdict()
        if verdict.decision == "back":
            self._back("judge", verdict.reasons, self._figures())
            return
        against = tuple(self._against(verdict))
        if not against and self._held is None:
            by, reasons = self._passed(verdict)
            self._advance(t_s, by, reasons, self._figures())
            return
        self.waits = (*against, *((f"held by the {self._held}",) if self._held is not None else ()))
        if self._held != "operator" and t_s - self._began_s >= self.rules.max_step_s:
            late = f"{100 * self.share:g} % was still open after {self.rules.max_step_s:g} s"
            self._end("held", "controller", (late, *self.waits), self._figures())

    def _against(self, verdict: Verdict) -> Iterator[str]:
        """Yield what this step still waits for."""
        if self._missing:
            yield f"no figures: {self._missing}"
        elif self._guarded():
            yield "the breaker is not closed"
        elif self.share > 0:
            yield from verdict.reasons if verdict.decision != "step" else ()
        elif self._soaked_s < self.rules.soak_s:
            yield f"soak of the whitelist: {self._soaked_s:.1f} of {self.rules.soak_s:g} s"

    def _passed(self, verdict: Verdict) -> tuple[By, tuple[str, ...]]:
        if self.share > 0:
            return "judge", verdict.reasons
        return "controller", (f"the whitelist soaked for {self._soaked_s:.1f} s, and nothing speaks against it",)

    def _figures(self) -> dict[str, Any]:
        found: dict[str, Any] = {} if self.verdict is None else msgspec.to_builtins(self.verdict.figures)
        return found


def _since(now: CanaryStatus, before: CanaryStatus) -> dict[str, RouteCounts] | None:
    """Return what each route counted between two polls; None when the gateway began anew."""
    found: dict[str, RouteCounts] = {}
    if before.routes.keys() - now.routes.keys():
        return None
    for name, counts in now.routes.items():
        new = counts.since(before.routes.get(name, RouteCounts()))
        if new is None:
            return None
        found[name] = new
    return found
