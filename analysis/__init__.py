"""What a run means: run folder in, figures and pictures out. Above the swarm and the monitor, below the command.

run (reads) -> tally, window (counts and cost of a stage) -> validity (may it be used?) -> curve -> saturation,
same_load, ratio (twins compared by pairs) -> cost -> summary -> plots/ and report/, which alone write files.

Beside it: audit (does a report follow from its lines?); likeness, unpaired -> compare (a run against an earlier one).

Pure but for plots/ and report/: arrays in, frozen results out, no clock. Errors are those of records: a run folder
that cannot be read or written raises RunFolderError.
"""
