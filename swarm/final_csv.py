"""Locust's files, whole: `--csv` and `--html` written once more when Locust has ended its own writing.

Locust writes the CSV files every second and not at the end, so what ended in the last second is missing; the report is
written before the last requests have ended when a person interrupts, and not at all on SIGTERM.

| when | what |
|---|---|
| `quitting`, the last listener | all is counted: the files' text is made (`--json` forgets the entries soon after) |
| end of the interpreter | Locust has written what it still held for its files and closed them: the text replaces it |
"""

from __future__ import annotations

from locust import stats
from locust.env import Environment
from locust.event import Events
from locust.html import get_html_report, process_html_filename
from locust.runners import WorkerRunner
from locust.stats import CSVWriter, StatsCSV, StatsCSVFileWriter

import atexit
import csv
import functools
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class FinalText:
    """What a file shall hold; with `more`, what is added to its end."""

    path: Path
    text: str
    more: bool = False

    def write(self) -> None:
        """Write the file; OSError when it cannot be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a" if self.more else "w", encoding="utf-8", newline="") as file:
            file.write(self.text)


class FinalCsv(StatsCSVFileWriter):
    """Locust's writer, for files that it has closed.

    Args:
        environment: whose statistics.
        base: the path that the files' names begin with.
        full_history: a history row for every entry, not for the total alone.
    """

    def __init__(self, environment: Environment, base: str, *, full_history: bool = False) -> None:
        StatsCSV.__init__(self, environment, stats.PERCENTILES_TO_REPORT)  # opens nothing
        self.base_filepath = base
        self.full_history = full_history

    def texts(self, now_s: float) -> tuple[FinalText, ...]:
        """Return requests, failures and exceptions, and a last row of the history."""
        return (
            self._text("_stats.csv", self.requests_csv),
            self._text("_failures.csv", self.failures_csv),
            self._text("_exceptions.csv", self.exceptions_csv),
            self._text("_stats_history.csv", lambda rows: self._stats_history_data_rows(rows, now_s), more=True),
        )

    def _text(self, ending: str, fill: Callable[[CSVWriter], None], *, more: bool = False) -> FinalText:
        rows = io.StringIO(newline="")
        fill(csv.writer(rows))
        return FinalText(Path(self.base_filepath + ending), rows.getvalue(), more)


def final_texts(environment: Environment, now_s: float) -> tuple[FinalText, ...]:
    """Return the files that the options ask for, from the statistics as they are now."""
    options = environment.parsed_options
    if options is None or isinstance(environment.runner, WorkerRunner):
        return ()
    texts: tuple[FinalText, ...] = ()
    if options.csv_prefix:
        full_history = bool(options.stats_history_enabled)
        texts += FinalCsv(environment, options.csv_prefix, full_history=full_history).texts(now_s)
    if options.html_file:
        process_html_filename(options)
        page = get_html_report(environment, show_download_link=False)  # type: ignore[no-untyped-call]
        texts += (FinalText(Path(options.html_file), page),)
    return texts


def complete_files_at_exit(events: Events) -> None:
    """Let Locust's files be written once more at the end of the process.

    To be called at import, and before other listeners of `quitting` are added: that event calls the first one last.
    """

    _end_with_its_files(StatsCSVFileWriter)

    def on_quitting(environment: Environment, **_: Any) -> None:
        for text in final_texts(environment, time.time()):
            atexit.register(text.write)

    events.quitting.add_listener(on_quitting)  # type: ignore[no-untyped-call]


def _end_with_its_files(writer_class: type[StatsCSVFileWriter]) -> None:
    """Let Locust's writer end in silence once its files are closed: with `--processes` it runs on for a moment."""
    write = writer_class.stats_writer

    @functools.wraps(write)
    def until_closed(self: StatsCSVFileWriter) -> None:
        try:
            write(self)
        except ValueError:
            if not self.requests_csv_filehandle.closed:
                raise

    writer_class.stats_writer = until_closed  # type: ignore[method-assign]
