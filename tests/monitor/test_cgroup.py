"""Control groups' files. Version 1's texts were read on a machine with it; version 2's are made after the kernel's
document cgroup-v2.rst (cpu.stat, cpu.max, memory.current, memory.stat, memory.max, pids.current), for want of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.cgroup import UNIFIED, GroupReading, Mount, folders_of, mounts_of, network_bytes, open_group
from monitor.container_files import ContainerFiles
from records.usage import ContainerUsage

ID = "7c0f" * 16

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


V1 = {
    "cpuacct.usage": "591445123\n",
    "cpu.stat": "nr_periods 60\nnr_throttled 59\nthrottled_time 2950000000\n",
    "cpu.cfs_quota_us": "50000\n",
    "cpu.cfs_period_us": "100000\n",
    "memory.usage_in_bytes": "9000000\n",
    "memory.stat": "cache 1\ninactive_file 5\ntotal_cache 1\ntotal_inactive_file 1000000\n",
    "memory.limit_in_bytes": "134217728\n",
    "pids.current": "7\n",
}
V2 = {
    "cpu.stat": "usage_usec 591445\nuser_usec 500000\nsystem_usec 91445\nnr_periods 60\nnr_throttled 59\n"
    "throttled_usec 2950000\nnr_bursts 0\nburst_usec 0\n",
    "cpu.max": "50000 100000\n",
    "memory.current": "9000000\n",
    "memory.stat": "anon 7000000\nfile 2000000\ninactive_anon 0\nactive_anon 7000000\ninactive_file 1000000\n",
    "memory.max": "134217728\n",
    "pids.current": "7\n",
}


def both(folder: Path, version: int, files: dict[str, str]) -> GroupReading:
    at = write(folder / "group", files)
    group = open_group(dict.fromkeys(("cpu", "cpuacct", "memory", "pids"), at) if version == 1 else {UNIFIED: at})
    try:
        return group.read()
    finally:
        group.close()


def test_version_1_is_read_in_nanoseconds(tmp_path: Path) -> None:
    assert both(tmp_path, 1, V1) == GroupReading(0.591445123, 8_000_000, 60, 59, 2.95, 0.5, 134_217_728, 7)


def test_version_2_is_read_in_microseconds(tmp_path: Path) -> None:
    assert both(tmp_path, 2, V2) == GroupReading(0.591445, 8_000_000, 60, 59, 2.95, 0.5, 134_217_728, 7)


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (1, {**V1, "cpu.cfs_quota_us": "-1\n", "memory.limit_in_bytes": "9223372036854771712\n"}),
        (2, {**V2, "cpu.max": "max 100000\n", "memory.max": "max\n"}),
    ],
)
def test_no_limit_is_none(tmp_path: Path, version: int, files: dict[str, str]) -> None:
    reading = both(tmp_path, version, files)
    assert (reading.cpu_limit_cores, reading.memory_limit_bytes) == (None, None)


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (1, {name: V1[name] for name in V1 if name.startswith(("cpuacct", "memory"))}),
        # The cpu controller is off: only times are told. The files of limits are those of a group below the root.
        (2, {**{name: V2[name] for name in ("memory.current", "memory.stat")}, "cpu.stat": "usage_usec 591445\n"}),
    ],
)
def test_what_a_kernel_does_not_show_is_none_and_no_zero(tmp_path: Path, version: int, files: dict[str, str]) -> None:
    reading = both(tmp_path, version, files)
    assert reading.cpu_s == pytest.approx(0.591445, abs=1e-6)
    assert (reading.periods, reading.throttled_periods, reading.throttled_s) == (None, None, None)
    assert (reading.cpu_limit_cores, reading.processes) == (None, None)


def test_a_file_that_must_be_there_and_is_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"memory\.current"):
        both(tmp_path, 2, {"cpu.stat": V2["cpu.stat"]})
    with pytest.raises(FileNotFoundError, match="neither version"):
        open_group({"cpu": tmp_path})


def test_mounts_are_found_by_controller_and_version_2_by_no_name() -> None:
    mounts = mounts_of(HYBRID)
    assert mounts["cpuacct"] == mounts["cpu"] == Mount("/", "/sys/fs/cgroup/cpu,cpuacct")
    assert mounts[UNIFIED] == Mount("/", "/sys/fs/cgroup/unified")


def test_a_groups_folder_is_its_path_below_the_mount() -> None:
    text = f"6:memory:/docker/{ID}\n2:cpu,cpuacct:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/docker/{ID}\n"
    folders = folders_of(text, mounts_of(HYBRID))
    assert folders == {
        "memory": Path(f"/sys/fs/cgroup/memory/docker/{ID}"),
        "cpu": Path(f"/sys/fs/cgroup/cpu,cpuacct/docker/{ID}"),
        "cpuacct": Path(f"/sys/fs/cgroup/cpu,cpuacct/docker/{ID}"),
        UNIFIED: Path(f"/sys/fs/cgroup/unified/docker/{ID}"),
    }


def test_a_mount_that_shows_a_part_shows_the_groups_below_it_alone() -> None:
    mounts = {UNIFIED: Mount("/outer", "/sys/fs/cgroup")}
    assert folders_of("0::/outer/inner\n", mounts) == {UNIFIED: Path("/sys/fs/cgroup/inner")}
    assert folders_of("0::/elsewhere\n", mounts) == {}


def test_network_bytes_leave_loopback_out() -> None:
    head = b"Inter-|   Receive  |  Transmit\n face |bytes packets errs | bytes\n"
    lo = b"    lo: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n"
    one = b"  eth0: 1500 3 0 0 0 0 0 0 700 2 0 0 0 0 0 0\n"
    two = b"eth1:20 1 0 0 0 0 0 0 30 1 0 0 0 0 0 0\n"
    assert network_bytes(head + lo + one + two) == (1520, 730)
    assert network_bytes(head + lo) == (0, 0)


def fake_proc(folder: Path, group: str, files: dict[str, str]) -> Path:
    """Lay out a /proc with a process 42 in a group of version 2, mounted in the same folder."""
    write(folder / "cgroup" / group, files)
    proc = folder / "proc"
    write(proc / "42", {"cgroup": f"0::/{group}\n"})
    write(proc / "self", {"mountinfo": f"1 0 0:1 / {folder / 'cgroup'} rw - cgroup2 cgroup2 rw\n"})
    write(proc / "42" / "net", {"dev": "a\nb\neth0: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n"})
    return proc


def test_a_containers_files_are_found_by_its_process_and_told_with_its_own_network(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, f"system.slice/docker-{ID}.scope", V2)
    source = ContainerFiles(ID, 42, own_network=True, proc=proc)
    told = source.read()
    source.close()
    assert told is not None
    assert (told.cpu_s, told.memory_bytes, told.sampled_ns, told.on_host_ports) == (0.591445, 8_000_000, None, False)
    assert told.container == ContainerUsage(60, 59, 2.95, 0.5, 134_217_728, 7, 5, 6)
    assert source.read() is None


def test_in_the_hosts_network_bytes_are_not_known_but_its_ports_are(tmp_path: Path) -> None:
    source = ContainerFiles(ID, 42, own_network=False, proc=fake_proc(tmp_path, f"docker/{ID}", V2))
    told = source.read()
    source.close()
    assert told is not None
    assert told.on_host_ports
    assert told.container is not None
    assert (told.container.received_bytes, told.container.sent_bytes) == (None, None)


def test_a_process_of_the_same_number_in_no_such_container_is_not_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(ProcessLookupError, match="process 42 is not in container 7c0f7c0f7c0f"):
        ContainerFiles(ID, 42, own_network=False, proc=fake_proc(tmp_path, "docker/another", V2))


def test_an_ended_container_reads_as_a_gap_until_it_is_renewed(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, f"docker/{ID}", V2)
    source = ContainerFiles(ID, 42, own_network=False, proc=proc)
    usage = tmp_path / "cgroup" / "docker" / ID / "memory.current"
    usage.write_text("", encoding="utf-8")  # stands for the kernel's ENODEV: nothing to read
    assert source.read() is None
    usage.write_text("9000000\n", encoding="utf-8")
    assert source.read() is None
    source.renew(42)
    assert source.read() is not None
    source.close()
