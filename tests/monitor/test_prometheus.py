from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import SourceUnavailable
from monitor.prometheus import Point, Series, Server, ServerWatch, points_of
from records.clock import NS
from records.plan_watch import WatchPlan


def series(pod: str, *values: tuple[float, float], **labels: str) -> Series:
    return Series({"pod": pod, **labels}, [(at_s, str(value)) for at_s, value in values])


def test_a_series_gives_its_newest_sample_with_the_time_of_its_scrape() -> None:
    assert points_of([series("a", (10, 1.0), (25, 2.0), (40, 4.0))], "pod") == {"a": Point(40, 4.0, 15)}


def test_a_pods_containers_are_summed_at_a_moment_that_all_have_reached() -> None:
    one = series("a", (10, 1.0), (20, 2.0), container="x")
    two = series("a", (12, 0.0), (22, 5.0), container="y")
    assert points_of([one, two], "pod") == {"a": Point(20, 2.0 + 4.0, 10)}


def test_a_container_that_ended_does_not_hold_its_pod_back() -> None:
    old = series("a", (10, 90.0), (20, 91.0), container="x", id="old")
    new = series("a", (35, 0.1), (45, 0.2), container="x", id="new")
    assert points_of([old, new], "pod") == {"a": Point(45, 0.2, 10)}


def test_a_single_sample_has_no_spacing_and_other_labels_are_not_taken() -> None:
    assert points_of([series("a", (10, 1.0)), Series({"node": "b"}, [(10, "1")]), series("c")], "pod") == {
        "a": Point(10, 1.0, None)
    }


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
def test_a_total_of_series_scraped_together_is_their_sum(values: list[float]) -> None:
    group = [series("a", (10, 0.0), (20, value), container=str(i)) for i, value in enumerate(values)]
    assert points_of(group, "pod")["a"].value == pytest.approx(sum(values))


class FakeServer:
    """A server whose clock stands 1,000 s behind ours, and whose samples tests write down."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, list[Series]] = {"cpu": [], "memory": []}

    def series(self, query: str, key: str) -> list[Series]:
        self.asked.append(query)
        return self.answers[key]

    def now_s(self) -> float:
        return 9_000.0

    def close(self) -> None:
        pass


WATCH = WatchPlan(external="prometheus", url="http://x", names={"go-1": "pod.1"}, interval_s=60.0)


@pytest.fixture
def fake() -> FakeServer:
    return FakeServer()


def watch_of(fake: FakeServer, now_ns: list[int]) -> ServerWatch:
    return ServerWatch(cast(Server, fake), WATCH, ["go-1"], clock=lambda: now_ns[0])


def test_times_are_moved_from_the_servers_clock_to_ours_and_names_are_escaped(fake: FakeServer) -> None:
    now_ns = [10_000 * NS]
    fake.answers = {"cpu": [series("pod.1", (8_985, 1), (8_995, 2))], "memory": [series("pod.1", (8_995, 5e6))]}
    watch = watch_of(fake, now_ns)
    told = watch.read("go-1")
    watch.close()
    assert told is not None
    assert (told.cpu_s, told.memory_bytes, told.sampled_ns) == (2.0, 5_000_000, 9_995 * NS)
    assert 'pod=~"pod\\\\.1"' in fake.asked[0]
    assert fake.asked[0].startswith("container_cpu_usage_seconds_total{")
    assert fake.asked[1].startswith("container_memory_working_set_bytes{")


def test_samples_that_stop_coming_are_a_gap(fake: FakeServer) -> None:
    now_ns = [10_000 * NS]
    fake.answers["cpu"] = [series("pod.1", (8_985, 1), (8_995, 2))]
    watch = watch_of(fake, now_ns)
    now_ns[0] += 80 * NS  # 85 s old, samples being 10 s apart and asked for once in 60
    assert set(watch.once()) == {"go-1"}
    now_ns[0] += NS
    assert watch.once() == {}
    watch.close()


def test_an_instance_that_the_server_does_not_know_is_told_with_the_query(fake: FakeServer) -> None:
    with pytest.raises(SourceUnavailable, match=r"no pod pod\.1 for go-1: correct watch\.names"):
        watch_of(fake, [0])
