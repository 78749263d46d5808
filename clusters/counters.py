"""What an instance says of itself: its version, and how many requests it counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from clusters.ask import Asker
from records.instance import Instance
from records.plan import Plan, TwinPlan

_SAMPLE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{.*\})?\s+(\S+)(?:\s+-?\d+)?$")
_VERSION_CHARS = 4_096


def fetch_version(plan: Plan, instance: Instance, root: Path = Path()) -> str | None:
    """Return the body of an instance's version path as one line of text, None when it has none or does not answer."""
    twin = _twin(plan, instance)
    text = _get(twin, instance, twin.version if twin else None, root)
    return None if text is None else " ".join(text.split())[:_VERSION_CHARS]


def fetch_counters(plan: Plan, instances: Iterable[Instance], root: Path = Path()) -> dict[str, float | None]:
    """Return by instance the requests that it counted itself, None where it does not serve that."""
    counts: dict[str, float | None] = {}
    for instance in instances:
        twin = _twin(plan, instance)
        text = _get(twin, instance, twin.metrics if twin else None, root)
        counts[instance.name] = None if text is None else requests_total(text)
    return counts


def requests_total(text: str) -> float | None:
    """Return the sum of a Prometheus page's request counters, None when it has none.

    A request counter is a family whose name ends in `requests_total`; all its labels are summed. Families of the
    exporter itself (`promhttp_…`) are left out: they count the reading of the page.
    Source: Prometheus text exposition format 0.0.4.
    """
    values = []
    for line in text.splitlines():
        match = _SAMPLE.match(line.strip())
        if match and match[1].endswith("requests_total") and not match[1].startswith("promhttp_"):
            try:
                values.append(float(match[2]))
            except ValueError:
                return None
    return sum(values) if values else None


def _twin(plan: Plan, instance: Instance) -> TwinPlan | None:
    return plan.twins.get(instance.twin) if instance.twin is not None else None


def _get(twin: TwinPlan | None, instance: Instance, path: str | None, root: Path) -> str | None:
    if twin is None or path is None or instance.address is None:
        return None
    with Asker(twin, instance.address, root) as asker:
        answer = asker.ask(path, timeout_s=2.0)
    return answer.body.decode("utf-8", "replace") if answer.status == 200 else None
