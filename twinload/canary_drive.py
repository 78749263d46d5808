"""Driving a gray release: the gateway is asked at every poll, the roll-out decides, its orders go to the gateway.

All that happens is written before the next poll. An order that does not reach the gateway is sent again at each poll,
and until it does there are no figures, so no step. A gateway that this run started and that died is started again
from its state; one that is not ours is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from shadow.gateway_events import EventPage, GatewayEvent
from shadow.gray.counts import CanaryStatus, CountsError, canary_status
from shadow.gray.rollout import Decision, Order, Rollout, Turn
from twinload.canary_folder import CanaryWriter
from twinload.errors import BadEnvironment, Ended, OwnFault
from twinload.gateway import Admin, Gateway, Overtaken

RESTARTS: Final = 2
"""How often a gateway that died is started again: what dies a third time has a reason that no start mends."""
WHY_CHARACTERS: Final = 200


class Shown(Protocol):
    """Who shows a person how far it is."""

    def show(self, t_s: float, rollout: Rollout, status: CanaryStatus | None) -> None:
        """Show the moment."""
        ...

    def decided(self, decision: Decision) -> None:
        """Show a decision."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one poll found; `status` None: nothing, `missing` says why. `page` may be there without it."""

    status: CanaryStatus | None = None
    page: EventPage | None = None
    missing: str = ""


@dataclass(slots=True)
class Drive:
    """One roll-out under way. `gateway`: the one that this run started, None for one that was there.

    callers: gives what the callers saw so far, None where this run sends nothing.
    """

    rollout: Rollout
    admin: Admin
    writer: CanaryWriter
    shown: Shown
    gateway: Gateway | None = None
    callers: Callable[[], dict[str, Any] | None] = lambda: None
    clock_ns: Callable[[], int] = time.monotonic_ns
    restarts: int = 0
    reached_share: float = 0.0
    status: dict[str, Any] | None = None
    ended: Ended | None = None
    last_reasons: tuple[str, ...] = ()
    _page: EventPage | None = None
    _pending: Order | None = field(default=None)

    def begin(self) -> None:
        """Switch the gateway to mode canary, and order the first share.

        Raises: BadEnvironment when it does not do so.
        """
        self.status = self.admin.mode("canary")
        found = _driven(self.status)
        self._page = self.admin.events()
        now_ns = self.clock_ns()
        self.writer.poll(now_ns, found, 0, (), self.callers())
        self._take(now_ns, self.rollout.begin(self.writer.t_s(now_ns), found))
        if self._pending is not None:
            raise BadEnvironment(self._send(self._pending) or "the gateway took no order")

    def poll(self) -> None:
        """Ask the gateway, decide, write, order."""
        self._revive()
        late = "" if self._pending is None else self._send(self._pending)
        seen = _Seen(missing=late) if late else self._look()
        now_ns = self.clock_ns()
        events: tuple[GatewayEvent, ...] = ()
        anew = False
        if seen.page is not None:
            events = seen.page.events
            anew = self._page is not None and seen.page.is_of_another_life(self._page)
            self._page = seen.page
        for event in events:
            if event.kind != "operator":  # the decision that follows says it
                self.writer.told(event, self.rollout.share)
        t_s = self.writer.t_s(now_ns)
        turn = self.rollout.turn(t_s, seen.status, events, missing=seen.missing, anew=anew)
        if seen.status is not None:
            self.writer.poll(now_ns, seen.status, self.rollout.step, self.rollout.waits, self.callers())
        self._take(now_ns, turn)
        self.shown.show(t_s, self.rollout, seen.status)

    def stop(self, why: str) -> None:
        """End the roll-out where it stands."""
        self._take(self.clock_ns(), self.rollout.stop(why))

    @property
    def unsent(self) -> str:
        """Why the last order did not reach the gateway; empty when it did."""
        return "" if self._pending is None else self._send(self._pending)

    def _take(self, now_ns: int, turn: Turn) -> None:
        if turn.order is not None:
            self._pending = turn.order
            self._send(turn.order)
        for decision in turn.decisions:
            self.writer.decided(now_ns, decision)
            self.shown.decided(decision)
            self.last_reasons = decision.reasons
        self.reached_share = max(self.reached_share, self.rollout.share)

    def _send(self, order: Order) -> str:
        """Send an order; return why it did not arrive, empty when it did."""
        try:
            if order.share is None:
                self.status = self.admin.operator("back", order.why[:WHY_CHARACTERS])
            else:
                self.status = self.admin.canary(order.share, seen=None if self._page is None else self._page.last_n)
        except Overtaken:
            pass  # all was taken back meanwhile: the next poll hears of it
        except BadEnvironment as fault:
            return str(fault)
        self._pending = None
        return ""

    def _look(self) -> _Seen:
        """Ask for the status first: events may then be newer than it, and none that it shows the effect of is missing.

        After a restart numbers begin anew, so all events are read anew.
        """
        try:
            self.status = self.admin.status()
            status = _driven(self.status)
            page = self.admin.events(0 if self._page is None else self._page.last_n)
            if self._page is not None and page.is_of_another_life(self._page):
                page = self.admin.events()
        except (BadEnvironment, CountsError) as fault:
            return _Seen(missing=str(fault))
        return _Seen(status, page)

    def _revive(self) -> None:
        """Start our own gateway again when it died; give up when it does so too often."""
        if self.gateway is None or self.gateway.ended is None or self.ended is not None:
            return
        how = f"the gateway {self.gateway.ended}"
        if self.restarts >= RESTARTS:
            self.ended = OwnFault(f"{how}, and was started again {RESTARTS} times before; its log: {self.gateway.log}")
            self.stop(str(self.ended))
            return
        self.restarts += 1
        self._tell(f"{how}: started again from its state ({self.restarts} of {RESTARTS})")
        try:
            self.gateway.restart()
        except Ended as end:
            self.ended = end
            self.stop(str(end).splitlines()[0])

    def _tell(self, text: str) -> None:
        decision = Decision("controller", "gateway", self.rollout.share, (text,))
        self.writer.decided(self.clock_ns(), decision)
        self.shown.decided(decision)


def section_of(status: dict[str, Any]) -> CanaryStatus:
    """Return what a gateway's status says of its gray release.

    Raises: BadEnvironment when it has no such section, CountsError when it cannot be read.
    """
    found = canary_status(status)
    if found is None:
        raise BadEnvironment('the gateway has no section "canary": write its file by `twinload canary config`')
    return found


def _driven(status: dict[str, Any]) -> CanaryStatus:
    if status.get("mode") != "canary":
        raise BadEnvironment(f"the gateway is in mode {status.get('mode')}, not in canary")
    return section_of(status)
