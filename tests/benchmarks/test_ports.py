"""Ports for what a benchmark starts."""

from __future__ import annotations

from benchmarks.ports import free_ports


def test_free_ports_are_all_different() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6
