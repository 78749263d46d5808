"""Seats of the sender `native-users`, end to end: real Locust and sockets, counting servers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from swarm_cases import Project, open_project

from userpool import make_pool

pytestmark = pytest.mark.slow

LOCUSTFILE = """
from locust import events
from swarm.native.seat_user import NativeSeatUser
from swarm.wiring import RampStages, connect

class Seat(NativeSeatUser):
    pass

class Ramp(RampStages):
    pass

connect(events, seat_classes={"native-users": Seat}, shape_class=Ramp)
"""


def run(project: Project, *options: str) -> tuple[Counter[str], str]:
    """Run headless and return what was counted, by status class and by cause."""
    project.locustfile = project.folder / "locustfile.py"
    project.locustfile.write_text(LOCUSTFILE)
    chosen = ("--set", 'swarm.sender="native-users"', *options)
    code, out, err = project.run("--headless", "--only-summary", "--twins", "one", *chosen)
    assert code == 0, out + err
    counted: Counter[str] = Counter()
    for second in project.reader().seconds():
        for status, count in second.status.items():
            counted[status] += count.done
            counted.update(count.failed)
    return counted, err


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    pool = make_pool(300, 7, tmp_path / "made" / "pool", ledgers=False).folder
    folder = tmp_path / "project"
    folder.mkdir()
    with open_project(folder, pool) as made:
        yield made


def test_the_run_folder_agrees_with_the_target_to_the_request(project: Project) -> None:
    counted, _ = run(project, "--endpoints", "mix", "--rates", "80")
    assert counted["2xx"] == project.one.count() > 50
    assert set(counted) == {"2xx"}


@pytest.mark.parametrize(
    ("path", "status", "cause"), [("/fail/{user_id}", "5xx", "status-500"), ("/drop/{user_id}", "none", "reset")]
)
def test_failures_keep_their_causes(project: Project, path: str, status: str, cause: str) -> None:
    project.edit('path = "/front/{user_id}?tier={tier}"', f'path = "{path}"')
    counted, _ = run(project, "--set", "stages.rates_rps=[60]", "--set", "stages.measure_s=2")
    assert counted[status] == counted[cause] == project.one.count() > 50
