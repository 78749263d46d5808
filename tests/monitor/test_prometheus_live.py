"""External instances through a real Prometheus server, and by their own pages: counters that grow at a known rate."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clusters.ports import free_ports
from monitor import Monitor, SourceUnavailable, open_sources, window
from records.clock import NS, Clock
from records.event import Event
from records.instance import Instance
from records.plan import Plan
from records.plan_file import check_plan
from records.usage import UsageLine

pytestmark = pytest.mark.slow
RATES = {"go-1": 0.5, "rust-1": 0.25}  # cores


@dataclass
class Pods:
    """Pages of two pods: as a node's exporter shows them, and as each process shows itself."""

    began_s: float = field(default_factory=time.time)
    failing: bool = False

    def page(self, path: str) -> str | None:
        if self.failing:
            return None
        past_s = time.time() - self.began_s
        if path == "/node":
            return "".join(self.containers(name, past_s * rate) for name, rate in RATES.items())
        used_s = past_s * RATES[path.removeprefix("/")]
        return f"process_cpu_seconds_total {used_s}\nprocess_resident_memory_bytes 5e6\nhttp_requests_total 3\n"

    def containers(self, pod: str, used_s: float) -> str:
        """Return a pod of a service and a sidecar, with the totals that are not to be counted twice."""
        cpu, memory = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
        text = ""
        for container, part in (("wallet", 0.75), ("sidecar", 0.25), ("POD", 0.5), ("", 1.0)):
            labels = f'{{container="{container}",pod="pod-{pod}"}}'
            text += f"{cpu}{labels} {used_s * part}\n{memory}{labels} {4e6 * part}\n"
        return text


@pytest.fixture
def pods() -> Iterator[tuple[Pods, str]]:
    pods = Pods()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pods.page(self.path)
            body = (page or "").encode()
            self.send_response(503 if page is None else 200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield pods, f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def prometheus(pods: tuple[Pods, str], tmp_path: Path) -> Iterator[str]:
    """Start a server that scrapes the node's page each second, and return its URL once it has samples."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("needs Prometheus (Debian's package prometheus)")
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 900ms}\n"
        "scrape_configs:\n"
        f"  - {{job_name: node, metrics_path: /node, static_configs: [{{targets: ['{pods[1]}']}}]}}\n",
        encoding="utf-8",
    )
    address = f"127.0.0.1:{free_ports(1)[0]}"
    words = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={address}"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen([program, *words], stdout=log, stderr=log) as server:
        try:
            yield f"http://{address}"
        finally:
            server.terminate()


def plan(address: str, watch: dict[str, Any]) -> Plan:
    def twin(name: str) -> dict[str, Any]:
        where = f"{address}" if name == "go-1" else address.replace("127.0.0.1", "localhost")
        instance = {"name": name, "address": where, "serves": ["a"]}
        return {"start": "external", "metrics": f"/{name}", "instances": [instance]}

    workload = [{"name": "a", "path": "/", "hot": True}]
    twins = {"go": twin("go-1"), "rust": twin("rust-1")}
    return check_plan({"twins": twins, "workload": workload, "watch": watch}, "test")


def instances(plan: Plan) -> tuple[Instance, ...]:
    return tuple(
        Instance(one.name, "target", twin=name, address=one.address)
        for name, twin in plan.twins.items()
        for one in twin.instances
    )


def watch(plan: Plan, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> list[UsageLine]:
    lines: list[UsageLine] = []
    events: list[Event] = []
    clock = Clock.now()
    with open_sources(plan, instances(plan), Path(), clock, events.append) as opened:
        assert [one.watch for one in opened.instances] == ["prometheus", "prometheus"]
        monitor = Monitor(opened.instances, clock, lines.append, sources=opened.by_name)
        monitor.start()
        end = time.monotonic() + seconds
        meanwhile()
        time.sleep(max(0.0, end - time.monotonic()))
        monitor.stop()
    return lines


def wait_for(plan: Plan) -> None:
    """Wait until the server has samples of both."""
    deadline = time.monotonic() + 30
    while True:
        try:
            open_sources(plan, instances(plan), Path(), Clock.now(), lambda _: None).close()
        except SourceUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return


def test_a_server_tells_cores_by_pod_at_the_times_of_its_scrapes(pods: tuple[Pods, str], prometheus: str) -> None:
    names = {name: f"pod-{name}" for name in RATES}
    asked = plan(pods[1], {"external": "prometheus", "url": prometheus, "names": names, "interval_s": 0.5})
    wait_for(asked)
    lines = watch(asked, 7.0)
    start, end = lines[1].t_ns, lines[-1].t_ns
    for index, rate in enumerate(RATES.values()):
        assert window.cpu_cores(lines, index, start, end) == pytest.approx(rate, rel=0.02)
        assert window.memory_mean_bytes(lines, index, start, end) == 4_000_000
        assert window.resolution_s(lines, index) == pytest.approx(1.0, abs=0.1)
        sampled = [line.sampled_ns[index] for line in lines]
        assert all(at is not None and at <= line.t_ns for at, line in zip(sampled, lines, strict=True))


def test_a_wrong_query_or_name_is_an_error_before_any_load(pods: tuple[Pods, str], prometheus: str) -> None:
    names = {name: f"pod-{name}" for name in RATES}
    right = {"external": "prometheus", "url": prometheus, "names": names}
    wait_for(plan(pods[1], right))
    wrong = {
        r"has no pod go-1 for go-1: correct watch\.names": {**right, "names": {}},
        r"refuses watch\.cpu: .*parse error": {**right, "cpu": "sum by [2m]"},
        r"no Prometheus server answers at watch\.url http://127\.0\.0\.1:1": {**right, "url": "http://127.0.0.1:1"},
    }
    for message, section in wrong.items():
        asked = plan(pods[1], section)
        with pytest.raises(SourceUnavailable, match=message):
            open_sources(asked, instances(asked), Path(), Clock.now(), lambda _: None)


def test_instances_are_scraped_by_their_own_pages_and_a_failed_scrape_is_a_gap(pods: tuple[Pods, str]) -> None:
    def fail() -> None:
        time.sleep(4.1)
        pods[0].failing = True

    lines = watch(plan(pods[1], {"external": "scrape"}), 6.6, fail)
    for index, rate in enumerate(RATES.values()):
        known = [line for line in lines if line.cpu_s[index] is not None]
        assert window.cpu_cores(lines, index, known[0].t_ns, known[-1].t_ns) == pytest.approx(rate, rel=0.02)
        assert lines[-1].cpu_s[index] is None
        assert lines[-1].memory_bytes[index] is None
        assert known[-1].memory_bytes[index] == 5_000_000
        later = known[-1].t_ns + NS
        assert window.cpu_cores(lines, index, later, lines[-1].t_ns + NS) is None


def test_a_page_without_process_figures_is_an_error_only_where_they_are_asked_for(pods: tuple[Pods, str]) -> None:
    pods[0].failing = True
    asked = plan(pods[1], {"external": "scrape"})
    with pytest.raises(SourceUnavailable, match="go-1 does not tell process_cpu_seconds_total"):
        open_sources(asked, instances(asked), Path(), Clock.now(), lambda _: None)
    auto = plan(pods[1], {})
    with open_sources(auto, instances(auto), Path(), Clock.now(), lambda _: None) as opened:
        assert opened.by_name == {}
        assert [one.watch for one in opened.instances] == ["none", "none"]
