"""What a plan needs of a machine, computed over made-up machines."""

from __future__ import annotations

from pathlib import Path

from records.plan import Plan
from records.plan_file import read_plan
from twinload.preflight import HostLimits, read_limits, shortages

SHIPPED = Path(__file__).parents[2] / "twinload.toml"
ROOMY = HostLimits(frozenset({0, 1}), descriptors=20_000, ephemeral_ports=28_000)


def plan(*sets: str) -> Plan:
    return read_plan(SHIPPED, sets=sets, environ={})


def texts(made: Plan, limits: HostLimits) -> str:
    return "\n".join(str(fault) for fault in shortages(made, limits))


def test_the_shipped_plan_fits_two_cores() -> None:
    assert texts(plan(), ROOMY) == ""


def test_a_plan_for_more_cpus_than_there_are_names_those_that_there_are() -> None:
    text = texts(plan("twins.go.cpu_set=[0, 7]", "twins.rust.cpu_set=[0, 7]", "swarm.cpu_set=[9]"), ROOMY)
    assert "twins.go.cpu_set = [0, 7]: this machine offers the cores 0, 1" in text
    assert "swarm.cpu_set = [9]" in text


def test_an_allotment_above_its_cpu_set_is_refused() -> None:
    assert "is more than the 1 cores" in texts(plan("twins.go.cpus=1.5", "twins.rust.cpus=1.5"), ROOMY)


def test_too_few_descriptors_are_told_with_the_seats_that_would_fit() -> None:
    # 800 seats + 128 spare = 928 descriptors; with 500 there is room for 800 * (500 - 128) / 800 = 372 seats.
    text = texts(plan("swarm.seats=800"), HostLimits(frozenset({0, 1}), descriptors=500, ephemeral_ports=28_000))
    assert "would need 928 descriptors, the limit is 500" in text
    assert "lower swarm.seats to 372" in text


def test_an_instance_counts_the_connections_it_gets() -> None:
    # Two hot instances share 800 seats: 400 + 128 descriptors each fit in 600, the generator's 928 do not.
    text = texts(plan("swarm.seats=800"), HostLimits(frozenset({0, 1}), descriptors=600, ephemeral_ports=28_000))
    assert "the generator" in text
    assert "an instance of" not in text


def test_too_few_ports_for_one_destination_are_told() -> None:
    text = texts(plan("swarm.seats=800"), HostLimits(frozenset({0, 1}), descriptors=20_000, ephemeral_ports=100))
    assert "this machine has 100 ports for one destination" in text


def test_more_sender_processes_than_cores_are_refused() -> None:
    assert "swarm.processes = 3: this machine offers 2 cores" in texts(plan("swarm.processes=3"), ROOMY)


def test_the_limits_of_this_machine_can_be_read() -> None:
    limits = read_limits()
    assert limits.cpus
    assert limits.descriptors > 0
    assert limits.ephemeral_ports > 0
