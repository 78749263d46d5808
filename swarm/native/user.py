"""The user: FastHttpUser's class attributes and methods over the engine."""

from __future__ import annotations

from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment
from locust.exception import StopTest
from locust.user import User

from gevent import Greenlet
from gevent.pool import Group

from swarm.native.loop import Tireless
from swarm.native.session import NativeSession


class NativeHttpUser(Tireless, FastHttpUser):
    """A user whose `client` sends through the engine; takes FastHttpUser's place as a base class."""

    abstract = True

    def __init__(self, environment: Environment) -> None:
        User.__init__(self, environment)
        if self.host is None:
            raise StopTest("no base host: give the user class a `host`, or pass --host on the command line")
        self.client: NativeSession = NativeSession(
            self.host,
            environment.events.request,
            self,
            insecure=self.insecure,
            client_pool=self.client_pool,
            ssl_context_factory=self.ssl_context_factory,
            network_timeout=self.network_timeout,
            connection_timeout=self.connection_timeout,
            max_redirects=self.max_redirects,
            max_retries=self.max_retries,
            concurrency=self.concurrency,
            headers=self.default_headers,
            proxy_host=self.proxy_host,
            proxy_port=self.proxy_port,
        )

    def start(self, group: Group) -> Greenlet:
        """Start the user's greenlet; the connections close with its end."""
        greenlet = super().start(group)
        greenlet.link(lambda _: self.client.close())
        return greenlet
