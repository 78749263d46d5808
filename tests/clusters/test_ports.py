"""Ports that nobody listens on."""

from __future__ import annotations

import socket

import pytest

from clusters.ports import free_ports


def test_free_ports_are_all_different() -> None:
    ports = free_ports(6)
    assert len(set(ports)) == 6


def test_what_listens_is_not_among_them() -> None:
    held = free_ports(1)[0]
    with socket.create_server(("127.0.0.1", held)):
        assert held not in free_ports(3_000)


def test_more_than_there_are_is_an_error_that_says_how_many() -> None:
    with pytest.raises(OSError, match=r"of 12001 ports between 20000 and 31999 only [0-9]+ are free"):
        free_ports(12_001)
