from __future__ import annotations

from monitor.scrape import Scrape, figures_of
from monitor.source import SourceReading
from records.clock import NS

PAGE = """\
# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.25
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 5.242880e+06
# TYPE http_requests_total counter
http_requests_total{path="/a",status="200"} 7
"""


def test_a_page_tells_cpu_time_and_memory_of_its_process() -> None:
    assert figures_of(PAGE, 9) == SourceReading(1.25, 5_242_880, sampled_ns=9)


def test_several_processes_behind_one_page_are_summed() -> None:
    page = 'process_cpu_seconds_total{process="a"} 1\nprocess_cpu_seconds_total{process="b"} 2.5\n'
    assert figures_of(page, 9) == SourceReading(3.5, None, sampled_ns=9)


def test_what_a_page_does_not_tell_is_none_and_no_zero() -> None:
    assert figures_of("process_resident_memory_bytes NaN\nprocess_cpu_seconds_total 0\n", 9) == SourceReading(
        0.0, None, sampled_ns=9
    )
    for page in ("", "http_requests_total 7\n", "process_cpu_seconds_total NaN\n", "<html>no such page</html>\n"):
        assert figures_of(page, 9) is None, page


def test_the_moment_is_the_middle_of_asking_and_a_failed_or_old_scrape_is_a_gap() -> None:
    pages: list[str | None] = [PAGE]
    now = [10 * NS]

    def page() -> str | None:
        now[0] += 2
        return pages[0]

    scrape = Scrape(page, 3600.0, clock=lambda: now[0])
    scrape.close()
    now[0] = 20 * NS
    scrape.once()
    told = scrape.read()
    assert told is not None
    assert told.sampled_ns == 20 * NS + 1
    now[0] += 2 * 3600 * NS
    assert scrape.read() is None
    pages[0] = None
    scrape.once()
    assert scrape.read() is None
