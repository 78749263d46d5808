"""An external instance's own page of figures, scraped: CPU time and resident memory of its process.

What it resolves is what the instance's client library writes: CPU time mostly in ticks of 10 ms.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from monitor.source import SourceReading
from records.clock import NS

CPU: Final = "process_cpu_seconds_total"
MEMORY: Final = "process_resident_memory_bytes"
_EARLY_NS: Final = NS // 4  # before a line is made, so that it has this second's figures
_STALE_INTERVALS: Final = 2
Page = Callable[[], str | None]


class Scrape:
    """Scrapes one instance at an interval, in a thread: a slow answer holds up nothing."""

    def __init__(self, page: Page, interval_s: float, *, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Begin to scrape; `page` asks once and returns the text, or None for no answer."""
        self._page = page
        self._interval_ns = round(interval_s * NS)
        self._clock = clock
        self._newest: SourceReading | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._follow, name="scrape", daemon=True).start()

    def read(self) -> SourceReading | None:
        """Return the newest scrape; None when the last one failed, or there was none for two intervals."""
        newest = self._newest
        if newest is None or newest.sampled_ns is None:
            return None
        old_ns = self._clock() - newest.sampled_ns
        return newest if old_ns <= _STALE_INTERVALS * self._interval_ns else None

    def close(self) -> None:
        """Let the thread end after the scrape under way."""
        self._ended.set()

    def once(self) -> None:
        """Scrape now; the moment of the figures is the middle between the question and the answer."""
        asked_ns = self._clock()
        text = self._page()
        at_ns = (asked_ns + self._clock()) // 2
        self._newest = None if text is None else figures_of(text, at_ns)

    def _follow(self) -> None:
        while not self._ended.is_set():
            self.once()
            now_ns = self._clock() + _EARLY_NS
            self._ended.wait((self._interval_ns - now_ns % self._interval_ns) / NS)


def figures_of(text: str, at_ns: int) -> SourceReading | None:
    """Return what a page in Prometheus' text format tells of its process; None when it is no such page or has neither.

    A process family without labels is one sample; with labels (several processes behind one page) they are summed.
    """
    found: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in (CPU, MEMORY) and math.isfinite(sample.value):
                    found[sample.name] = found.get(sample.name, 0.0) + float(sample.value)
    except (ValueError, KeyError, IndexError):
        return None
    if not found:
        return None
    memory = found.get(MEMORY)
    return SourceReading(found.get(CPU), None if memory is None else round(memory), sampled_ns=at_ns)
