from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from records.plan_watch import WatchPlan


def test_external_twins_are_scraped_where_they_can_be() -> None:
    assert WatchPlan().external == "auto"


@pytest.mark.parametrize(
    ("section", "remedy"),
    [
        ({"external": "prometheus"}, "needs url: where the server answers"),
        ({"url": "127.0.0.1:9090"}, r'a URL such as "http://127\.0\.0\.1:9090"'),
        ({"cpu": "rate(x[1m])"}, "ends in a range"),
        ({"memory": "container_memory_working_set_bytes"}, "ends in a range"),
        ({"interval_s": 0.0}, "greater than or equal to 0.1"),
        ({"intervals": 1}, "Extra inputs"),
    ],
)
def test_a_faulty_section_says_what_would_be_right(section: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError, match=remedy):
        WatchPlan.model_validate(section)
