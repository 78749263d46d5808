"""What load testers print of latency, read out of their own reports. Pure."""

from __future__ import annotations

import csv
import json
import re
from typing import Final

from benchmarks.stalls.series import Latencies

_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def of_wrk(text: str) -> Latencies:
    """Read `wrk --latency`: "Latency  avg  stdev  max  +/- stdev" and "50%  0.97ms"."""
    return Latencies(
        _time(text, r"^\s+50%\s+(\S+)"), _time(text, r"^\s+99%\s+(\S+)"), _time(text, r"Latency\s+\S+\s+\S+\s+(\S+)")
    )


def of_ab(text: str) -> Latencies:
    """Read `ab`: whole milliseconds."""
    found = [_number(text, rf"^\s*{percent}%\s+(\d+)") for percent in (50, 99, 100)]
    return Latencies(*(None if value is None else value / 1000 for value in found))


def of_hey(text: str) -> Latencies:
    """Read `hey`: seconds; the largest is its slowest."""
    p50_s, p99_s = (_number(text, rf"^\s+{percent}% in ([\d.]+) secs") for percent in (50, 99))
    return Latencies(p50_s, p99_s, _number(text, r"Slowest:\s+([\d.]+) secs"))


def of_h2load(text: str) -> Latencies:
    """Read `h2load`, which tells least, largest, mean and deviation, and no percentile."""
    return Latencies(None, None, _time(text, r"time for request:\s+\S+\s+(\S+)"))


def of_oha(text: str) -> Latencies:
    """Read `oha`'s JSON: seconds."""
    tree = json.loads(text)
    return Latencies(tree["latencyPercentiles"]["p50"], tree["latencyPercentiles"]["p99"], tree["summary"]["slowest"])


def of_k6(text: str) -> Latencies:
    """Read the file of `k6 run --summary-export`: milliseconds."""
    found = json.loads(text)["metrics"]["http_req_duration"]
    return Latencies(found["med"] / 1000, found["p(99)"] / 1000, found["max"] / 1000)


def of_locust(text: str) -> Latencies:
    """Read the file NAME_stats.csv of `locust --csv NAME`: milliseconds."""
    row = next(row for row in csv.DictReader(text.splitlines()) if row["Name"] == "Aggregated")
    return Latencies(*(float(row[key]) / 1000 for key in ("50%", "99%", "Max Response Time")))


def _time(text: str, pattern: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    parts = None if found is None else re.fullmatch(r"([\d.]+)(us|ms|s|m)", found.group(1))
    return None if parts is None else float(parts.group(1)) * _UNITS[parts.group(2)]


def _number(text: str, pattern: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else float(found.group(1))
