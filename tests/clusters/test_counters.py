from __future__ import annotations

from clusters.counters import requests_total


def test_the_counter_is_summed_over_its_labels() -> None:
    page = (
        "# HELP wallet_requests_total Requests.\n# TYPE wallet_requests_total counter\n"
        'wallet_requests_total{endpoint="balance",code="200"} 12\n'
        'wallet_requests_total{endpoint="a }b",code="404"} 3 1700000000000\n'
        "process_cpu_seconds_total 1.5\n"
    )
    assert requests_total(page) == 15.0


def test_counters_of_the_exporter_itself_do_not_count() -> None:
    assert requests_total("promhttp_metric_handler_requests_total 4\nhttp_requests_total 1e3\n") == 1000.0


def test_a_page_without_such_a_counter_has_none_and_not_zero() -> None:
    assert requests_total("process_cpu_seconds_total 1.5\n") is None
    assert requests_total("") is None


def test_a_value_that_is_no_number_makes_the_sum_unknown() -> None:
    assert requests_total("http_requests_total many\n") is None
