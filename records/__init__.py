"""The bottom of the flow: what every step reads and writes, and nothing that acts.

plan (what to do) -> stage (a load step) -> second (what was counted) and usage (what it cost)
-> run_folder (all of it on disk, line by line). Imports nothing of ours.

Errors:

* RecordError
  x PlanError      the plan has faults; carries all of them
  x RunFolderError a run folder cannot be written or read back
"""
