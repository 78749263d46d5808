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


def limits(*, descriptors: int = 20_000, ports: int = 28_000) -> HostLimits:
    return HostLimits(frozenset({0, 1}), descriptors, ports)


def test_too_few_descriptors_for_the_connections_of_the_engine_are_told_with_what_would_fit() -> None:
    # Two hot instances x 400 connections + 128 spare = 928 descriptors; 500 have room for 400 x 372 / 800 = 186.
    text = texts(plan("engine.connections=400"), limits(descriptors=500))
    assert "engine.connections = 400: the generator (per process) would need 928 descriptors, the limit is 500" in text
    assert "lower engine.connections to 186 or less" in text
    # An instance gets 400 of them: 528, of which 500 have room for 372.
    assert "an instance of go would need 528 descriptors" in text
    assert "lower engine.connections to 372 or less" in text


def test_processes_share_the_connections_of_the_engine() -> None:
    # 200 connections to each of two instances are 528 of the generator, as the instance's 400 are.
    text = texts(plan("engine.connections=400", "swarm.processes=2"), limits(descriptors=528))
    assert text == ""


def test_too_many_connections_for_the_ports_of_one_destination_are_told() -> None:
    text = texts(plan("engine.connections=200"), limits(ports=100))
    assert "twins.go = 200 connections to one address: this machine has 100 ports for one destination" in text
    assert "lower engine.connections" in text


SEATS = ('swarm.sender="fasthttp"', "swarm.seats=800")


def test_too_few_descriptors_are_told_with_the_seats_that_would_fit() -> None:
    # 800 seats + 128 spare = 928 descriptors; with 500 there is room for 800 * (500 - 128) / 800 = 372 seats.
    text = texts(plan(*SEATS), limits(descriptors=500))
    assert "swarm.seats = 800: the generator (per process) would need 928 descriptors, the limit is 500" in text
    assert "lower swarm.seats to 372" in text


def test_an_instance_counts_the_connections_it_gets() -> None:
    # Two hot instances share 800 seats: 400 + 128 descriptors each fit in 600, the generator's 928 do not.
    text = texts(plan(*SEATS), limits(descriptors=600))
    assert "the generator" in text
    assert "an instance of" not in text


def test_too_few_ports_for_the_seats_of_one_destination_are_told() -> None:
    text = texts(plan(*SEATS), limits(ports=100))
    assert "this machine has 100 ports for one destination" in text
    assert "lower swarm.seats" in text


def test_more_sender_processes_than_cores_are_refused() -> None:
    assert "swarm.processes = 3: this machine offers 2 cores" in texts(plan("swarm.processes=3"), ROOMY)


def test_the_limits_of_this_machine_can_be_read() -> None:
    found = read_limits()
    assert found.cpus
    assert found.descriptors > 0
    assert found.ephemeral_ports > 0
