"""The report of a run: the eleven files of `report/`, from the run folder alone. Writes files; computes nothing."""

from analysis.report.write import write_report

__all__ = ["write_report"]
