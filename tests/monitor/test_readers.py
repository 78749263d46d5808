from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from monitor.account import Account
from monitor.portable import PortableReader
from monitor.procfs import ProcReader
from monitor.reading import Reader
from monitor.sampler import Sampler
from monitor.sockets import Diagnosis, count_listed, port_filter
from records.clock import Clock
from records.instance import Instance

# Burns the CPU seconds given, tells what it used when asked, and goes on at the next line of its input.
BURNER = """\
import sys, time, resource
for order in sys.stdin:
    end = time.process_time() + float(order)
    while time.process_time() < end:
        pass
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(usage.ru_utime + usage.ru_stime, flush=True)
"""


@pytest.fixture(params=[ProcReader, PortableReader], ids=["procfs", "portable"])
def reader(request: pytest.FixtureRequest) -> Iterator[Reader]:
    one = request.param()
    yield one
    one.close()


@pytest.fixture
def burner() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-S", "-c", BURNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def burn(process: subprocess.Popen[str], seconds: float) -> float:
    """Have a process burn CPU time; return all that it has used by its own account."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def test_cpu_time_agrees_with_what_the_kernel_charged_the_process(
    reader: Reader, burner: subprocess.Popen[str]
) -> None:
    before_s = burn(burner, 0.05)
    first = reader.cpu_s(burner.pid)
    used_s = burn(burner, 1.0) - before_s
    last = reader.cpu_s(burner.pid)
    assert first is not None
    assert last is not None
    # Ticks of psutil (10 ms, two of them) or the scheduler's: 2 % of the one second that was burnt.
    assert last - first == pytest.approx(used_s, rel=0.02)


@pytest.mark.slow
def test_a_child_that_is_busy_half_of_the_time_reads_as_what_getrusage_says() -> None:
    code = (
        "import time\nend = time.monotonic() + 4\nwhile time.monotonic() < end:\n"
        "    stop = time.monotonic() + 0.01\n    while time.monotonic() < stop: pass\n    time.sleep(0.01)"
    )
    reader = ProcReader()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([sys.executable, "-S", "-c", code]) as child:
        instance = Instance("half", "target", watch="process", pid=child.pid)
        sampler = Sampler([instance], Clock.now(), reader)
        # Only when the child is a zombie is its time final, and only until it is waited for can it be read.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        final_s = reader.cpu_s(child.pid)
        assert sampler.sample().cpu_s == (None,)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    truth_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    reader.close()
    assert final_s == pytest.approx(truth_s, rel=0.02)


def test_memory_children_and_start_agree_with_psutil(reader: Reader) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as child:
        me = reader.process(os.getpid())
        other = reader.process(child.pid)
        child.communicate(b"\n")
    assert me is not None
    assert other is not None
    assert me.memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.05)
    assert child.pid in me.children
    assert other.children == ()
    assert not me.zombie
    assert sum((me.switches or {}).values()) > 0


def test_a_zombie_is_told_and_a_free_pid_is_none(reader: Reader) -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        zombie = reader.process(child.pid)
        assert zombie is not None
        assert zombie.zombie
    assert reader.process(2**22 + 1) is None
    assert reader.cpu_s(2**22 + 1) is None


def test_a_tree_keeps_the_time_of_a_child_that_was_waited_for() -> None:
    code = (
        "import subprocess, sys, time\n"
        "burn = 'import time\\nend = time.process_time() + 0.3\\nwhile time.process_time() < end: pass'\n"
        "subprocess.run([sys.executable, '-S', '-c', burn])\nprint('done', flush=True)\ninput()"
    )
    command = [sys.executable, "-S", "-c", code]
    reader = ProcReader()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        reading = reader.process(parent.pid)
        assert reading is not None
        figures = Account().add([reading], {parent.pid: reader.cpu_s(parent.pid) or 0.0})
        parent.communicate(b"\n")
    reader.close()
    assert figures is not None
    assert figures.cpu_s is not None
    assert figures.cpu_s >= 0.28


@pytest.fixture
def connected() -> Iterator[tuple[int, int]]:
    """Two listening ports, the first (IPv4) with five connections, the second (IPv6, of both kinds) with two."""
    with ExitStack() as stack:
        one = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        two = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
        for listener, host in [*[(one, "127.0.0.1")] * 5, (two, "127.0.0.1"), (two, "::1")]:
            stack.enter_context(socket.create_connection((host, listener.getsockname()[1])))
            stack.enter_context(listener.accept()[0])
        yield one.getsockname()[1], two.getsockname()[1]


def test_connections_are_counted_once_at_the_port_that_was_asked_for(
    reader: Reader, connected: tuple[int, int]
) -> None:
    one, two = connected
    assert reader.established([one, two, 1]) == {one: 5, two: 2, 1: 0}
    assert reader.established([]) == {}


def test_both_ways_of_counting_agree(connected: tuple[int, int]) -> None:
    diagnosis = Diagnosis()
    counted = diagnosis.established(connected)
    diagnosis.close()
    assert counted == count_listed(connected) == dict(zip(connected, (5, 2), strict=True))


def test_many_ports_make_one_request(connected: tuple[int, int]) -> None:
    diagnosis = Diagnosis()
    counted = diagnosis.established([*connected, *range(2, 200)])
    diagnosis.close()
    assert counted is not None
    assert (counted[connected[0]], counted[connected[1]], len(counted)) == (5, 2, 200)


def test_a_machine_that_lists_no_connections_tells_none(tmp_path: Path) -> None:
    assert count_listed([80], tmp_path) is None
    header = "  sl  local_address rem_address   st\n"
    row = "   0: 0100007F:0050 0100007F:9C40 01 0\n   1: 0100007F:9C40 0100007F:0050 01 0\n"
    (tmp_path / "tcp").write_text(header + row + "   2: 00000000:0050 00000000:0000 0A 0\n")
    assert count_listed([80, 81], tmp_path) == {80: 1, 81: 0}


def test_the_filter_of_two_ports_jumps_as_the_kernel_wants_it() -> None:
    # port 1: true -> the jump behind it, false -> past it; jump -> to the end; port 2: true -> end, false -> beyond.
    assert port_filter([2, 1]).hex(" ", 4) == "0b080c00 00000100 01040c00 0b080c00 00000200"


def test_the_hosts_cores_sum_to_its_busy_time(reader: Reader) -> None:
    before = reader.host()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = reader.host()
    assert after.busy_s == pytest.approx(sum(after.busy_by_cpu_s))
    assert after.busy_s - before.busy_s >= 0.08
    assert len(after.busy_by_cpu_s) == psutil.cpu_count()
    assert 0 < after.memory_used_bytes < psutil.virtual_memory().total
    assert after.steal_s >= before.steal_s
