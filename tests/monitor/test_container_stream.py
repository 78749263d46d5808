from __future__ import annotations

from typing import Any

import pytest

from monitor.container_stream import ContainerStream, reading_of
from monitor.sources import cpu_limit_cores
from records.clock import NS
from records.usage import ContainerUsage

V1: dict[str, Any] = {
    "read": "2026-01-01T00:00:01.123456789Z",
    "cpu_stats": {
        "cpu_usage": {"total_usage": 591_445_123},
        "throttling_data": {"periods": 60, "throttled_periods": 59, "throttled_time": 2_950_000_000},
    },
    "memory_stats": {
        "usage": 9_000_000,
        "limit": 134_217_728,
        "stats": {"total_inactive_file": 1_000_000, "inactive_file": 5},
    },
    "pids_stats": {"current": 7},
    "networks": {"eth0": {"rx_bytes": 5, "tx_bytes": 6}, "eth1": {"rx_bytes": 1, "tx_bytes": 2}},
}
SHOWN = ContainerUsage(60, 59, 2.95, 0.5, 134_217_728, 7, 6, 8)


def test_a_message_gives_the_figures_of_the_files() -> None:
    told = reading_of(V1, 0.5)
    assert told is not None
    assert (told.cpu_s, told.memory_bytes, told.container) == (0.591445123, 8_000_000, SHOWN)
    assert told.sampled_ns == 1_767_225_601 * NS + 123_456_789


def test_version_2_names_the_inactive_pages_otherwise_and_the_hosts_network_has_no_bytes() -> None:
    memory = {"usage": 9_000_000, "limit": 1 << 62, "stats": {"inactive_file": 1_000_000}}
    told = reading_of({**V1, "memory_stats": memory, "networks": None})
    assert told is not None
    assert told.memory_bytes == 8_000_000
    assert told.container == ContainerUsage(60, 59, 2.95, None, None, 7, None, None)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {**V1, "read": "0001-01-01T00:00:00Z"},
        {**V1, "memory_stats": {}},
        {**V1, "cpu_stats": {"cpu_usage": {"total_usage": 0}}},
    ],
)
def test_a_container_that_does_not_run_tells_nothing(message: dict[str, Any]) -> None:
    assert reading_of(message) is None


def test_times_are_the_engines_moved_to_this_machines_clock_by_the_first_sample() -> None:
    now = [100 * NS]
    stream = ContainerStream(lambda: iter(()), clock=lambda: now[0])
    stream.take(V1)
    told = stream.read()
    assert told is not None
    assert told.sampled_ns == 100 * NS
    now[0] = 101 * NS + NS // 10  # the answer came late; the engine read on time
    stream.take({**V1, "read": "2026-01-01T00:00:02.123456789Z"})
    told = stream.read()
    assert told is not None
    assert told.sampled_ns == 101 * NS
    now[0] = 104 * NS + 1
    assert stream.read() is None  # older than three seconds: a gap
    stream.close()


def test_a_cpu_limit_is_read_from_an_inspection() -> None:
    assert cpu_limit_cores({"NanoCpus": 250_000_000}) == 0.25
    assert cpu_limit_cores({"NanoCpus": 0, "CpuQuota": 50_000, "CpuPeriod": 0}) == 0.5
    assert cpu_limit_cores({"NanoCpus": 0, "CpuQuota": -1, "CpuPeriod": 100_000}) is None
