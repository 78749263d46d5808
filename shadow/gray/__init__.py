"""The gray release's pure part: counts of a poll, the test over them, and what it decides. No clock, no I/O.

counts -> sequential -> judge, and the roll-out's steps over them.
"""
