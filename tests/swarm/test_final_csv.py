"""The files that Locust leaves: written once more from the final figures."""

from __future__ import annotations

from locust.argument_parser import get_empty_argument_parser, setup_parser_arguments
from locust.env import Environment
from locust.event import Events
from locust.stats import PERCENTILES_TO_REPORT, StatsCSVFileWriter

import atexit
import csv
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from swarm.final_csv import FinalText, complete_files_at_exit, final_texts

NOW_S = 1_800_000_000.5


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    parser = get_empty_argument_parser()
    setup_parser_arguments(parser)
    options = parser.parse_args(["--csv", str(tmp_path / "run"), "--html", str(tmp_path / "deep" / "run.html")])
    made = Environment(parsed_options=options)
    runner = made.create_local_runner()
    yield made
    runner.greenlet.kill()


def count(environment: Environment, times: int) -> None:
    for _ in range(times):
        environment.stats.log_request("GET", "a", 5, 10)
    environment.stats.log_error("GET", "a", "bad")


def write_final(environment: Environment) -> None:
    for text in final_texts(environment, NOW_S):
        text.write()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_hold_the_final_figures_also_what_came_after_locusts_own_last_writing(
    environment: Environment, tmp_path: Path
) -> None:
    count(environment, 3)
    writer = StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, str(tmp_path / "run"))
    writing = gevent.spawn(writer.stats_writer)
    gevent.sleep(0)
    count(environment, 4)
    writing.kill()
    writer.close_files()
    assert rows(tmp_path / "run_stats.csv")[-1]["Request Count"] == "3"
    write_final(environment)
    assert [(row["Name"], row["Request Count"], row["Failure Count"]) for row in rows(tmp_path / "run_stats.csv")] == [
        ("a", "7", "2"), ("Aggregated", "7", "2"),
    ]  # fmt: skip
    assert [(row["Error"], row["Occurrences"]) for row in rows(tmp_path / "run_failures.csv")] == [("bad", "2")]
    history = rows(tmp_path / "run_stats_history.csv")
    assert [row["Total Request Count"] for row in history] == ["3", "7"]
    assert history[-1]["Timestamp"] == "1800000000"
    assert rows(tmp_path / "run_exceptions.csv") == []
    assert '"num_requests": 7' in (tmp_path / "deep" / "run.html").read_text()


def test_the_full_history_ends_with_a_row_for_every_entry(environment: Environment, tmp_path: Path) -> None:
    assert environment.parsed_options is not None
    environment.parsed_options.stats_history_enabled = True
    StatsCSVFileWriter(environment, PERCENTILES_TO_REPORT, str(tmp_path / "run"), True).close_files()
    count(environment, 2)
    write_final(environment)
    names = [row.split(",")[3] for row in (tmp_path / "run_stats_history.csv").read_text().splitlines()]
    assert names == ["a", "Aggregated"]


def test_nothing_is_written_that_was_not_asked_for(environment: Environment, tmp_path: Path) -> None:
    assert environment.parsed_options is not None
    environment.parsed_options.csv_prefix = environment.parsed_options.html_file = None
    write_final(environment)
    assert not list(tmp_path.iterdir())


def test_the_text_is_made_after_all_other_listeners_of_quitting_and_written_at_the_end_of_the_process(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[FinalText] = []
    monkeypatch.setattr(atexit, "register", lambda write: noted.append(write.__self__))
    events = Events()
    complete_files_at_exit(events)
    events.quitting.add_listener(lambda **_: count(environment, 5))
    events.quitting.fire(environment=environment, reverse=True)
    environment.stats.serialize_stats()  # what --json does: it forgets the entries
    assert [text.path.name for text in noted] == [
        "run_stats.csv", "run_failures.csv", "run_exceptions.csv", "run_stats_history.csv", "run.html",
    ]  # fmt: skip
    assert noted[0].text.splitlines()[1].startswith("GET,a,5,1,")
