from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from monitor.errors import UnknownInstance
from monitor.reading import ProcessReading
from monitor.sampler import Sampler
from monitor.source import SourceReading
from records.clock import NS, Clock
from records.instance import Instance
from records.usage import ContainerUsage, HostUsage

HOST = HostUsage(40.0, 1.0, (30.0, 10.0), 5_000)


class FakeReader:
    """A machine that tests write down."""

    def __init__(self) -> None:
        self.processes: dict[int, tuple[ProcessReading, float | None]] = {}
        self.connections: dict[int, int] | None = {18101: 7}

    def put(self, pid: int, cpu_s: float | None, *children: int, started: float = 1.0) -> None:
        self.processes[pid] = (ProcessReading(pid, started, 0.0, 1_000, {pid: 2}, children), cpu_s)

    def process(self, pid: int) -> ProcessReading | None:
        return self.processes[pid][0] if pid in self.processes else None

    def cpu_s(self, pid: int) -> float | None:
        return self.processes[pid][1]

    def established(self, ports: Collection[int]) -> dict[int, int] | None:
        return None if self.connections is None else {port: self.connections.get(port, 0) for port in ports}

    def host(self) -> HostUsage:
        return HOST

    def close(self) -> None:
        pass


TARGET = Instance("go-1", "target", twin="go", address="127.0.0.1:18101", watch="process", pid=10)
OTHER = Instance("go-2", "target", twin="go", address="127.0.0.1:18102", watch="process", pid=20)
REMOTE = Instance("far", "target", twin="go", address="192.0.2.1:80")
GENERATOR = Instance("generator", "generator", watch="process")
MACHINE = Instance("host", "host", watch="host")


def sampler(reader: FakeReader, *instances: Instance) -> Sampler:
    return Sampler(instances, Clock(0, 0), reader, now_ns=lambda: 5 * NS + 3)


def test_a_line_has_every_instance_in_the_given_order() -> None:
    reader = FakeReader()
    reader.put(10, 2.0, 11)
    reader.put(11, 0.5)
    reader.put(20, 1.0)
    line = sampler(reader, TARGET, OTHER, REMOTE, GENERATOR, MACHINE).sample()
    assert (line.t_ns, line.second, line.utc) == (5 * NS + 3, 5, "1970-01-01T00:00:05.000Z")
    assert line.cpu_s == (2.5, 1.0, None, None, 40.0)
    assert line.memory_bytes == (2_000, 1_000, None, None, 5_000)
    assert line.switches == (4, 2, None, None, None)
    assert line.connections == (7, 0, None, None, None)
    assert line.host == HOST


def test_the_generators_processes_are_named_later_and_one_below_another_counts_once() -> None:
    reader = FakeReader()
    reader.put(30, 1.0, 31)
    reader.put(31, 2.0)
    watched = sampler(reader, GENERATOR)
    assert watched.sample().cpu_s == (None,)
    watched.set_pids("generator", [30, 31])
    assert watched.sample().cpu_s == (3.0,)
    with pytest.raises(UnknownInstance, match="zig is not watched; watched are: generator"):
        watched.set_pids("zig", [1])


def test_a_dead_instance_is_none_from_then_on_also_when_its_pid_is_used_again() -> None:
    reader = FakeReader()
    reader.put(10, 2.0)
    watched = sampler(reader, TARGET)
    assert watched.sample().cpu_s == (2.0,)
    del reader.processes[10]
    dead = watched.sample()
    assert (dead.cpu_s, dead.memory_bytes, dead.switches, dead.connections) == ((None,), (None,), (None,), (None,))
    reader.put(10, 0.1, started=2.0)
    assert watched.sample().cpu_s == (None,)


def test_a_zombie_has_ended_but_a_zombie_child_still_counts() -> None:
    reader = FakeReader()
    reader.put(10, 2.0, 11)
    reader.put(11, 1.0)
    watched = sampler(reader, TARGET)
    reading, own = reader.processes[11]
    reader.processes[11] = (replace(reading, zombie=True, memory_bytes=0), own)
    assert watched.sample().cpu_s == (3.0,)
    reading, own = reader.processes[10]
    reader.processes[10] = (replace(reading, zombie=True), own)
    assert watched.sample().cpu_s == (None,)


def test_a_process_that_ends_while_it_is_read_is_none() -> None:
    reader = FakeReader()
    reader.put(10, None)
    assert sampler(reader, TARGET).sample().cpu_s == (None,)


def test_connections_that_nobody_can_tell_are_none() -> None:
    reader = FakeReader()
    reader.put(10, 2.0)
    reader.connections = None
    assert sampler(reader, TARGET).sample().connections == (None,)


def test_a_recorded_pid_that_is_another_process_now_is_not_read() -> None:
    import os

    reader = FakeReader()
    reader.put(os.getpid(), 2.0)
    assert sampler(reader, replace(TARGET, pid=os.getpid(), started=1.0)).sample().cpu_s == (None,)


class FakeSource:
    """A source that tells what tests write down."""

    def __init__(self, told: SourceReading | None) -> None:
        self.told = told

    def read(self) -> SourceReading | None:
        return self.told

    def close(self) -> None:
        pass


def test_what_has_a_source_is_read_from_it_beside_the_others() -> None:
    reader = FakeReader()
    reader.put(10, 2.0)
    shown = ContainerUsage(periods=3, processes=2)
    boxed = replace(OTHER, watch="container", pid=20, container="abc")
    far = replace(REMOTE, watch="prometheus")
    told = {
        "go-2": FakeSource(SourceReading(1.5, 700, container=shown, on_host_ports=True)),
        "far": FakeSource(SourceReading(9.0, None, sampled_ns=4 * NS)),
    }
    reader.connections = {18101: 7, 18102: 5}
    watched = Sampler((TARGET, boxed, far), Clock(0, 0), reader, sources=told, now_ns=lambda: 5 * NS)
    line = watched.sample()
    assert (line.cpu_s, line.memory_bytes) == ((2.0, 1.5, 9.0), (1_000, 700, None))
    assert (line.sampled_ns, line.containers) == ((None, None, 4 * NS), (None, shown, None))
    assert line.connections == (7, 5, None)
    told["go-2"].told = SourceReading(1.5, 700, container=shown)  # a network of its own: its ports are not the host's
    told["far"].told = None
    line = watched.sample()
    assert (line.connections, line.cpu_s, line.memory_bytes) == ((7, None, None), (2.0, 1.5, None), (1_000, 700, None))
    assert line.sampled_ns == (None, None, None)


def test_without_sources_a_line_has_no_columns_for_them() -> None:
    reader = FakeReader()
    reader.put(10, 2.0)
    line = sampler(reader, TARGET).sample()
    assert (line.sampled_ns, line.containers) == ((), ())
