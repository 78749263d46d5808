"""The Locust user: a FastHttpUser that sits in a seat and sends when its turn has come.

Locust's own loop, statistics and request event stay; the pacing answers `wait_time`, and a kept connection of the seat
stands below `client` in the place of a pool. A locustfile makes it concrete by a subclass and gives it a `Kit`.
"""

from __future__ import annotations

from locust import FastHttpUser, task
from locust.contrib.fasthttp import ErrorResponse, FastHttpSession, FastResponse
from locust.env import Environment

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from records.instance import Instance
from swarm.connection import Connection, RequestError, tls_context
from swarm.request_ids import RequestIds, ids_of
from swarm.seats import Seat
from swarm.station import NAP_S, Hit, Order, Station
from swarm.tally import NO_ANSWER, Outcome
from swarm.targets import Route, Routes, SwarmError
from swarm.templates import MIX, EntryRequests, Expectation, Mix, statistics_name


@dataclass(slots=True)
class Kit:
    """All that the seats of one process share in a run; `make_routes` checks instances against the plan."""

    station: Station
    make_routes: Callable[[tuple[Instance, ...]], Routes]
    entries: Mapping[str, EntryRequests]
    mix: Mix
    timeout_s: float
    routes: Routes = field(default_factory=dict)
    contexts: dict[str, Any] = field(default_factory=dict)
    request_ids: RequestIds = field(default_factory=lambda: RequestIds(0))
    _instances: tuple[Instance, ...] = ()

    def begin(self, order: Order) -> None:
        """Take an order: its targets, then its stages; one of a crew that this process is not in is not its own."""
        if self.station.worker not in order.crew:
            return
        if order.instances != self._instances:
            self.routes, self._instances = self.make_routes(order.instances), order.instances
        self.request_ids = RequestIds(ids_of(order.seed, order.number, order.start_second, self.station.worker))
        self.station.begin(order)

    def pick(self, hit: Hit, seat: Seat) -> EntryRequests:
        """Return the workload entry of a request: the sweep's own, or drawn from the mix."""
        if hit.stage.endpoint == MIX:
            return self.mix.pick(seat.draw_below(self.mix.total))
        return self.entries[hit.stage.endpoint]

    def route(self, twin: str, entry: str, seat: Seat) -> Route:
        """Return the instance that a seat is tied to: seats go round over those that serve the entry."""
        found = self.routes.get((twin, entry), ())
        if not found:
            raise SwarmError(f"no instance of twin {twin} serves {entry}; add it to a `serves` in the plan")
        return found[(self.station.worker + seat.number) % len(found)]

    def context(self, route: Route) -> Any:
        """Return the TLS context of a route, made once."""
        if route.instance not in self.contexts:
            self.contexts[route.instance] = tls_context(route)
        return self.contexts[route.instance]


class CheckedResponse(FastResponse):
    """An answer that fails when it is not what the plan expects."""

    expectation: Expectation | None = None

    def raise_for_status(self) -> None:
        """Raise RequestError when the answer is not as expected."""
        cause = self.expectation.fault(self.status_code, cast(Any, self.headers)) if self.expectation else None
        if cause is not None:
            raise RequestError(cause)


class SeatSession(FastHttpSession):
    """FastHttpUser's session over the seat's connections: one per instance, closed when the twin changes."""

    expectation: Expectation | None = None
    _kit: Kit
    _route: Route | None = None

    def use(self, kit: Kit, route: Route) -> None:
        """Send to this route from now on; connections to another twin are closed first."""
        if self._route is None or route is not self._route:
            if self._route is not None and route.twin != self._route.twin:
                self.close()
            self._kit, self._route, self.base_url = kit, route, route.base
            if route.instance not in self._connections:
                context = kit.context(route)
                self._connections[route.instance] = Connection(route, timeout_s=kit.timeout_s, context=context)

    def connect(self) -> None:
        """Connect to the route ahead of the first request."""
        if self._route is not None:
            self._connections[self._route.instance].open()

    def close(self) -> None:
        """Close all connections of the seat."""
        while self._connections:
            self._connections.popitem()[1].close()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: dict[str, Connection] = {}

    def _send_request_safe_mode(self, method: str, url: str, **kwargs: Any) -> FastResponse:
        payload: str | bytes | None = kwargs.get("payload")
        headers: Mapping[str, str] = kwargs["headers"]
        route = self._route
        if route is None or not url.startswith(route.base + "/"):
            raise SwarmError(f"{url}: load goes to the plan's addresses alone")
        body = payload.encode() if isinstance(payload, str) else payload or b""
        try:
            answer = self._connections[route.instance].exchange(method, url[len(route.base) :], headers, body)
        except RequestError as error:
            return ErrorResponse(None, error)  # type: ignore[arg-type]
        response = CheckedResponse(answer)  # type: ignore[arg-type]
        response.expectation = self.expectation
        return response


class SeatUser(FastHttpUser):
    """A seat of the swarm."""

    abstract = True
    host = "http://twins-of-the-plan.invalid"
    """Never sent to: every request goes to its route."""
    kit: ClassVar[Kit | None] = None
    seat: Seat | None = None

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.client: SeatSession = SeatSession(
            base_url=self.host, request_event=environment.events.request, user=self, concurrency=1
        )

    def on_start(self) -> None:
        """Sit down, if a seat is free."""
        if self.kit is not None:
            self.seat = self.kit.station.sit_down()

    def on_stop(self) -> None:
        """Stand up and close the connections."""
        self.client.close()
        if self.kit is not None and self.seat is not None:
            self.kit.station.stand_up(self.seat)
            self.seat = None

    def wait_time(self) -> float:
        """Return the seconds until this seat's next start, in naps."""
        if self.kit is None:
            return NAP_S
        if self.seat is None:
            self.seat = self.kit.station.sit_down()
            return NAP_S
        return self.kit.station.wait_s(self.seat)

    @task
    def carry(self) -> None:
        """Send one request of one pool user, when it is this seat's turn."""
        kit, seat = self.kit, self.seat
        hit = kit.station.turn(seat) if kit is not None and seat is not None else None
        if hit is None:
            self._connect_ahead()
            return
        kit, seat = cast(Kit, kit), cast(Seat, seat)
        try:
            self._send(kit, seat, hit)
        finally:
            if not hit.over:  # the seat was stopped in mid-request, or its request could not be made
                kit.station.ended(hit, Outcome(NO_ANSWER, "other", 1, 0))

    def _connect_ahead(self) -> None:
        """Before a sweep begins, connect: no connection shall be made in a measured second."""
        stage = self.kit.station.upcoming(self.seat) if self.kit is not None and self.seat is not None else None
        if stage is None or stage.endpoint == MIX:
            return
        kit, seat = cast(Kit, self.kit), cast(Seat, self.seat)
        self.client.use(kit, kit.route(stage.twin, stage.endpoint, seat))
        self.client.connect()

    def _send(self, kit: Kit, seat: Seat, hit: Hit) -> None:
        stage = hit.stage
        entry = kit.pick(hit, seat)
        route = kit.route(stage.twin, entry.name, seat)
        client = self.client
        client.use(kit, route)
        client.expectation = entry.expectation
        request_id = kit.request_ids.take() if entry.names_id else ""
        client.request(
            entry.method,
            entry.path(hit.user, request_id),
            name=statistics_name(stage.twin, stage.endpoint, entry.name),
            data=entry.body(hit.user, request_id),
            headers={"Accept-Encoding": "identity", **entry.headers(hit.user, request_id), **route.headers},
            context={"hit": hit},
        )
