"""Locust's own fast user at a fixed rate: each of USERS sends RATE_RPS / USERS a second. For `benchmarks.stalls`."""

from locust import FastHttpUser, constant_throughput, task

import os


class Fixed(FastHttpUser):
    """Asks for one page at its share of the rate."""

    wait_time = constant_throughput(float(os.environ["RATE_RPS"]) / int(os.environ["USERS"]))

    @task
    def ask(self) -> None:
        """Ask."""
        self.client.get("/u/1")
