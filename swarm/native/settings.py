"""What a session may connect to and how, read from the arguments that FastHttpUser gives its pool of connections."""

from __future__ import annotations

from locust.contrib.fasthttp import insecure_ssl_context_factory

from collections.abc import Mapping
from typing import Any

import gevent.ssl
from geventhttpclient.connectionpool import DEFAULT_CONNECTION_TIMEOUT, DEFAULT_NETWORK_TIMEOUT

from swarm.native.lines import Limits

_UNDERSTOOD = frozenset({"connection_timeout", "network_timeout", "concurrency", "insecure", "ssl_context_factory"})


def limits_of(pool: Mapping[str, Any]) -> Limits | None:
    """Return how the engine shall connect in the place of a pool with these arguments.

    None when it cannot stand in: there is a proxy, an SSL context of the user's own, or an argument that it has not.
    """
    given = {name: value for name, value in pool.items() if value is not None}
    if not _UNDERSTOOD.issuperset(given):
        return None
    factory = given.get("ssl_context_factory")
    if factory not in (None, insecure_ssl_context_factory, gevent.ssl.create_default_context):
        return None
    return Limits(
        connections=int(given.get("concurrency", 1)),
        connect_timeout_s=float(given.get("connection_timeout", DEFAULT_CONNECTION_TIMEOUT)),
        timeout_s=float(given.get("network_timeout", DEFAULT_NETWORK_TIMEOUT)),
        verify=factory is not insecure_ssl_context_factory and not given.get("insecure", False),
    )
