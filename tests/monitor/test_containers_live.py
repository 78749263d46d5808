"""The watch against containers that burn load of known size, on a real engine."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from burner import Burner, burner_or_skip
from forward import tcp_to_unix
from live_pair import wait_until

from monitor import Monitor, limits, open_sources, window
from monitor.by_hand import HandMonitor
from records.clock import NS, Clock
from records.event import Event
from records.instance import Instance
from records.plan import Plan
from records.plan_file import check_plan
from records.usage import UsageLine

pytestmark = pytest.mark.slow
MIB = 1 << 20
ECHO_PORT = 7007
BLOCK = 64 << 10
PAYLOAD = 16 * MIB


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Burner]:
    with burner_or_skip(tmp_path_factory.mktemp("burn")) as burner:
        yield burner


@pytest.fixture
def burner(image: Burner) -> Iterator[Burner]:
    yield image
    image.remove()


@dataclass
class Seen:
    """What a watch saw."""

    lines: list[UsageLine]
    events: list[Event]
    ways: dict[str, str]

    @property
    def span(self) -> tuple[int, int]:
        """All but the first second: a container's first figures may be from before it was up."""
        return self.lines[1].t_ns, self.lines[-2].t_ns


def plan() -> Plan:
    twin = {
        "start": "external",
        "instances": [{"name": "x", "address": "127.0.0.1:9", "serves": ["a"]}],
    }
    other = {**twin, "instances": [{"name": "y", "address": "127.0.0.1:8", "serves": ["a"]}]}
    return check_plan(
        {"twins": {"go": twin, "rust": other}, "workload": [{"name": "a", "path": "/", "hot": True}]}, "test"
    )


def watch(
    instances: Sequence[Instance],
    seconds: float,
    meanwhile: Callable[[], Any] = lambda: None,
    *,
    until: int = 0,
    enough: Callable[[list[UsageLine]], bool] = lambda _: True,
) -> Seen:
    """Watch for so long, or until there were so many events; at most a minute longer, until the lines are enough."""
    lines: list[UsageLine] = []
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    clock = Clock.now()
    with open_sources(plan(), instances, Path(), clock, events.put) as opened:
        monitor = Monitor(opened.instances, clock, lines.append, sources=opened.by_name, interval_s=0.5)
        monitor.start()
        end = time.monotonic() + seconds
        meanwhile()
        while time.monotonic() < end and not (until and events.qsize() >= until):
            time.sleep(0.05)
        while time.monotonic() < end + 60.0 and not enough(lines):
            time.sleep(0.05)
        monitor.stop()
        ways = dict(opened.ways)
    return Seen(lines, [events.get() for _ in range(events.qsize())], ways)


def throttled_periods(lines: list[UsageLine], index: int) -> int:
    """Return how many periods of a container's scheduling its limit has cut short so far."""
    container = lines[-1].containers[index] if lines else None
    return (container.throttled_periods if container is not None else None) or 0


def test_load_of_known_size_shows_within_two_percent_and_under_a_quarter_limit_as_throttled(burner: Burner) -> None:
    half = burner.instance("half", burner.start("cpu", "0.5", mem_limit="64m", pids_limit=32), cpus=1.0)
    capped = burner.start("cpu", "2", nano_cpus=250_000_000, mem_limit="32m")
    instances = (half, burner.instance("capped", capped, cpus=0.25, memory_limit_bytes=32 * MIB))
    clocks = tuple(replace(one, name=f"{one.name} by its own clock", watch="process") for one in instances)
    # Beside other programs it takes its time until one that wants two cores has met a limit of a quarter.
    seen = watch((*instances, *clocks), 6.0, enough=lambda lines: throttled_periods(lines, 1) >= 5)
    lines, span = seen.lines, seen.span
    assert seen.ways == {"half": "cgroup files", "capped": "cgroup files"}
    # The load's size is what its own clock says: on a busy machine it does not get all that it wants.
    half_cores, capped_cores, half_known, capped_known = (window.cpu_cores(lines, i, *span) for i in range(4))
    print(f"half {half_cores} (own clock {half_known}), capped {capped_cores} (own clock {capped_known})")
    assert half_known is not None
    assert 0.05 < half_known < 0.51
    assert half_cores == pytest.approx(half_known, rel=0.02)
    assert window.throttled_ratio(lines, 0, *span) in (None, 0.0)
    assert capped_known is not None
    assert 0.05 < capped_known < 0.28
    assert capped_cores == pytest.approx(capped_known, rel=0.02)
    assert limits.cpu_ratio(lines, 1, instances[1], *span) == pytest.approx(4 * capped_known, rel=0.02)
    if capped_known > 0.23:  # it had what its limit allows
        assert (window.throttled_ratio(lines, 1, *span) or 0.0) > 0.2
    whole = lines[0].t_ns, lines[-1].t_ns
    assert (window.throttled_ratio(lines, 1, *whole) or 0.0) > 0.0
    assert (window.throttled_cores(lines, 1, *whole) or 0.0) > 0.0
    share = limits.memory_ratio(lines, 1, instances[1], *span)
    assert share is not None
    assert 0.005 < share < 0.5
    shown = lines[-1].containers[1]
    assert shown is not None
    assert (shown.cpu_limit_cores, shown.memory_limit_bytes) == (0.25, 32 * MIB)
    assert (shown.processes or 0) >= 1
    assert (shown.received_bytes, shown.sent_bytes) == (None, None)  # the host's network


def test_a_run_by_hand_watches_containers_by_itself(burner: Burner) -> None:
    lines: list[UsageLine] = []
    container = burner.start("cpu", "0.1")
    mine = burner.instance("mine", container)
    clock = replace(mine, name="mine by its own clock", watch="process")
    monitor = HandMonitor(plan(), Path(), (mine, clock), Clock.now())
    try:
        assert monitor.ways == {"mine": "cgroup files"}
        monitor.start(lines.append, {})
        assert monitor.news() == ()
        wait_until(lambda: len(lines) > 3, what="the lines")
        known = window.cpu_cores(lines, 1, lines[0].t_ns, lines[-1].t_ns)
        assert window.cpu_cores(lines, 0, lines[0].t_ns, lines[-1].t_ns) == pytest.approx(known, rel=0.05)
        container.kill()
        told: list[Event] = []
        wait_until(lambda: (told.extend(monitor.news()) or len(told)) >= 2, what="both deaths")
    finally:
        monitor.stop()
    assert sorted(event.text for event in told) == [
        "mine by its own clock ended", "mine was killed by SIGKILL (exit code 137)"
    ]  # fmt: skip


def test_a_network_of_its_own_is_counted(burner: Burner) -> None:
    alone = burner.instance("alone", burner.start("cpu", "0.01", network_mode="none"))
    shown = watch((alone,), 0.3).lines[-1].containers[0]
    assert shown is not None
    assert (shown.received_bytes, shown.sent_bytes) == (0, 0)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["files", "stream"])
def test_bytes_over_the_bridge_are_those_that_were_sent(
    burner: Burner, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    if not any(network.name == "bridge" for network in burner.engine.client.networks.list()):
        pytest.skip("needs an engine with a bridge network")
    container = burner.start("echo", str(ECHO_PORT), network="bridge")
    echo = burner.instance("echo", container)
    address = container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    with ExitStack() as stack:
        if elsewhere:
            where = stack.enter_context(tcp_to_unix(burner.engine.where.removeprefix("unix://")))
            monkeypatch.setenv("DOCKER_HOST", f"tcp://{where}")
            echo = replace(echo, pid=None)
        seen = watch(
            (echo,), 2.0, lambda: there_and_back(address, PAYLOAD), enough=lambda lines: moved(lines) > PAYLOAD
        )
    received, sent = (grown(seen.lines, which) for which in ("received_bytes", "sent_bytes"))
    print(f"{PAYLOAD} bytes there and back show as {received} and {sent}")
    # Beside the payload: headers and acknowledgements, at most 120 bytes for each segment of 1,448.
    assert PAYLOAD <= received <= 1.09 * PAYLOAD
    assert PAYLOAD <= sent <= 1.09 * PAYLOAD


def there_and_back(address: str, size: int) -> None:
    """Send so many bytes to the echo and take them back, once it listens."""

    def reached() -> bool:
        try:
            socket.create_connection((address, ECHO_PORT), timeout=5).close()
        except OSError:
            return False
        return True

    wait_until(reached, what="the echo")
    time.sleep(1.5)  # so that a sample of a second's stream stands before the load
    with socket.create_connection((address, ECHO_PORT), timeout=20) as connection:
        for _ in range(size // BLOCK):
            connection.sendall(bytes(BLOCK))
            left = BLOCK
            while left:
                left -= len(connection.recv(left))


def grown(lines: list[UsageLine], which: str) -> int:
    """Return by how much a container's count of bytes grew over the lines that have one."""
    shown = [getattr(line.containers[0], which) for line in lines if line.containers and line.containers[0] is not None]
    return int(shown[-1] - shown[0]) if shown else 0


def moved(lines: list[UsageLine]) -> int:
    """Return the bytes sent back so far."""
    return grown(lines, "sent_bytes")


def test_an_engine_on_another_machine_is_watched_by_its_stream(burner: Burner, monkeypatch: pytest.MonkeyPatch) -> None:
    with tcp_to_unix(burner.engine.where.removeprefix("unix://")) as address:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}")
        watch_by_stream(burner)


def watch_by_stream(burner: Burner) -> None:
    half = burner.instance("half", burner.start("cpu", "0.5", nano_cpus=1_000_000_000, mem_limit="64m"), cpus=1.0)
    clock = replace(half, name="half by its own clock", watch="process")
    seen = watch((replace(half, pid=None), clock), 8.5, lambda: (time.sleep(8.0), burner.started[0].kill()))
    lines = seen.lines
    assert seen.ways["half"].startswith("the engine's statistics stream")
    times = [t_ns for t_ns, _ in window.series_of(lines, 0, lambda line: line.cpu_s[0])]
    streamed, known = (window.cpu_cores(lines, i, times[1], times[-2]) for i in (0, 1))
    print(f"half {streamed} (own clock {known}) over {(times[-2] - times[1]) / NS:.2f} s")
    assert known is not None
    assert streamed == pytest.approx(known, rel=0.05)  # the engine's clock is known to some ms
    assert window.resolution_s(lines, 0) == pytest.approx(1.0, abs=0.2)
    shown = lines[-1].containers[0]
    assert shown is not None
    assert (shown.cpu_limit_cores, shown.memory_limit_bytes) == (1.0, 64 * MIB)
    assert MIB // 4 < (lines[-1].memory_bytes[0] or 0) < 64 * MIB
    assert [(event.kind, event.instance) for event in seen.events] == [("instance-died", "half")]


def test_a_container_killed_for_its_memory_is_told_by_name_and_reads_as_a_gap(burner: Burner) -> None:
    burning = burner.instance("other", burner.start("cpu", "0.05"))
    container = burner.start("memory", "64", mem_limit="16m", memswap_limit="16m")
    greedy = burner.instance("greedy", container, memory_limit_bytes=16 * MIB)
    seen = watch((greedy, burning), 10.0, until=2)
    assert seen.ways["greedy"] == "cgroup files"
    assert seen.lines[0].memory_bytes[0] is not None
    assert seen.lines[-1].memory_bytes[0] is None
    told = {event.kind: event for event in seen.events}
    # The engine tells either first.
    assert sorted(event.kind for event in seen.events) == ["instance-died", "instance-oom"]
    assert {event.instance for event in seen.events} == {"greedy"}
    assert "memory limit of 16 MiB" in told["instance-oom"].text
    assert told["instance-died"].text == "greedy was killed by SIGKILL (exit code 137)"
    assert told["instance-died"].figures == {"exit_code": 137.0}


def test_a_container_that_ended_before_the_watch_stood_is_told_too(burner: Burner) -> None:
    ended = burner.instance("ended", burner.start("nonsense"))
    time.sleep(1.0)
    seen = watch((ended,), 5.0, until=1)
    assert [event.text for event in seen.events] == ["ended ended with exit code 2"]


def test_a_container_that_runs_again_is_told_and_watched_as_its_new_process(burner: Burner) -> None:
    container = burner.start("cpu", "0.2")
    seen = watch((burner.instance("again", container),), 6.0, lambda: (time.sleep(1.0), container.restart(timeout=1)))
    assert [event.kind for event in seen.events] == ["instance-died", "instance-restarted"]
    cpu_s = [value for value in (line.cpu_s[0] for line in seen.lines) if value is not None]
    assert cpu_s != sorted(cpu_s)  # it began anew
    assert window.cpu_cores(seen.lines, 0, *seen.span) is None  # over the restart nothing is known
    last = seen.lines[-1].t_ns
    assert window.cpu_cores(seen.lines, 0, last - 2 * NS, last) == pytest.approx(0.2, abs=0.05)


def test_a_container_that_someone_kills_is_told_with_its_signal_and_the_others_go_on(burner: Burner) -> None:
    killed, other = burner.start("cpu", "0.1"), burner.start("cpu", "0.1")
    instances = (burner.instance("killed", killed), burner.instance("other", other))
    seen = watch(instances, 3.0, lambda: (time.sleep(1.0), killed.kill()))
    assert [(event.kind, event.text) for event in seen.events] == [
        ("instance-died", "killed was killed by SIGKILL (exit code 137)")
    ]
    assert seen.lines[-1].cpu_s[0] is None
    assert seen.lines[-1].containers[0] is None
    assert window.cpu_cores(seen.lines, 1, *seen.span) == pytest.approx(0.1, abs=0.03)
